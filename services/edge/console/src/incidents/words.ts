/** How incidents are named, ordered and counted on the screen. Pure. */

import { type Incident, Incident_State, IncidentType, Severity } from "../gen/tocsin/triage/v1/incident_pb";

export const STATE_WORDS: Record<Incident_State, string> = {
  [Incident_State.UNSPECIFIED]: "Unknown",
  [Incident_State.OPEN]: "Open",
  [Incident_State.ACKNOWLEDGED]: "Acknowledged",
  [Incident_State.RESOLVED]: "Resolved",
};

export const SEVERITIES = [Severity.SEV1, Severity.SEV2, Severity.SEV3, Severity.SEV4, Severity.SEV5] as const;

export const SEVERITY_WORDS: Record<Severity, { name: string; meaning: string }> = {
  [Severity.UNSPECIFIED]: { name: "No severity", meaning: "Not given" },
  [Severity.SEV1]: { name: "SEV1", meaning: "Critical: customers cannot work, or data is at risk" },
  [Severity.SEV2]: { name: "SEV2", meaning: "Major: an important function is down, or many are slow" },
  [Severity.SEV3]: { name: "SEV3", meaning: "Moderate: impaired, but there is a way around" },
  [Severity.SEV4]: { name: "SEV4", meaning: "Minor: few notice" },
  [Severity.SEV5]: { name: "SEV5", meaning: "Informational" },
};

const TYPE_WORDS: Partial<Record<IncidentType, string>> = {
  [IncidentType.SECURITY]: "security",
  [IncidentType.OPERATIONAL]: "operational",
  [IncidentType.COMPLIANCE]: "compliance",
  [IncidentType.PERFORMANCE]: "performance",
  [IncidentType.HUMAN_ERROR]: "human error",
};

export const TYPES = [IncidentType.OPERATIONAL, IncidentType.SECURITY, IncidentType.COMPLIANCE, IncidentType.PERFORMANCE, IncidentType.HUMAN_ERROR] as const;

/** "security"; empty for a type that is not given or not known. */
export const typeWord = (type: IncidentType): string => TYPE_WORDS[type] ?? "";

export const VIEWS = ["active", "open", "acknowledged", "resolved", "all"] as const;
export type View = (typeof VIEWS)[number];

const VIEW_STATES: Record<View, Incident_State[]> = {
  active: [Incident_State.OPEN, Incident_State.ACKNOWLEDGED],
  open: [Incident_State.OPEN],
  acknowledged: [Incident_State.ACKNOWLEDGED],
  resolved: [Incident_State.RESOLVED],
  all: [],
};

export function statesOf(view: View): Incident_State[] {
  return VIEW_STATES[view];
}

/** What needs somebody comes first: not yet acknowledged, then worse, then newer. Lists with history stay newest first. */
export function inOrder(incidents: readonly Incident[], view: View): Incident[] {
  if (view === "all" || view === "resolved") return [...incidents];
  return incidents.toSorted((a, b) => a.state - b.state || rank(a) - rank(b) || Number(b.number - a.number));
}

function rank(incident: Incident): number {
  return incident.severity === Severity.UNSPECIFIED ? Severity.SEV3 : incident.severity;
}

/** The incidents that a list did not have before; none for the first list. */
export function newcomers(before: ReadonlySet<string> | undefined, now: readonly Incident[]): Incident[] {
  if (before === undefined) return [];
  return now.filter((incident) => incident.state === Incident_State.OPEN && !before.has(incident.id));
}

/** What a screen reader says about a new incident. */
export function announcement(incidents: readonly Incident[]): string {
  const [first] = incidents;
  if (first === undefined) return "";
  if (incidents.length > 1) return `${incidents.length} new incidents`;
  return `New incident ${first.number}, ${SEVERITY_WORDS[first.severity].name}: ${first.title}`;
}

export function incidentPath(incident: Pick<Incident, "id">): string {
  return `/incidents/${incident.id}`;
}

/** What the address names: an incident's number, or its id. */
export function incidentReference(text: string): { case: "number"; value: bigint } | { case: "incidentId"; value: string } | undefined {
  if (/^#?[1-9][0-9]{0,17}$/.test(text)) return { case: "number", value: BigInt(text.replace("#", "")) };
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return { case: "incidentId", value: text.toLowerCase() };
  return undefined;
}
