/** Severity and state: always an icon and a word, never colour alone. */

import { BellRing, CircleCheck, CircleDot, Flame, Info, type LucideIcon, OctagonAlert, TriangleAlert, UserCheck } from "lucide-react";
import { Incident_State, Severity } from "../gen/tocsin/triage/v1/incident_pb";
import { SEVERITY_WORDS, STATE_WORDS } from "./words";

const SEVERITY_ICONS: Record<Severity, LucideIcon> = {
  [Severity.UNSPECIFIED]: CircleDot,
  [Severity.SEV1]: Flame,
  [Severity.SEV2]: OctagonAlert,
  [Severity.SEV3]: TriangleAlert,
  [Severity.SEV4]: CircleDot,
  [Severity.SEV5]: Info,
};

export const STATE_ICONS: Record<Incident_State, LucideIcon> = {
  [Incident_State.UNSPECIFIED]: CircleDot,
  [Incident_State.OPEN]: BellRing,
  [Incident_State.ACKNOWLEDGED]: UserCheck,
  [Incident_State.RESOLVED]: CircleCheck,
};

export const STATE_TONES: Record<Incident_State, string> = {
  [Incident_State.UNSPECIFIED]: "quiet",
  [Incident_State.OPEN]: "bad",
  [Incident_State.ACKNOWLEDGED]: "warn",
  [Incident_State.RESOLVED]: "good",
};

export function SeverityBadge({ severity }: { severity: Severity }) {
  const Icon = SEVERITY_ICONS[severity] ?? CircleDot;
  const words = SEVERITY_WORDS[severity] ?? SEVERITY_WORDS[Severity.UNSPECIFIED];
  return (
    <span className={`severity sev${severity}`} title={words.meaning}>
      <Icon aria-hidden /> {words.name}
    </span>
  );
}

export function StateBadge({ state }: { state: Incident_State }) {
  const Icon = STATE_ICONS[state] ?? CircleDot;
  return (
    <span className={`badge ${STATE_TONES[state] ?? "quiet"}`}>
      <Icon aria-hidden /> {STATE_WORDS[state] ?? "Unknown"}
    </span>
  );
}
