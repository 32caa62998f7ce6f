/** Connects the stream to the query cache, and tells components how the stream is. */

import type { Client, Transport } from "@connectrpc/connect";
import { createClient } from "@connectrpc/connect";
import type { Query, QueryClient } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { EdgeService, type WatchResponse } from "../gen/tocsin/edge/v1/edge_service_pb";
import { explain } from "../platform/errors";
import { PROJECTED, Refresher, type Topic, topicsOf } from "./topics";
import { broke, connecting, type Fact, heard, keepWatching, type Live, paused } from "./watch";

const GATHER = 150;
const PROJECTION_DELAY = 1500;
const POLL = 15_000;
const HIDDEN_LIMIT = 60_000;

export class LiveStore {
  #live: Live = connecting(Date.now());
  #listeners = new Set<() => void>();
  #stop: AbortController | undefined;
  #retryNow: (() => void) | undefined;
  #projection: ReturnType<typeof setTimeout> | undefined;
  readonly #client: Client<typeof EdgeService>;
  readonly #refresher: Refresher;

  constructor(transport: Transport, queries: QueryClient) {
    this.#client = createClient(EdgeService, transport);
    this.#refresher = new Refresher(
      (stale) => queries.invalidateQueries({ predicate: (query) => isStale(query, stale) }),
      () => sleep(GATHER),
    );
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly snapshot = (): Live => this.#live;

  /** Try at once instead of waiting for the next attempt. */
  readonly retry = (): void => this.#retryNow?.();

  /** Watch until the returned function is called. A hidden tab gives its stream back after a minute and polls meanwhile. */
  start(): () => void {
    this.#watch();
    const poll = setInterval(() => this.#live.phase !== "live" && void this.#refresher.addEverything(), POLL);
    let hiding: ReturnType<typeof setTimeout> | undefined;
    const visibility = () => {
      clearTimeout(hiding);
      if (document.visibilityState === "hidden") hiding = setTimeout(() => this.#pause(), HIDDEN_LIMIT);
      else if (this.#live.phase === "paused") this.#watch();
      else this.retry();
    };
    document.addEventListener("visibilitychange", visibility);
    window.addEventListener("online", this.retry);
    return () => {
      clearInterval(poll);
      clearTimeout(hiding);
      document.removeEventListener("visibilitychange", visibility);
      window.removeEventListener("online", this.retry);
      this.#stop?.abort();
      clearTimeout(this.#projection);
    };
  }

  #watch(): void {
    this.#stop?.abort();
    this.#stop = new AbortController();
    this.#become({ ...this.#live, phase: "connecting", since: Date.now() });
    void keepWatching(
      {
        open: (cursor, signal) => this.#client.watch({ afterSeq: cursor.seq, epoch: cursor.epoch }, { signal, timeoutMs: 0 }),
        live: this.snapshot,
        heard: (message) => this.#heard(message),
        broke: (error) => this.#become(broke(this.#live, explain(error), Date.now())),
        wait: (milliseconds, signal) => this.#wait(milliseconds, signal),
        chance: Math.random,
        alarm: (milliseconds, expired) => {
          const timer = setTimeout(expired, milliseconds);
          return () => clearTimeout(timer);
        },
      },
      this.#stop.signal,
    );
  }

  #pause(): void {
    this.#stop?.abort();
    this.#become(paused(this.#live, Date.now()));
  }

  #heard(message: WatchResponse): void {
    const [live, effect] = heard(this.#live, message, Date.now());
    this.#become(live);
    if (effect.refetch === "everything") void this.#refresher.addEverything();
    if (effect.refetch === "about") this.#about(effect.fact);
  }

  #about(fact: Fact): void {
    void this.#refresher.add(topicsOf(fact));
    // Review writes its projection beside us, not before us: ask it once more when the facts have settled.
    clearTimeout(this.#projection);
    this.#projection = setTimeout(() => void this.#refresher.add(PROJECTED), PROJECTION_DELAY);
  }

  #become(live: Live): void {
    const changed = live.phase !== this.#live.phase || live.breaks !== this.#live.breaks;
    this.#live = live;
    if (changed) for (const listener of this.#listeners) listener();
  }

  #wait(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        this.#retryNow = undefined;
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      signal.addEventListener("abort", done);
      this.#retryNow = done;
    });
  }
}

/** How the stream is. Renders again when its phase changes, not with each message. */
export function useLive(store: LiveStore): Live {
  return useSyncExternalStore(store.subscribe, store.snapshot);
}

function isStale(query: Query, stale: ReadonlySet<Topic> | "everything"): boolean {
  const topic = topicOfKey(query.queryKey);
  return topic !== undefined && (stale === "everything" || stale.has(topic));
}

/** connect-query's keys are ["connect-query", {serviceName, methodName, …}]. */
export function topicOfKey(key: readonly unknown[]): Topic | undefined {
  const [origin, call] = key as [string, { serviceName?: string; methodName?: string } | undefined];
  if (origin !== "connect-query" || !call?.serviceName || !call.methodName) return undefined;
  return `${call.serviceName.slice(call.serviceName.lastIndexOf(".") + 1)}/${call.methodName}`;
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
