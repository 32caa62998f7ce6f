import type { Span } from "../gen/tocsin/edge/v1/edge_service_pb";

/** A span in its place: how deep below the first span of its trace, and when, in milliseconds from the start of that trace. */
export interface Bar {
  span: Span;
  depth: number;
  start: number;
  end: number;
}

/** One trace: its bars from top to bottom, its length in milliseconds, and the traces it is linked to. */
export interface Trace {
  id: string;
  startedAt: number;
  bars: Bar[];
  length: number;
  links: string[];
}

/** The traces by their start. Every span appears exactly once, even where what caused it is missing. */
export function traces(spans: readonly Span[]): Trace[] {
  const grouped = new Map<string, Span[]>();
  for (const span of spans.toSorted((a, b) => started(a) - started(b))) {
    const members = grouped.get(span.traceId);
    if (members) members.push(span);
    else grouped.set(span.traceId, [span]);
  }
  return [...grouped].map(([id, members]) => arranged(id, members));
}

function arranged(id: string, spans: Span[]): Trace {
  const startedAt = started(spans[0]!);
  const bars = nested(spans).map(([span, depth]) => ({ span, depth, start: started(span) - startedAt, end: Math.max(ended(span), started(span)) - startedAt }));
  const links = [...new Set(spans.flatMap((span) => span.linkedTraceIds).filter((link) => link !== id))];
  return { id, startedAt, bars, length: Math.max(...bars.map((bar) => bar.end)), links };
}

/** Depth first, each span once. A span whose cause is missing, or lies in a circle, begins at depth 0. */
function nested(spans: Span[]): [Span, number][] {
  const ids = new Set(spans.map((span) => span.spanId));
  const below = new Map<string, Span[]>();
  for (const span of spans) below.set(span.parentSpanId, [...(below.get(span.parentSpanId) ?? []), span]);
  const seen = new Set<Span>();
  const found: [Span, number][] = [];
  for (const top of [...spans.filter((span) => !ids.has(span.parentSpanId)), ...spans]) {
    const waiting: [Span, number][] = [[top, 0]];
    while (waiting.length > 0) {
      const [span, depth] = waiting.pop()!;
      if (seen.has(span)) continue;
      seen.add(span);
      found.push([span, depth]);
      for (const each of (below.get(span.spanId) ?? []).toReversed()) waiting.push([each, depth + 1]);
    }
  }
  return found;
}

function started(span: Span): number {
  return milliseconds(span.startedAt);
}

function ended(span: Span): number {
  return milliseconds(span.endedAt);
}

function milliseconds(at: Span["startedAt"]): number {
  return at ? Number(at.seconds) * 1000 + at.nanos / 1_000_000 : 0;
}
