/** Where shifts stand in a picture of a range of time. Pure. */

import type { Duty } from "../gen/tocsin/response/v1/oncall_pb";
import { DAY, toDate } from "../platform/time";

export interface Bar {
  /** From the left edge, and in width: percent of the range. */
  left: number;
  width: number;
  responder: string;
  name: string;
  reason: string;
  from: Date;
  until: Date;
  /** Which of the six colours; the same for the same responder. */
  colour: number;
}

const COLOURS = 6;

/** One bar for each shift, gaps (no responder) included, clipped to the range. Shifts without an end reach its end. */
export function bars(shifts: readonly Duty[], from: Date, until: Date): Bar[] {
  const range = until.getTime() - from.getTime();
  const colours = new Map<string, number>();
  return shifts.flatMap((shift) => {
    const start = Math.max(from.getTime(), (toDate(shift.since) ?? from).getTime());
    const end = Math.min(until.getTime(), (toDate(shift.until) ?? until).getTime());
    if (end <= start) return [];
    if (shift.responder !== "" && !colours.has(shift.responder)) colours.set(shift.responder, colours.size % COLOURS);
    return {
      left: ((start - from.getTime()) / range) * 100,
      width: ((end - start) / range) * 100,
      responder: shift.responder,
      name: shift.displayName || shift.responder,
      reason: shift.reason,
      from: new Date(start),
      until: new Date(end),
      colour: colours.get(shift.responder) ?? 0,
    };
  });
}

export function gaps(all: readonly Bar[]): Bar[] {
  return all.filter((bar) => bar.responder === "");
}

/** Midnight of the day in the reader's zone. */
export function startOfDay(now: number): Date {
  const day = new Date(now);
  day.setHours(0, 0, 0, 0);
  return day;
}

/** The first instant of each day of the range in the reader's zone; days may be 23 or 25 hours long. */
export function days(from: Date, count: number): Date[] {
  return Array.from({ length: count + 1 }, (_, index) => new Date(from.getFullYear(), from.getMonth(), from.getDate() + index));
}

export function percent(at: number, from: Date, until: Date): number {
  return ((at - from.getTime()) / (until.getTime() - from.getTime())) * 100;
}

/** True if the bar is long enough for a name: a quarter of a day in a fortnight is not. */
export function fitsName(bar: Bar): boolean {
  return bar.until.getTime() - bar.from.getTime() >= DAY / 2;
}
