/** How an alert stands and what holds it back: always an icon and a word, never colour alone. */

import { AlarmClockOff, BellOff, BellRing, CircleCheck, CloudLightning, GitMerge, Hash, type LucideIcon, UserCheck, Waves, Wrench } from "lucide-react";
import { type Alert, type Hold, Hold_Kind } from "../gen/tocsin/detection/v1/alert_pb";
import { absolute, toDate } from "../platform/time";
import { holdWords, type Standing, standing } from "./words";

const STANDINGS: Record<Standing, [LucideIcon, string, string]> = {
  open: [BellRing, "Open", "bad"],
  acknowledged: [UserCheck, "Taken", "warn"],
  ended: [CircleCheck, "Ended", "good"],
};

const HOLD_ICONS: Record<Hold_Kind, LucideIcon> = {
  [Hold_Kind.UNSPECIFIED]: BellOff,
  [Hold_Kind.SILENCE]: BellOff,
  [Hold_Kind.MAINTENANCE]: Wrench,
  [Hold_Kind.INHIBITION]: GitMerge,
  [Hold_Kind.FLAPPING]: Waves,
  [Hold_Kind.THRESHOLD]: Hash,
  [Hold_Kind.STORM]: CloudLightning,
  [Hold_Kind.SNOOZE]: AlarmClockOff,
};

/** The tone of an alert's row: what is held back is quiet. */
export function toneOf(alert: Alert): string {
  return alert.holds.length > 0 ? "quiet" : STANDINGS[standing(alert)][2];
}

export function StandingBadge({ alert }: { alert: Alert }) {
  const [Icon, word, tone] = STANDINGS[standing(alert)];
  return (
    <span className={`badge ${tone}`} title={alert.acknowledgedBy && `taken by ${alert.acknowledgedBy}`}>
      <Icon aria-hidden /> {word}
    </span>
  );
}

export function HoldIcon({ kind }: { kind: Hold_Kind }) {
  const Icon = HOLD_ICONS[kind] ?? BellOff;
  return <Icon aria-hidden />;
}

export function HoldBadge({ hold }: { hold: Hold }) {
  const words = holdWords(hold);
  return (
    <span className="badge info" title={inOneLine(hold)}>
      <HoldIcon kind={hold.kind} /> {words.name}
    </span>
  );
}

function inOneLine(hold: Hold): string {
  const until = toDate(hold.until);
  const parts = [hold.reason || holdWords(hold).meaning, hold.by && `by ${hold.by}`, until && `until ${absolute(until)}`];
  return parts.filter(Boolean).join(" · ");
}
