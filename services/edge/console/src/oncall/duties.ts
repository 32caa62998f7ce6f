/** Duties by schedule: several people may be on call for one. Pure. */

import type { Duty } from "../gen/tocsin/response/v1/oncall_pb";

export interface OnCall {
  schedule: string;
  duties: readonly Duty[];
}

/** One entry for each schedule, in the order given. */
export function bySchedule(duties: readonly Duty[]): OnCall[] {
  const found = new Map<string, Duty[]>();
  for (const duty of duties) found.set(duty.schedule, [...(found.get(duty.schedule) ?? []), duty]);
  return [...found].map(([schedule, all]) => ({ schedule, duties: all }));
}

/** The schedules in which a word stands: in their name, or in that of somebody on call. */
export function matching(all: readonly OnCall[], word: string): OnCall[] {
  const wanted = word.trim().toLowerCase();
  const said = (each: OnCall) => [each.schedule, ...each.duties.flatMap((duty) => [duty.responder, duty.displayName])].join(" ").toLowerCase();
  return all.filter((each) => said(each).includes(wanted));
}
