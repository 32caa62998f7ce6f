/** Which kind of thing a line of the timeline is about. Pure. */

import type { TimelineEntry } from "../gen/tocsin/review/v1/review_pb";

export const KINDS = ["all", "incident", "alerts", "escalation", "pages", "review"] as const;
export type Kind = (typeof KINDS)[number];

const BY_SOURCE: Record<string, Kind> = {
  detection: "alerts",
  triage: "incident",
  response: "escalation",
  communication: "pages",
  review: "review",
};

export function kindOf(entry: Pick<TimelineEntry, "fact" | "source">): Kind {
  return entry.fact === "AlertAttached" ? "alerts" : (BY_SOURCE[entry.source] ?? "incident");
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
