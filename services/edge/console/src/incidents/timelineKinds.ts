/** Which kind of thing a line of the timeline is about. Pure. */

import type { TimelineEntry } from "../gen/tocsin/review/v1/review_pb";

export const KINDS = ["all", "incident", "alerts", "escalation", "response", "pages", "review"] as const;
export type Kind = (typeof KINDS)[number];

const BY_SOURCE: Record<string, Kind> = {
  detection: "alerts",
  triage: "incident",
  response: "escalation",
  communication: "pages",
  review: "review",
};

/** What response tells about who is asked; the rest is what is done. */
const ESCALATION = /^(Escalation|Responder|Contact|Acknowledgement|Coverage|Summons|Asked|Duty|Handoff)/;

export function kindOf(entry: Pick<TimelineEntry, "fact" | "source">): Kind {
  if (entry.fact === "AlertAttached") return "alerts";
  if (entry.source === "response" && !ESCALATION.test(entry.fact)) return "response";
  return BY_SOURCE[entry.source] ?? "incident";
}

export function countKinds(entries: readonly Pick<TimelineEntry, "fact" | "source">[]): Map<Kind, number> {
  const counts = new Map<Kind, number>([["all", entries.length]]);
  for (const entry of entries) counts.set(kindOf(entry), (counts.get(kindOf(entry)) ?? 0) + 1);
  return counts;
}

/** "AlertAttached" → "Alert attached" */
export function factInWords(fact: string): string {
  const words = fact.replace(/([a-z0-9])([A-Z])/g, "$1 $2").toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
