import { describe, expect, test } from "vitest";
import { topicOfKey } from "../src/live/store";
import { Refresher, type Topic, topicsOf } from "../src/live/topics";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import { TriageService } from "../src/gen/tocsin/triage/v1/triage_service_pb";

describe("what a fact makes stale", () => {
  test("an incident's facts touch the lists, the incident and its timeline", () => {
    const topics = topicsOf({ fact: "IncidentOpened", source: "triage", incidentId: "x" });
    expect(topics).toEqual(expect.arrayContaining(["TriageService/ListIncidents", "TriageService/GetIncident", "ReviewService/GetTimeline"]));
    expect(topics).not.toContain("CommunicationService/ListPages");
  });

  test("a page's facts touch the message log", () => {
    expect(topicsOf({ fact: "PageSent", source: "communication", incidentId: "" })).toEqual(expect.arrayContaining(["CommunicationService/ListPages", "PagingService/GetPage"]));
  });

  test("a new configuration touches who is on call", () => {
    expect(topicsOf({ fact: "ConfigurationChanged", source: "edge", incidentId: "" })).toContain("ResponseService/GetOncall");
  });

  test("facts of services to come are no error", () => {
    expect(topicsOf({ fact: "ExerciseStarted", source: "drills", incidentId: "" })).toEqual([]);
  });

  test("the topic of a cached answer is read from its key", () => {
    const key = createConnectQueryKey({ schema: TriageService.method.listIncidents, cardinality: "infinite" });
    expect(topicOfKey(key)).toBe("TriageService/ListIncidents");
    expect(topicOfKey(["something else"])).toBeUndefined();
  });
});

describe("refreshing", () => {
  test("a storm becomes few refreshes and forgets nothing", async () => {
    const refreshed: Topic[][] = [];
    let release = () => {};
    const refresher = new Refresher(
      async (stale) => {
        refreshed.push(stale === "everything" ? ["everything"] : [...stale]);
        if (refreshed.length === 1) await new Promise<void>((resolve) => (release = resolve));
      },
      async () => {},
    );
    void refresher.add(["a"]);
    const done = refresher.add(["b"]);
    await expect.poll(() => refreshed.length).toBe(1);
    for (let count = 0; count < 100; count += 1) void refresher.add(["a", "c"]);
    release();
    await done;
    expect(refreshed).toEqual([
      ["a", "b"],
      ["a", "c"],
    ]);
  });

  test("everything includes what was stale before", async () => {
    const refreshed: unknown[] = [];
    const refresher = new Refresher(
      async (stale) => {
        refreshed.push(stale);
      },
      async () => {},
    );
    void refresher.add(["a"]);
    await refresher.addEverything();
    expect(refreshed).toEqual(["everything"]);
  });
});
