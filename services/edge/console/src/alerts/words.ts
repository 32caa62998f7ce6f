/** What alerts and their holds are called. Pure. */

import { type Alert, Alert_State, type Hold, Hold_Kind } from "../gen/tocsin/detection/v1/alert_pb";

export type Standing = "open" | "acknowledged" | "ended";

/** How an alert stands: an open one that somebody took is acknowledged. */
export function standing(alert: Pick<Alert, "state" | "acknowledgedAt">): Standing {
  if (alert.state === Alert_State.RESOLVED) return "ended";
  return alert.acknowledgedAt ? "acknowledged" : "open";
}

export interface HoldWords {
  /** One word for a badge. */
  name: string;
  /** What it means, in a sentence. */
  meaning: string;
}

export const HOLD_WORDS: Record<Hold_Kind, HoldWords> = {
  [Hold_Kind.UNSPECIFIED]: { name: "Held", meaning: "Something holds it back." },
  [Hold_Kind.SILENCE]: { name: "Silenced", meaning: "Somebody silenced it." },
  [Hold_Kind.MAINTENANCE]: { name: "Maintenance", meaning: "A maintenance window is open." },
  [Hold_Kind.INHIBITION]: { name: "Inhibited", meaning: "Another alert fires that explains it." },
  [Hold_Kind.FLAPPING]: { name: "Flapping", meaning: "It opens and ends too often." },
  [Hold_Kind.THRESHOLD]: { name: "Too few", meaning: "It has not occurred often enough yet." },
  [Hold_Kind.STORM]: { name: "Storm", meaning: "Its source floods; one alert stands for all of the flood." },
  [Hold_Kind.SNOOZE]: { name: "Snoozed", meaning: "Somebody put it aside for a while." },
};

export function holdWords(hold: Pick<Hold, "kind">): HoldWords {
  return HOLD_WORDS[hold.kind] ?? HOLD_WORDS[Hold_Kind.UNSPECIFIED];
}

/** One sentence that answers "does it wake somebody?". */
export function verdict(alert: Pick<Alert, "state" | "told" | "holds" | "acknowledgedAt">): string {
  if (alert.state === Alert_State.RESOLVED) return alert.told ? "It woke somebody, and has ended." : "It woke nobody, and has ended.";
  if (alert.holds.length > 0) return alert.told ? "It woke somebody; now it is held back." : "It wakes nobody: it is held back.";
  return alert.told ? "It counts: those on call were told." : "It counts, and is about to be told.";
}

export function alertPath(id: string): string {
  return `/alerts/${id}`;
}
