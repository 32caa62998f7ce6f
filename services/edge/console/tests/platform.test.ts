import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { describe, expect, test, vi } from "vitest";
import { ErrorInfoSchema } from "../src/gen/google/rpc/error_details_pb";
import { reading, readings } from "../src/platform/localTime";
import { ShiftSchema } from "../src/gen/tocsin/response/v1/oncall_service_pb";
import { bars, days, fitsName, gaps } from "../src/oncall/shifts";
import { explain, isTransient, reasonOf } from "../src/platform/errors";
import { press } from "../src/platform/keys";
import { safeLink } from "../src/platform/links";
import { newRequestId } from "../src/platform/requestId";

describe("errors in words", () => {
  const refused = new ConnectError("incident 7 is RESOLVED", Code.FailedPrecondition, undefined, [
    { desc: ErrorInfoSchema, value: create(ErrorInfoSchema, { reason: "INCIDENT_NOT_ACKNOWLEDGEABLE" }) },
  ]);

  test("a known reason says what to do", () => {
    expect(reasonOf(refused)).toBe("INCIDENT_NOT_ACKNOWLEDGEABLE");
    expect(explain(refused)).toContain("Reopen it");
    expect(isTransient(refused)).toBe(false);
  });

  test("an unknown reason gives the server's own words", () => {
    expect(explain(new ConnectError("title: must not be empty", Code.InvalidArgument))).toBe("title: must not be empty");
  });

  test("no connection counts as unreachable and may be tried again", () => {
    const broken = ConnectError.from(new TypeError("Failed to fetch"));
    expect(explain(broken)).toContain("cannot be reached");
    expect(isTransient(broken)).toBe(true);
  });
});

describe("shortcuts", () => {
  const shortcuts = { a: vi.fn(), "g a": vi.fn(), "g i": vi.fn() };

  test("a key acts, a sequence acts on its second key", () => {
    expect(press(shortcuts, undefined, { key: "a", at: 0 }).action).toBe(shortcuts.a);
    const first = press(shortcuts, undefined, { key: "g", at: 0 });
    expect(first).toEqual({ remember: { key: "g", at: 0 } });
    expect(press(shortcuts, first.remember, { key: "a", at: 900 }).action).toBe(shortcuts["g a"]);
  });

  test("a sequence that takes too long is two keys", () => {
    expect(press(shortcuts, { key: "g", at: 0 }, { key: "a", at: 1001 }).action).toBe(shortcuts.a);
    expect(press(shortcuts, { key: "g", at: 0 }, { key: "x", at: 10 })).toEqual({});
  });
});

describe("links of senders", () => {
  test.each(["https://example.org/a?b=c", "http://grafana.local/"])("%s is linked", (address) => expect(safeLink(address)).toBe(address));
  test.each(["javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "//example.org", "", "file:///etc/passwd"])("%s is not", (address) =>
    expect(safeLink(address)).toBeUndefined(),
  );
});

test("request ids are UUIDs and differ", () => {
  const made = new Set(Array.from({ length: 50 }, newRequestId));
  expect(made.size).toBe(50);
  for (const id of made) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});

describe("shifts", () => {
  const from = new Date("2026-11-23T00:00:00Z");
  const until = new Date("2026-11-25T00:00:00Z");
  const duty = (responder: string, since: string | undefined, end: string | undefined) =>
    create(ShiftSchema, {
      schedule: "primary",
      responders: responder === "" ? [] : [responder],
      startsAt: since ? timestampFromDate(new Date(since)) : undefined,
      endsAt: end ? timestampFromDate(new Date(end)) : undefined,
    });

  test("are clipped to the range, keep their order and show gaps", () => {
    const all = bars(
      [
        duty("alice", "2026-11-20T00:00:00Z", "2026-11-23T12:00:00Z"),
        duty("", "2026-11-23T12:00:00Z", "2026-11-24T00:00:00Z"),
        duty("bob", "2026-11-24T00:00:00Z", "2026-11-24T06:00:00Z"),
        duty("alice", "2026-11-24T06:00:00Z", undefined),
      ],
      from,
      until,
    );
    expect(all.map((bar) => [bar.left, bar.width])).toEqual([
      [0, 25],
      [25, 25],
      [50, 12.5],
      [62.5, 37.5],
    ]);
    expect(gaps(all)).toHaveLength(1);
    expect(all[0]?.colour).toBe(all[3]?.colour);
    expect(all[0]?.colour).not.toBe(all[2]?.colour);
    expect(all.map((bar) => fitsName(bar, 14))).toEqual([true, true, false, true]);
  });

  test("outside the range are not drawn", () => {
    expect(bars([duty("alice", "2026-11-25T00:00:00Z", "2026-11-26T00:00:00Z")], from, until)).toEqual([]);
  });

  test("days begin at midnight, also where a day is an hour longer", () => {
    vi.stubEnv("TZ", "Europe/Paris");
    const marks = days(new Date(2026, 9, 24), 3);
    vi.unstubAllEnvs();
    expect(marks[2]!.getTime() - marks[1]!.getTime()).toBe(25 * 3_600_000);
    expect(marks.map((mark) => mark.toISOString())).toEqual([
      "2026-10-23T22:00:00.000Z",
      "2026-10-24T22:00:00.000Z",
      "2026-10-25T23:00:00.000Z",
      "2026-10-26T23:00:00.000Z",
    ]);
  });
});

describe("typed times", () => {
  test("have one reading, two where clocks are put back, none where they are put forward", () => {
    vi.stubEnv("TZ", "Europe/Paris");
    const found = ["2026-10-25T12:00", "2026-10-25T02:30", "2026-03-29T02:30", "nonsense"].map((text) => readings(text).map((at) => at.toISOString()));
    const said = readings("2026-10-25T02:30").map(reading);
    vi.unstubAllEnvs();
    expect(found).toEqual([["2026-10-25T11:00:00.000Z"], ["2026-10-25T00:30:00.000Z", "2026-10-25T01:30:00.000Z"], [], []]);
    expect(said).toEqual(["02:30 +02:00", "02:30 +01:00"]);
  });
});
