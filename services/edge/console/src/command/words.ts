/** What phases, gates and roles are called on the screen. Pure. */

import { type Gate, Phase } from "../gen/tocsin/response/v1/command_pb";

export const PHASES = [Phase.PREPARATION, Phase.IDENTIFICATION, Phase.CONTAINMENT, Phase.ERADICATION, Phase.RECOVERY, Phase.LESSONS_LEARNED] as const;

const NAMES: Partial<Record<Phase, string>> = {
  [Phase.PREPARATION]: "Preparation",
  [Phase.IDENTIFICATION]: "Identification",
  [Phase.CONTAINMENT]: "Containment",
  [Phase.ERADICATION]: "Eradication",
  [Phase.RECOVERY]: "Recovery",
  [Phase.LESSONS_LEARNED]: "Lessons learned",
};

export const phaseName = (phase: Phase): string => NAMES[phase] ?? "Unknown phase";

/** The phase after this one; undefined after the last. */
export function nextPhase(phase: Phase): Phase | undefined {
  const at = PHASES.indexOf(phase as (typeof PHASES)[number]);
  return at < 0 ? undefined : PHASES[at + 1];
}

/** What keeps a phase from being left: mandatory and not met. */
export function blocking(gates: readonly Pick<Gate, "mandatory" | "met">[]): number {
  return gates.filter((gate) => gate.mandatory && !gate.met).length;
}
