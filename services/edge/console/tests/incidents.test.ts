import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { type Incident, Incident_State, IncidentSchema, Severity } from "../src/gen/tocsin/triage/v1/incident_pb";
import { GetIncidentResponseSchema, type ListIncidentsResponse, ListIncidentsResponseSchema } from "../src/gen/tocsin/triage/v1/triage_service_pb";
import { acknowledged, patchAnswer, reopened, resolved } from "../src/incidents/patch";
import { countKinds, factInWords, kindOf } from "../src/incidents/timelineKinds";
import { announcement, incidentReference, inOrder, newcomers } from "../src/incidents/words";

const { OPEN, ACKNOWLEDGED, RESOLVED } = Incident_State;

function incident(number: number, state = OPEN, severity = Severity.SEV3): Incident {
  return create(IncidentSchema, { id: `id-${number}`, number: BigInt(number), title: `Incident ${number}`, state, severity });
}

describe("the list", () => {
  const listed = [incident(5, ACKNOWLEDGED, Severity.SEV1), incident(4, OPEN, Severity.SEV4), incident(3, OPEN, Severity.SEV1), incident(6, OPEN, Severity.SEV4)];

  test("what nobody has taken comes first, then worse, then newer", () => {
    expect(inOrder(listed, "active").map((each) => Number(each.number))).toEqual([3, 6, 4, 5]);
  });

  test("history stays as the server gave it", () => {
    expect(inOrder(listed, "all").map((each) => Number(each.number))).toEqual([5, 4, 3, 6]);
  });
});

describe("new incidents", () => {
  test("the first list announces nothing, later ones what is open and new", () => {
    expect(newcomers(undefined, [incident(1)])).toEqual([]);
    const came = newcomers(new Set(["id-1"]), [incident(1), incident(2), incident(3, RESOLVED)]);
    expect(came.map((each) => each.id)).toEqual(["id-2"]);
    expect(announcement(came)).toBe("New incident 2, SEV3: Incident 2");
    expect(announcement([incident(2), incident(3)])).toBe("2 new incidents");
  });
});

describe("the address", () => {
  test("names an incident by number or id, and nothing else", () => {
    expect(incidentReference("7")).toEqual({ case: "number", value: 7n });
    expect(incidentReference("019AB000-0000-7000-8000-000000000007")).toEqual({ case: "incidentId", value: "019ab000-0000-7000-8000-000000000007" });
    for (const wrong of ["0", "-1", "7a", "", "../7"]) expect(incidentReference(wrong)).toBeUndefined();
  });
});

describe("changes shown before the server has answered", () => {
  const take = acknowledged("alice", 60_000);

  test("reach the incident wherever it is cached, and leave the rest as it is", () => {
    const list = create(ListIncidentsResponseSchema, { incidents: [incident(1), incident(2)] });
    const other = create(ListIncidentsResponseSchema, { incidents: [incident(3)] });
    const paged = { pages: [list, other], pageParams: ["", "x"] };
    const patched = patchAnswer(paged, "id-2", take) as typeof paged;
    expect(patched.pages[0]?.incidents.map((each) => each.state)).toEqual([OPEN, ACKNOWLEDGED]);
    expect(patched.pages[1]).toBe(other);
    expect(list.incidents[1]?.state).toBe(OPEN);
    expect((patchAnswer(list, "id-1", take) as ListIncidentsResponse).incidents[0]?.acknowledgedBy).toBe("alice");
  });

  test("keep the alerts of the incident's own page", () => {
    const answer = create(GetIncidentResponseSchema, { incident: incident(1), alerts: [{ alertId: "a" }] });
    const patched = patchAnswer(answer, "id-1", take) as typeof answer;
    expect(patched.incident?.state).toBe(ACKNOWLEDGED);
    expect(patched.alerts).toHaveLength(1);
    expect(patchAnswer(answer, "id-9", take)).toBe(answer);
    expect(patchAnswer(undefined, "id-1", take)).toBeUndefined();
  });

  test("reopening forgets who took and ended it", () => {
    const over = resolved("bob", "rolled back", 90_000)(take(incident(1)));
    expect(over).toMatchObject({ state: RESOLVED, resolvedBy: "bob", resolveReason: "rolled back", acknowledgedBy: "alice" });
    const again = reopened(120_000)(over);
    expect(again).toMatchObject({ state: OPEN, acknowledgedBy: "", resolvedBy: "", resolveReason: "" });
    expect(again.resolvedAt).toBeUndefined();
    expect(again.openedAt?.seconds).toBe(120n);
  });
});

describe("the timeline", () => {
  test("sorts facts into kinds by who said them, attached alerts among the alerts", () => {
    expect(kindOf({ fact: "AlertAttached", source: "triage" })).toBe("alerts");
    expect(kindOf({ fact: "PageSent", source: "communication" })).toBe("pages");
    const counts = countKinds([
      { fact: "AlertAttached", source: "triage" },
      { fact: "IncidentOpened", source: "triage" },
      { fact: "AlertOpened", source: "detection" },
    ]);
    expect([...counts]).toEqual([
      ["all", 3],
      ["alerts", 2],
      ["incident", 1],
    ]);
  });

  test("says facts in words", () => {
    expect(factInWords("AlertAttached")).toBe("Alert attached");
  });
});
