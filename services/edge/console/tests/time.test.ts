import { describe, expect, test } from "vitest";
import { absolute, clockFace, inWords, relative, short, toMilliseconds, wallClock } from "../src/platform/time";
import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";

const NIGHT = new Date("2026-11-23T02:12:45Z");

describe("lengths", () => {
  test.each([
    [400, "0.4 s"],
    [42_000, "42 s"],
    [92_400, "1 min 32 s"],
    [3_600_000, "1 h"],
    [11_520_000, "3 h 12 min"],
    [187_200_000, "2 d 4 h"],
    [-5_000, "0 s"],
  ])("%d ms are %s in words", (length, words) => expect(inWords(length)).toBe(words));

  test.each([
    [59_999, "59s"],
    [60_000, "1m"],
    [7_200_000, "2h"],
    [172_800_000, "2d"],
  ])("%d ms are %s in a narrow column", (length, words) => expect(short(length)).toBe(words));

  test.each([
    [252_000, "04:12"],
    [3_852_000, "1:04:12"],
    [263_052_000, "3d 01:04:12"],
    [-1, "00:00"],
  ])("%d ms are %s on a clock", (length, face) => expect(clockFace(length)).toBe(face));

  test("a duration of the contracts keeps its parts of a second", () => {
    expect(toMilliseconds(create(DurationSchema, { seconds: 1n, nanos: 250_000_000 }))).toBe(1250);
    expect(toMilliseconds(undefined)).toBeUndefined();
  });
});

describe("instants", () => {
  test("the past and the future read differently", () => {
    expect(relative(NIGHT, NIGHT.getTime() + 240_000)).toBe("4 min ago");
    expect(relative(NIGHT, NIGHT.getTime() - 3 * 3_600_000)).toBe("in 3 h");
    expect(relative(NIGHT, NIGHT.getTime() + 2_000)).toBe("just now");
  });

  test("the exact instant is given in the reader's zone and in UTC", () => {
    const words = absolute(NIGHT, "Europe/Paris");
    expect(words).toContain("23 Nov 2026");
    expect(words).toContain("03:12:45");
    expect(words).toContain("2026-11-23 02:12:45 UTC");
  });

  test("the day is shown only when it is not today in the reader's zone", () => {
    const later = NIGHT.getTime() + 3_600_000;
    expect(wallClock(NIGHT, later, "UTC")).toBe("02:12:45");
    expect(wallClock(NIGHT, later + 86_400_000, "UTC")).toBe("Mon 23 Nov 02:12");
    // 23:30 UTC of the 22nd is already the 23rd in Paris.
    expect(wallClock(new Date("2026-11-22T23:30:00Z"), NIGHT.getTime(), "Europe/Paris")).toBe("00:30:00");
  });
});
