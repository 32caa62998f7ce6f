import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { create } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { EdgeService, type WatchRequest, type WatchResponse, WatchResponseSchema } from "../src/gen/tocsin/edge/v1/edge_service_pb";
import { backoff, broke, connecting, type Effect, heard, keepWatching, type Live, paused } from "../src/live/watch";

const INCIDENT = "019ab000-0000-7000-8000-000000000001";

function message(seq: number, fact = "", more: Partial<Pick<WatchResponse, "resync" | "epoch">> = {}): WatchResponse {
  return create(WatchResponseSchema, { seq: BigInt(seq), fact, source: fact && "triage", incidentId: fact && INCIDENT, epoch: "e1", ...more });
}

function live(seq: number): Live {
  return heard(connecting(0), message(seq), 1)[0];
}

describe("what a message means", () => {
  test("the first one loads everything, for facts may have passed before it", () => {
    const [state, effect] = heard(connecting(0), message(41), 7);
    expect(effect).toEqual({ refetch: "everything" });
    expect(state).toMatchObject({ phase: "live", since: 7, cursor: { seq: 41n, epoch: "e1" } });
  });

  test("the next fact loads what it is about, a heartbeat nothing", () => {
    const [after, effect] = heard(live(41), message(42, "IncidentOpened"), 9);
    expect(effect).toMatchObject({ refetch: "about", fact: { fact: "IncidentOpened", incidentId: INCIDENT } });
    expect(heard(after, message(42), 10)[1]).toEqual({ refetch: "nothing" });
    expect(after.since).toBe(1);
  });

  test.each<[string, WatchResponse]>([
    ["a gap", message(44, "IncidentOpened")],
    ["a heartbeat ahead of the facts", message(43)],
    ["a resync", message(42, "", { resync: true })],
    ["new numbering", message(1, "IncidentOpened", { epoch: "e2" })],
  ])("%s loads everything", (_, next) => {
    const [state, effect] = heard(live(41), next, 9);
    expect(effect).toEqual({ refetch: "everything" });
    expect(state.cursor).toEqual({ seq: next.seq, epoch: next.epoch });
  });

  test("a fact heard twice changes nothing and does not move the cursor back", () => {
    const [state, effect] = heard(live(41), message(40, "IncidentOpened"), 9);
    expect(effect).toEqual({ refetch: "nothing" });
    expect(state.cursor.seq).toBe(41n);
  });

  test("after a break or a pause everything is loaded again", () => {
    for (const before of [broke(live(41), "gone", 5), paused(live(41), 5)]) {
      expect(heard(before, message(42, "IncidentOpened"), 9)[1]).toEqual({ refetch: "everything" });
    }
  });
});

describe("breaks", () => {
  test("the loss begins with the first break, and its cursor is kept", () => {
    const lost = broke(broke(live(41), "gone", 5), "still gone", 25);
    expect(lost).toMatchObject({ phase: "lost", since: 5, breaks: 2, why: "still gone", cursor: { seq: 41n, epoch: "e1" } });
  });

  test("waits double up to 15 s and are spread", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 60].map((breaks) => backoff(breaks, 1))).toEqual([500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    expect(backoff(3, 0)).toBe(1000);
  });
});

/** An edge whose streams follow a script: each stream sends its messages, then breaks, stays silent, or ends. */
function edge(scripts: { messages: WatchResponse[]; then: "breaks" | "silence" | "ends" }[]) {
  const asked: WatchRequest[] = [];
  const transport = createRouterTransport(({ service }) =>
    service(EdgeService, {
      async *watch(request, context) {
        const script = scripts[asked.length];
        asked.push(request);
        yield* script?.messages ?? [];
        if (script?.then === "breaks") throw new ConnectError("going away", Code.Unavailable);
        if (script?.then === "silence") await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
      },
    }),
  );
  return { asked, client: createClient(EdgeService, transport) };
}

async function watchScripts(scripts: Parameters<typeof edge>[0], silent: (expired: () => void) => void = () => {}) {
  const { asked, client } = edge(scripts);
  const stop = new AbortController();
  const effects: Effect[] = [];
  const waits: number[] = [];
  let state = connecting(0);
  await keepWatching(
    {
      open: (cursor, signal) => client.watch({ afterSeq: cursor.seq, epoch: cursor.epoch }, { signal }),
      live: () => state,
      heard: (response) => {
        const [next, effect] = heard(state, response, 0);
        state = next;
        effects.push(effect);
      },
      broke: (error) => {
        state = broke(state, ConnectError.from(error).rawMessage, 0);
      },
      wait: async (milliseconds) => {
        waits.push(milliseconds);
        if (waits.length === scripts.length) stop.abort();
      },
      chance: () => 1,
      alarm: (_, expired) => {
        silent(expired);
        return () => {};
      },
    },
    stop.signal,
  );
  return { asked, effects, waits, state };
}

describe("keeping the stream open", () => {
  test("comes back with the last number and epoch that it heard", async () => {
    const { asked, effects, waits } = await watchScripts([
      { messages: [message(10), message(11, "IncidentOpened")], then: "breaks" },
      { messages: [message(12, "IncidentAcknowledged")], then: "ends" },
    ]);
    expect(asked.map((request) => [request.afterSeq, request.epoch])).toEqual([
      [0n, ""],
      [11n, "e1"],
    ]);
    expect(effects.map((effect) => effect.refetch)).toEqual(["everything", "about", "everything"]);
    expect(waits).toEqual([500, 500]);
  });

  test("waits longer while nothing is heard, and says why", async () => {
    const { waits, state } = await watchScripts([
      { messages: [], then: "breaks" },
      { messages: [], then: "breaks" },
      { messages: [], then: "breaks" },
    ]);
    expect(waits).toEqual([500, 1000, 2000]);
    expect(state).toMatchObject({ phase: "lost", why: "going away" });
  });

  test("gives up on a stream that has fallen silent", async () => {
    let alarms = 0;
    const { state, effects } = await watchScripts([{ messages: [message(10)], then: "silence" }], (expired) => {
      alarms += 1;
      if (alarms === 2) queueMicrotask(expired);
    });
    expect(effects).toHaveLength(1);
    expect(state.phase).toBe("lost");
  });
});
