import { expect, test } from "vitest";
import { bytesOf } from "../src/account/push";

test("the key of the platform is read from base64url", () => {
  expect([...bytesOf("-_8AAQ")]).toEqual([251, 255, 0, 1]);
  expect(bytesOf("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8").length).toBe(65);
});
