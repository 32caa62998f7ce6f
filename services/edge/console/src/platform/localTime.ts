/** Times that people type. Pure: the zone is the reader's own. */

const MINUTE = 60_000;
// Clocks have never been put back by more.
const FARTHEST = 3 * 60 * MINUTE;

/** "2026-11-24T22:00", as a field for date and time has it. */
export function typed(at: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** Every instant at which the reader's clocks show this: one, two where clocks are put back, none where they are put forward. */
export function readings(text: string): Date[] {
  const about = new Date(text);
  if (Number.isNaN(about.getTime())) return [];
  const found: Date[] = [];
  for (let at = about.getTime() - FARTHEST; at <= about.getTime() + FARTHEST; at += 15 * MINUTE) {
    const candidate = new Date(at);
    if (typed(candidate) === text.slice(0, 16)) found.push(candidate);
  }
  return found;
}

/** "02:30 +02:00": tells one reading from the other. */
export function reading(at: Date): string {
  const offset = -at.getTimezoneOffset();
  const two = (value: number) => String(Math.floor(Math.abs(value))).padStart(2, "0");
  return `${typed(at).slice(11)} ${offset < 0 ? "−" : "+"}${two(offset / 60)}:${two(Math.abs(offset) % 60)}`;
}
