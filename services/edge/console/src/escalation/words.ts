/** How policies are said on the screen. Pure. */

import { Urgency as PageUrgency } from "../gen/tocsin/communication/v1/page_pb";
import {
  type Condition,
  type EscalationPolicy,
  type EscalationStep,
  EscalationStep_Guard,
  EscalationStep_Otherwise,
  EscalationStep_Selection,
  type Target,
  Target_Part,
  Target_Turn,
  Urgency,
} from "../gen/tocsin/response/v1/escalation_pb";
import { type Window } from "../gen/tocsin/response/v1/oncall_pb";
import { Severity } from "../gen/tocsin/triage/v1/incident_pb";
import { inWords, toMilliseconds } from "../platform/time";

const DAYS = ["", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

export function urgencyWord(urgency: Urgency): string {
  return urgency === Urgency.LOW ? "can wait" : "urgent";
}

/** The two services count urgencies in the same way, each by its own name. */
export function pageUrgency(urgency: Urgency): PageUrgency {
  return urgency === Urgency.LOW ? PageUrgency.LOW : PageUrgency.HIGH;
}

/** "on call for shop", "team shop", "amara". */
export function targetWords(target: Target): string {
  const { case: kind, value } = target.target;
  switch (kind) {
    case "schedule":
      return `${turnWords(target.turn)} ${value}${target.layer && `, layer ${target.layer}`}`;
    case "team":
      return target.part === Target_Part.MANAGERS ? `the managers of team ${value}` : `everybody in team ${value}`;
    case "contact":
      return `the contact ${value}`;
    default:
      return value ?? "somebody of a kind that this page does not know";
  }
}

function turnWords(turn: Target_Turn): string {
  if (turn === Target_Turn.NEXT) return "next on call for";
  return turn === Target_Turn.PREVIOUS ? "last on call for" : "on call for";
}

/** "only SEV1, SEV2, inside office hours"; empty where it always holds. */
export function conditionWords(condition: Condition | undefined): string {
  if (condition === undefined) return "";
  const side = condition.outside ? "outside" : "inside";
  const parts = [
    condition.severities.map((severity) => Severity[severity] ?? "?").join(", "),
    condition.businessHours && `${side} ${condition.businessHours}`,
    condition.windows.length > 0 && `${side} ${condition.windows.map(windowWords).join(", ")}${condition.timeZone && ` (${condition.timeZone})`}`,
  ].filter(Boolean);
  return parts.length === 0 ? "" : `only ${parts.join(", ")}`;
}

function windowWords(window: Window): string {
  const days = window.days.map((day) => DAYS[day] ?? "?").join(" ");
  return `${days || "daily"} ${window.start}–${window.end}`;
}

/** What else is to be known of a step: who is chosen, when it is passed over, until when it is worth asking. */
export function stepRemarks(step: EscalationStep): string[] {
  const condition = conditionWords(step.condition);
  return [
    step.selection === EscalationStep_Selection.ROUND_ROBIN ? "one of them in turn" : "",
    condition && `${condition}; else ${step.otherwise === EscalationStep_Otherwise.WAIT ? "it waits for those hours" : "it is passed over"}`,
    step.guard === EscalationStep_Guard.IF_NOT_CLOSED ? "asked though somebody acknowledged, until it is resolved" : "",
  ].filter(Boolean);
}

export function delayWords(step: EscalationStep): string {
  const delay = toMilliseconds(step.delay) ?? 0;
  return delay === 0 ? "next step at once" : `${inWords(delay)} to answer`;
}

/** "2 times again", "for ever". */
export function repeatWords(policy: EscalationPolicy): string {
  if (policy.repeat < 0) return "All of it again and again until somebody answers";
  if (policy.repeat === 0) return "Then nobody else is asked";
  return policy.repeat === 1 ? "All of it once more, then nobody else is asked" : `All of it ${policy.repeat} times more, then nobody else is asked`;
}

/** "+4 min" after the beginning. */
export function afterWords(at: number, beginning: number): string {
  const distance = at - beginning;
  return distance < 1000 ? "at once" : `+${inWords(distance)}`;
}
