/** The live stream: what is known about it, and what each message or break means. Pure, but for keepWatching at the end. */

import type { WatchResponse } from "../gen/tocsin/edge/v1/edge_service_pb";

/** Where the stream has come to; 0n and "" before the first message. */
export interface Cursor {
  seq: bigint;
  epoch: string;
}

export interface Live {
  /** connecting: not yet heard. live: heard and running. lost: broken, being retried. paused: the tab is hidden. */
  phase: "connecting" | "live" | "lost" | "paused";
  /** When this phase began, milliseconds since 1970. */
  since: number;
  cursor: Cursor;
  /** Breaks since it was last live. */
  breaks: number;
  /** Why it broke, for people; empty while it runs. */
  why: string;
}

export type Fact = Pick<WatchResponse, "fact" | "source" | "incidentId">;

/** What the page must load again. */
export type Effect = { refetch: "nothing" } | { refetch: "everything" } | { refetch: "about"; fact: Fact };

const NOTHING: Effect = { refetch: "nothing" };
const EVERYTHING: Effect = { refetch: "everything" };

export function connecting(at: number): Live {
  return { phase: "connecting", since: at, cursor: { seq: 0n, epoch: "" }, breaks: 0, why: "" };
}

/** A message arrived. After any break, gap or new numbering everything is loaded again: a fact may have been missed. */
export function heard(live: Live, message: WatchResponse, at: number): [Live, Effect] {
  const next: Live = {
    phase: "live",
    since: live.phase === "live" ? live.since : at,
    cursor: { seq: message.seq, epoch: message.epoch },
    breaks: 0,
    why: "",
  };
  const renumbered = live.cursor.epoch !== message.epoch;
  if (live.phase !== "live" || message.resync || renumbered) return [next, EVERYTHING];
  const expected = live.cursor.seq + (message.fact === "" ? 0n : 1n);
  if (message.seq > expected) return [next, EVERYTHING];
  if (message.seq < expected) return [{ ...next, cursor: live.cursor }, NOTHING];
  return [next, message.fact === "" ? NOTHING : { refetch: "about", fact: message }];
}

/** The stream broke or could not be opened. The first break begins the loss; later ones only count. */
export function broke(live: Live, why: string, at: number): Live {
  const since = live.phase === "lost" ? live.since : at;
  return { ...live, phase: "lost", since, breaks: live.breaks + 1, why };
}

export function paused(live: Live, at: number): Live {
  return { ...live, phase: "paused", since: at, breaks: 0, why: "" };
}

/** Milliseconds to wait before the next attempt: 0.5 s doubling to 15 s, spread by `chance` (0 to 1) so that browsers do not return all at once. */
export function backoff(breaks: number, chance: number): number {
  const longest = Math.min(15_000, 500 * 2 ** Math.min(breaks - 1, 10));
  return longest * (0.5 + chance / 2);
}

/** Heartbeats come every 15 s; after two missed ones the stream counts as broken. */
export const SILENCE_LIMIT = 35_000;

export interface Watching {
  /** Open the stream from the cursor. Ends or throws when it breaks. */
  open(cursor: Cursor, signal: AbortSignal): AsyncIterable<WatchResponse>;
  live(): Live;
  heard(message: WatchResponse): void;
  broke(error: unknown): void;
  /** Wait; returns early when the signal is aborted. */
  wait(milliseconds: number, signal: AbortSignal): Promise<void>;
  chance(): number;
  /** Call `expired` unless it is cancelled in time; returns the cancellation. */
  alarm(milliseconds: number, expired: () => void): () => void;
}

/** Keep one stream open until the signal is aborted. */
export async function keepWatching(watching: Watching, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await watchOnce(watching, signal);
      if (!signal.aborted) watching.broke(new Error("the stream ended"));
    } catch (error) {
      if (!signal.aborted) watching.broke(error);
    }
    if (!signal.aborted) await watching.wait(backoff(watching.live().breaks, watching.chance()), signal);
  }
}

async function watchOnce(watching: Watching, signal: AbortSignal): Promise<void> {
  const silence = new AbortController();
  const arm = () => watching.alarm(SILENCE_LIMIT, () => silence.abort(new Error("nothing was heard for 35 seconds")));
  let disarm = arm();
  try {
    for await (const message of watching.open(watching.live().cursor, AbortSignal.any([signal, silence.signal]))) {
      disarm();
      watching.heard(message);
      disarm = arm();
    }
  } finally {
    disarm();
  }
}
