import { describe, expect, test } from "vitest";
import { Question_State, Run_State } from "../src/gen/tocsin/response/v1/playbook_pb";
import { isOver, iteration, questionWord, runWord, tally, variablesOf } from "../src/playbooks/words";

describe("variables as people type them", () => {
  test("get their underscores, and keep what stands behind the first equals sign", () => {
    expect(variablesOf("host=db-1\n\n __query__ = a=b ")).toEqual({ variables: { __host__: "db-1", __query__: "a=b" }, wrong: [] });
  });
  test("that are none are named", () => {
    expect(variablesOf("host\n=x\n1st=y\nok=1")).toEqual({ variables: { __ok__: "1" }, wrong: ["host", "=x", "1st=y"] });
  });
});

describe("steps within loops", () => {
  test("say their round from the second on", () => {
    expect(iteration("while--a#1/action--b")).toBe("");
    expect(iteration("while--a#3/action--b")).toBe("round 3");
    expect(iteration("while--a#2/while--b#4/action--c")).toBe("round 2.4");
  });
});

describe("approvals", () => {
  test("count who approves, not who votes", () => {
    expect(tally([{ approves: true }, { approves: false }], 2)).toBe("1 of 2 approve");
    expect(tally([], 1)).toBe("one approval is needed");
  });
});

test("a state that this build does not know is shown as unknown", () => {
  expect(runWord(99 as Run_State)[0]).toBe("unknown");
  expect(questionWord(99 as Question_State)[0]).toBe("unknown");
  expect(isOver(99 as Run_State)).toBe(false);
});
