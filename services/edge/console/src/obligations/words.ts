/** What obligations and the events that start them are called on the screen. Pure. */

import { type Obligation, Obligation_State } from "../gen/tocsin/response/v1/obligation_pb";

export const EVENTS = [
  ["awareness", "We became aware of a breach"],
  ["discovery", "The breach was discovered"],
  ["classified-major", "It was classified as major"],
  ["materiality", "It was found to be material"],
  ["reasonable-belief", "We have reason to believe that it is covered"],
  ["payment", "A ransom was paid"],
  ["suspicion", "There is a suspicion"],
  ["determination", "It was determined that it must be told"],
  ["assessed-notifiable", "It was assessed as notifiable"],
  ["information-available", "What was missing is known now"],
] as const;

export const TRAITS = [
  ["personal-data", "personal data"],
  ["eu", "people in the European Union"],
  ["uk", "people in the United Kingdom"],
  ["high-risk", "a high risk for people"],
  ["health-data", "health data (HIPAA)"],
  ["card-data", "payment cards"],
  ["essential-entity", "we are essential or important (NIS2)"],
  ["financial-entity", "we are a financial entity (DORA)"],
  ["us-listed", "we are listed in the United States"],
  ["critical-infrastructure", "we are critical infrastructure (US)"],
  ["processor", "we process for somebody else"],
] as const;

export const eventWord = (event: string): string => EVENTS.find(([name]) => name === event)?.[1] ?? event;

export function stateWord(obligation: Pick<Obligation, "state" | "late">): readonly [string, string] {
  switch (obligation.state) {
    case Obligation_State.RUNNING:
      return ["running", "warn"];
    case Obligation_State.SUBMITTED:
      return obligation.late ? ["submitted late", "bad"] : ["submitted", "good"];
    case Obligation_State.WAIVED:
      return ["waived", "quiet"];
    case Obligation_State.WITHDRAWN:
      return ["does not apply any more", "quiet"];
    default:
      return ["unknown", "quiet"];
  }
}

/** How much of the time has passed, from 0 to 1. */
export function share(from: Date, until: Date, now: number): number {
  const whole = until.getTime() - from.getTime();
  return whole <= 0 ? 1 : Math.min(1, Math.max(0, (now - from.getTime()) / whole));
}
