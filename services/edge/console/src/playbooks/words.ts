/** What runs, steps and questions are called on the screen. Pure. */

import { Question_Kind, Question_State, Run_State, Step_State } from "../gen/tocsin/response/v1/playbook_pb";

export type Tone = "good" | "bad" | "warn" | "info" | "quiet";
type Word = readonly [string, Tone];

const UNKNOWN: Word = ["unknown", "quiet"];

const RUNS: Partial<Record<Run_State, Word>> = {
  [Run_State.RUNNING]: ["running", "info"],
  [Run_State.PAUSED]: ["paused", "warn"],
  [Run_State.SUCCEEDED]: ["succeeded", "good"],
  [Run_State.FAILED]: ["failed", "bad"],
  [Run_State.CANCELLED]: ["cancelled", "quiet"],
};

const STEPS: Partial<Record<Step_State, Word>> = {
  [Step_State.DELAYED]: ["waits for its time", "quiet"],
  [Step_State.WAITING]: ["waits for somebody", "warn"],
  [Step_State.RUNNING]: ["running", "info"],
  [Step_State.SUCCEEDED]: ["done", "good"],
  [Step_State.FAILED]: ["failed", "bad"],
  [Step_State.TIMED_OUT]: ["out of time", "bad"],
  [Step_State.SKIPPED]: ["skipped", "quiet"],
  [Step_State.CANCELLED]: ["cancelled", "quiet"],
};

const QUESTIONS: Partial<Record<Question_State, Word>> = {
  [Question_State.OPEN]: ["open", "warn"],
  [Question_State.GRANTED]: ["granted", "good"],
  [Question_State.DENIED]: ["denied", "bad"],
  [Question_State.EXPIRED]: ["nobody answered in time", "bad"],
  [Question_State.WITHDRAWN]: ["not asked any more", "quiet"],
};

const KINDS: Partial<Record<Question_Kind, string>> = {
  [Question_Kind.APPROVAL]: "Approval",
  [Question_Kind.MANUAL]: "To be done by hand",
  [Question_Kind.OUTCOME]: "What became of it?",
};

export const runWord = (state: Run_State): Word => RUNS[state] ?? UNKNOWN;
export const stepWord = (state: Step_State): Word => STEPS[state] ?? UNKNOWN;
export const questionWord = (state: Question_State): Word => QUESTIONS[state] ?? UNKNOWN;
export const questionKind = (kind: Question_Kind): string => KINDS[kind] ?? "Question";

export const isOver = (state: Run_State): boolean => state === Run_State.SUCCEEDED || state === Run_State.FAILED || state === Run_State.CANCELLED;

/** The instance of a step within loops: "2nd time" for "while--…#2/action--…"; empty for the first. */
export function iteration(path: string): string {
  const numbers = [...path.matchAll(/#(\d+)/g)].map((match) => Number(match[1]));
  return numbers.some((number) => number > 1) ? `round ${numbers.join(".")}` : "";
}

/** How far an approval is: "1 of 2 approve". */
export function tally(votes: readonly { approves: boolean }[], quorum: number): string {
  const yes = votes.filter((vote) => vote.approves).length;
  return quorum > 1 ? `${yes} of ${quorum} approve` : "one approval is needed";
}

/** "name=value" lines as variables; the names of lines that are not like that. */
export function variablesOf(text: string): { variables: Record<string, string>; wrong: string[] } {
  const variables: Record<string, string> = {};
  const wrong: string[] = [];
  for (const line of text.split("\n").map((each) => each.trim()).filter(Boolean)) {
    const at = line.indexOf("=");
    const name = line.slice(0, at).trim().replace(/^_+|_+$/g, "");
    if (at < 1 || !/^[A-Za-z][\w-]*$/.test(name)) wrong.push(line);
    else variables[`__${name}__`] = line.slice(at + 1).trim();
  }
  return { variables, wrong };
}
