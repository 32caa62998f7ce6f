/** Where shifts stand in a picture of a range of time. Pure. */

import type { Shift } from "../gen/tocsin/response/v1/oncall_service_pb";
import { DAY, toDate } from "../platform/time";

export interface Bar {
  /** From the left edge, and in width: percent of the range. */
  left: number;
  width: number;
  responders: readonly string[];
  /** "alice + bob"; empty if nobody. */
  name: string;
  reason: string;
  from: Date;
  until: Date;
  /** Which of the six colours; the same for the same people. */
  colour: number;
}

export type Colours = Map<string, number>;

const COLOURS = 6;

/** One bar for each shift, gaps included, clipped to the range. `colours` keeps who has which, from one range to the next. */
export function bars(shifts: readonly Shift[], from: Date, until: Date, colours: Colours = new Map()): Bar[] {
  const range = until.getTime() - from.getTime();
  return shifts.flatMap((shift) => {
    const start = Math.max(from.getTime(), (toDate(shift.startsAt) ?? from).getTime());
    const end = Math.min(until.getTime(), (toDate(shift.endsAt) ?? until).getTime());
    if (end <= start) return [];
    const name = shift.responders.join(" + ");
    if (name !== "" && !colours.has(name)) colours.set(name, colours.size % COLOURS);
    return {
      left: ((start - from.getTime()) / range) * 100,
      width: ((end - start) / range) * 100,
      responders: shift.responders,
      name,
      reason: shift.reason,
      from: new Date(start),
      until: new Date(end),
      colour: colours.get(name) ?? 0,
    };
  });
}

export function gaps(all: readonly Bar[]): Bar[] {
  return all.filter((bar) => bar.responders.length === 0);
}

/** Midnight of the day in the reader's zone. */
export function startOfDay(now: number): Date {
  const day = new Date(now);
  day.setHours(0, 0, 0, 0);
  return day;
}

/** Midnight of the Monday of that week, in the reader's zone. */
export function startOfWeek(now: number): Date {
  const day = startOfDay(now);
  day.setDate(day.getDate() - ((day.getDay() + 6) % 7));
  return day;
}

/** The first instant of each day of the range in the reader's zone; days may be 23 or 25 hours long. */
export function days(from: Date, count: number): Date[] {
  return Array.from({ length: count + 1 }, (_, index) => new Date(from.getFullYear(), from.getMonth(), from.getDate() + index));
}

export function percent(at: number, from: Date, until: Date): number {
  return ((at - from.getTime()) / (until.getTime() - from.getTime())) * 100;
}

/** True if the bar is long enough for a name, in a picture that shows so many days. */
export function fitsName(bar: Bar, shown: number): boolean {
  return bar.until.getTime() - bar.from.getTime() >= (shown / 28) * DAY;
}

/** True if clocks change within the day: it is not 24 hours long. */
export function clocksChange(day: Date, next: Date): boolean {
  return next.getTime() - day.getTime() !== DAY;
}
