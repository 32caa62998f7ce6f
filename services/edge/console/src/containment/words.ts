/** What measures and proposals are called on the screen. Pure. */

import { Measure_State, Measure_Verification, Proposal_State, TargetKind } from "../gen/tocsin/response/v1/containment_pb";
import type { Tone } from "../playbooks/words";

type Word = readonly [string, Tone];

const UNKNOWN: Word = ["unknown", "quiet"];

const MEASURES: Partial<Record<Measure_State, Word>> = {
  [Measure_State.IN_FORCE]: ["in force", "warn"],
  [Measure_State.LIFTING]: ["being lifted", "info"],
  [Measure_State.LIFTED]: ["lifted", "good"],
  [Measure_State.LOST]: ["does not hold", "bad"],
};

const VERIFICATIONS: Partial<Record<Measure_Verification, Word>> = {
  [Measure_Verification.AWAITED]: ["taken on, not seen to be effective yet", "info"],
  [Measure_Verification.EFFECTIVE]: ["effective", "good"],
  [Measure_Verification.NOT_VERIFIED]: ["not verified", "bad"],
};

const PROPOSALS: Partial<Record<Proposal_State, Word>> = {
  [Proposal_State.OPEN]: ["proposed", "warn"],
  [Proposal_State.ACCEPTED]: ["accepted", "good"],
  [Proposal_State.DECLINED]: ["declined", "quiet"],
  [Proposal_State.STARTED]: ["started by itself", "info"],
  [Proposal_State.FAILED]: ["could not be started", "bad"],
};

const KINDS: Partial<Record<TargetKind, string>> = {
  [TargetKind.HOST]: "host",
  [TargetKind.ADDRESS]: "address",
  [TargetKind.DOMAIN]: "domain",
  [TargetKind.HASH]: "file hash",
  [TargetKind.USER]: "account",
  [TargetKind.KEY]: "key",
  [TargetKind.WORKLOAD]: "workload",
};

export const TARGET_KINDS = [TargetKind.HOST, TargetKind.ADDRESS, TargetKind.DOMAIN, TargetKind.HASH, TargetKind.USER, TargetKind.KEY, TargetKind.WORKLOAD] as const;

export const measureWord = (state: Measure_State): Word => MEASURES[state] ?? UNKNOWN;
export const verificationWord = (verification: Measure_Verification): Word | undefined => VERIFICATIONS[verification];
export const proposalWord = (state: Proposal_State): Word => PROPOSALS[state] ?? UNKNOWN;
export const targetKind = (kind: TargetKind): string => KINDS[kind] ?? "";
