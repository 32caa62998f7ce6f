import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { lengthOf } from "../src/alerts/lengths";
import { equalMatcher, matchersOf, splitMatchers } from "../src/alerts/matchers";
import { standing, verdict } from "../src/alerts/words";
import { AlertSchema, Alert_State, Hold_Kind } from "../src/gen/tocsin/detection/v1/alert_pb";
import { HeartbeatSchema, Heartbeat_State, Heartbeat_Unit } from "../src/gen/tocsin/detection/v1/heartbeat_pb";
import { everyInWords, inOrder } from "../src/heartbeats/words";
import { doorOf } from "../src/integrations/doors";
import { headersOf, KIND_WORDS, textsOf } from "../src/integrations/words";
import { heldShare } from "../src/noise/hours";

describe("matchers", () => {
  test.each([
    ['a="b"', ['a="b"']],
    ['{a="b", c=~"d,e"}', ['a="b"', 'c=~"d,e"']],
    ['a="b\\",c"\n\n d!~"x" ,', ['a="b\\",c"', 'd!~"x"']],
    ['a="\\\\", b="c"', ['a="\\\\"', 'b="c"']],
    ["a=b,c=d", ["a=b", "c=d"]],
    ['a="unclosed, b="c"', ['a="unclosed, b="c"']],
    [" \n", []],
  ])("%j is parted outside of quotes", (text, parts) => expect(splitMatchers(text)).toEqual(parts));

  test("a value that holds quotes is written so that it is read back", () => {
    expect(equalMatcher("path", 'C:\\"x"\n')).toBe('path="C:\\\\\\"x\\"\\n"');
    expect(matchersOf({ b: "2", a: "1,1" })).toEqual(['a="1,1"', 'b="2"']);
    expect(splitMatchers(matchersOf({ b: '"', a: "1,1" }).join(", "))).toEqual(['a="1,1"', 'b="\\""']);
  });
});

describe("an alert", () => {
  const open = create(AlertSchema, { state: Alert_State.OPEN });

  test("that somebody took is acknowledged while it is open", () => {
    expect(standing(open)).toBe("open");
    expect(standing({ ...open, acknowledgedAt: timestampFromMs(0) })).toBe("acknowledged");
    expect(standing({ state: Alert_State.RESOLVED, acknowledgedAt: timestampFromMs(0) })).toBe("ended");
  });

  test("says whether it wakes somebody", () => {
    const held = create(AlertSchema, { state: Alert_State.OPEN, holds: [{ kind: Hold_Kind.SILENCE }] });
    expect(verdict(held)).toContain("wakes nobody");
    expect(verdict({ ...held, told: true })).toContain("now it is held back");
    expect(verdict({ ...open, told: true })).toContain("were told");
    expect(verdict({ ...open, state: Alert_State.RESOLVED })).toContain("woke nobody");
  });

  test("is put aside for a usual length", () => {
    expect(["15m", "1h", "168h"].map(lengthOf)).toEqual([900_000, 3_600_000, 604_800_000]);
  });
});

describe("heartbeats", () => {
  const { LATE, NEVER_PINGED, ALIVE } = Heartbeat_State;

  test("what needs somebody comes first", () => {
    const all = [["b", ALIVE], ["a", ALIVE], ["c", NEVER_PINGED], ["d", LATE]] as const;
    expect(inOrder(all.map(([name, state]) => create(HeartbeatSchema, { name, state }))).map((each) => each.name)).toEqual(["d", "c", "a", "b"]);
  });

  test("say how often they are expected", () => {
    expect(everyInWords({ interval: 1, unit: Heartbeat_Unit.HOURS })).toBe("every hour");
    expect(everyInWords({ interval: 5, unit: Heartbeat_Unit.UNSPECIFIED })).toBe("every 5 minutes");
  });
});

describe("hours of noise", () => {
  test("say what share was held back", () => {
    const hour = (told: number, held: number) => ({ from: 0, told, held });
    expect(heldShare([hour(1, 1), hour(0, 1), hour(1, 0)])).toBe(50);
    expect(heldShare([hour(0, 0)])).toBe(0);
  });
});

describe("a door", () => {
  const integration = (kind: string) => ({ name: "shop", kind });

  test.each(Object.keys(KIND_WORDS))("of kind %s says its address, how the key is shown, and a command to try it", (kind) => {
    const door = doorOf(integration(kind), "https://tocsin.example");
    expect(door.address).toContain(kind === "email" ? "@" : "https://tocsin.example");
    expect(door.attempt).toContain("KEY");
    expect(door.key.length).toBeGreaterThan(5);
  });
});

describe("a sample", () => {
  test("has headers by lower-case name; other lines are left out", () => {
    expect(headersOf("X-Kind: disk: full \n\nnonsense\nce-id:1")).toEqual({ "x-kind": "disk: full", "ce-id": "1" });
  });

  test("is read by a mapping whose absent fields are empty", () => {
    expect(textsOf(undefined)).toMatchObject({ title: "", labels: "" });
  });
});
