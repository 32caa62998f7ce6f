import { describe, expect, test } from "vitest";
import { blocking, nextPhase } from "../src/command/words";
import { bytesInWords } from "../src/evidence/words";
import { Phase } from "../src/gen/tocsin/response/v1/command_pb";
import { Obligation_State } from "../src/gen/tocsin/response/v1/obligation_pb";
import { share, stateWord } from "../src/obligations/words";

describe("phases", () => {
  test("follow each other, and the last one has none after it", () => {
    expect(nextPhase(Phase.CONTAINMENT)).toBe(Phase.ERADICATION);
    expect(nextPhase(Phase.LESSONS_LEARNED)).toBeUndefined();
    expect(nextPhase(99 as Phase)).toBeUndefined();
  });
  test("are kept by what is mandatory and open alone", () => {
    expect(blocking([{ mandatory: true, met: false }, { mandatory: false, met: false }, { mandatory: true, met: true }])).toBe(1);
  });
});

describe("clocks", () => {
  const from = new Date("2026-11-23T12:00:00Z");
  const until = new Date("2026-11-26T12:00:00Z");
  test("show how much has passed, never less than nothing or more than all", () => {
    expect(share(from, until, Date.parse("2026-11-25T00:00:00Z"))).toBe(0.5);
    expect(share(from, until, Date.parse("2026-11-20T00:00:00Z"))).toBe(0);
    expect(share(from, until, Date.parse("2026-12-20T00:00:00Z"))).toBe(1);
    expect(share(from, from, from.getTime())).toBe(1);
  });
  test("say when something was submitted late", () => {
    expect(stateWord({ state: Obligation_State.SUBMITTED, late: true })[0]).toBe("submitted late");
    expect(stateWord({ state: 99 as Obligation_State, late: false })[0]).toBe("unknown");
  });
});

test("sizes are read in units", () => {
  expect([bytesInWords(0n), bytesInWords(1023n), bytesInWords(1536n), bytesInWords(5n * 1024n ** 3n)]).toEqual(["0 B", "1023 B", "1.5 KiB", "5.0 GiB"]);
});
