/** How many alerts were told and how many were held back, hour by hour. Pure. */

import type { Alert } from "../gen/tocsin/detection/v1/alert_pb";
import { toDate } from "../platform/time";

const HOUR = 3_600_000;

export interface Hour {
  /** When it begins, milliseconds since 1970. */
  from: number;
  told: number;
  held: number;
}

/**
 * The last `count` hours, oldest first, with the alerts that opened in each. If the list of alerts is not whole, hours before its oldest
 * alert are left out: nothing is known of them.
 */
export function hours(alerts: readonly Pick<Alert, "openedAt" | "told">[], whole: boolean, now: number, count: number): Hour[] {
  const last = Math.floor(now / HOUR) * HOUR;
  const opened = alerts.map((alert) => toDate(alert.openedAt)?.getTime() ?? 0);
  const known = whole ? 0 : Math.min(...opened);
  const found = Array.from({ length: count }, (_, index) => ({ from: last - (count - 1 - index) * HOUR, told: 0, held: 0 })).filter((hour) => hour.from + HOUR > known);
  const first = found[0]?.from ?? last;
  alerts.forEach((alert, index) => {
    const hour = found[Math.floor((opened[index]! - first) / HOUR)];
    if (hour) hour[alert.told ? "told" : "held"] += 1;
  });
  return found;
}

/** The share of alerts that was held back, in whole percent; 0 if there were none. */
export function heldShare(all: readonly Hour[]): number {
  const [told, held] = [all.reduce((sum, hour) => sum + hour.told, 0), all.reduce((sum, hour) => sum + hour.held, 0)];
  return told + held === 0 ? 0 : Math.round((100 * held) / (told + held));
}
