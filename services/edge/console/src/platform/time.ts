/** Times as people read them. All arguments are Dates or milliseconds; nothing here asks for the current time. */

import { type Duration, type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export function toDate(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp === undefined ? undefined : timestampDate(timestamp);
}

export function toMilliseconds(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : Number(duration.seconds) * SECOND + duration.nanos / 1e6;
}

/** A length in its two largest units: "42 s", "4 min 10 s", "3 h 12 min", "2 d 4 h". Below zero counts as zero. */
export function inWords(milliseconds: number): string {
  const length = Math.max(0, milliseconds);
  if (length < 10 * SECOND && length % SECOND !== 0) return `${(length / SECOND).toFixed(1)} s`;
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return two(length, MINUTE, "min", SECOND, "s");
  if (length < DAY) return two(length, HOUR, "h", MINUTE, "min");
  return two(length, DAY, "d", HOUR, "h");
}

function two(length: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((length % big) / small);
  const first = `${Math.floor(length / big)} ${bigName}`;
  return rest === 0 ? first : `${first} ${rest} ${smallName}`;
}

/** A length in one unit, for narrow columns: "42s", "4m", "3h", "2d". */
export function short(milliseconds: number): string {
  const length = Math.max(0, milliseconds);
  if (length < MINUTE) return `${Math.floor(length / SECOND)}s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)}m`;
  if (length < DAY) return `${Math.floor(length / HOUR)}h`;
  return `${Math.floor(length / DAY)}d`;
}

/** A running clock: "04:12" below an hour, "1:04:12" above, "3d 01:04:12" above a day. */
export function clockFace(milliseconds: number): string {
  const seconds = Math.floor(Math.max(0, milliseconds) / SECOND);
  const days = Math.floor(seconds / 86400);
  const hours = Math.floor((seconds % 86400) / 3600);
  const minutes = pad(Math.floor((seconds % 3600) / 60));
  const rest = pad(seconds % 60);
  if (days > 0) return `${days}d ${pad(hours)}:${minutes}:${rest}`;
  return hours > 0 ? `${hours}:${minutes}:${rest}` : `${minutes}:${rest}`;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}

/** How far from now: "just now", "4 min ago", "in 3 h". */
export function relative(at: Date, now: number): string {
  const distance = at.getTime() - now;
  if (Math.abs(distance) < 5 * SECOND) return "just now";
  const length = oneUnit(Math.abs(distance));
  return distance < 0 ? `${length} ago` : `in ${length}`;
}

function oneUnit(length: number): string {
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`;
  if (length < DAY) return `${Math.floor(length / HOUR)} h`;
  return `${Math.floor(length / DAY)} d`;
}

/** The instant in the reader's zone and in UTC, to the second. */
export function absolute(at: Date, zone?: string): string {
  const local = new Intl.DateTimeFormat("en-GB", {
    day: "numeric",
    month: "short",
    year: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    timeZoneName: "short",
    timeZone: zone,
  }).format(at);
  return `${local} · ${utc(at)}`;
}

/** "2026-11-23 03:12:45 UTC" */
export function utc(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** The wall-clock time in the reader's zone, with the day when it is not today: "03:12:45", "Mon 23 Nov 03:12". */
export function wallClock(at: Date, now: number, zone?: string): string {
  const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "numeric", year: "numeric", timeZone: zone });
  if (day.format(at) === day.format(now)) {
    return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone }).format(at);
  }
  return dayAndTime(at, zone);
}

/** "Mon 23 Nov 03:12" in the reader's zone. */
export function dayAndTime(at: Date, zone?: string): string {
  const parts = new Intl.DateTimeFormat("en-GB", {
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    timeZone: zone,
  }).formatToParts(at);
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.find((each) => each.type === type)?.value ?? "";
  return `${part("weekday")} ${part("day")} ${part("month")} ${part("hour")}:${part("minute")}`;
}
