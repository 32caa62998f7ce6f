/** The lengths of time that a snooze or a silence usually takes. Pure. */

const MINUTE = 60_000;

/** A short name for each, and what people read. */
export const FOR_HOW_LONG = [
  ["15m", "15 minutes"],
  ["30m", "30 minutes"],
  ["1h", "1 hour"],
  ["2h", "2 hours"],
  ["4h", "4 hours"],
  ["8h", "8 hours"],
  ["24h", "1 day"],
  ["72h", "3 days"],
  ["168h", "1 week"],
] as const;

/** Milliseconds of "15m" or "2h". */
export function lengthOf(name: string): number {
  return Number.parseInt(name, 10) * (name.endsWith("h") ? 60 : 1) * MINUTE;
}
