import { absolute, relative, short, wallClock } from "../platform/time";
import { useNow } from "../platform/now";

/** "4 min ago"; the exact instant, in the reader's zone and in UTC, is in the title. */
export function Ago({ at }: { at: Date }) {
  const now = useNow();
  return (
    <time dateTime={at.toISOString()} title={absolute(at)}>
      {relative(at, now)}
    </time>
  );
}

/** "4m": an age for narrow columns. */
export function Age({ at }: { at: Date }) {
  const now = useNow();
  return (
    <time dateTime={at.toISOString()} title={absolute(at)} aria-label={relative(at, now)}>
      {short(now - at.getTime())}
    </time>
  );
}

/** "03:12:45": the reader's wall clock. */
export function At({ at }: { at: Date }) {
  const now = useNow();
  return (
    <time dateTime={at.toISOString()} title={`${absolute(at)} · ${relative(at, now)}`}>
      {wallClock(at, now)}
    </time>
  );
}
