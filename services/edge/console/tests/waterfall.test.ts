import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { describe, expect, it } from "vitest";
import { type Span, SpanSchema } from "../src/gen/tocsin/edge/v1/edge_service_pb";
import { traces } from "../src/traces/waterfall";

function span(traceId: string, spanId: string, parentSpanId: string, from: number, to: number, more: Partial<Span> = {}): Span {
  return create(SpanSchema, { traceId, spanId, parentSpanId, name: spanId, startedAt: timestampFromMs(1000 + from), endedAt: timestampFromMs(1000 + to), ...(more as object) });
}

describe("a waterfall", () => {
  it("puts each span below what caused it, from the start of its trace", () => {
    const [first, second] = traces([
      span("two", "timer", "", 50, 60, { linkedTraceIds: ["one", "two"] }),
      span("one", "send", "intake", 20, 30),
      span("one", "request", "", 0, 40),
      span("one", "intake", "request", 5, 35),
    ]);
    expect(first!.bars.map(({ span: { spanId }, depth, start, end }) => [spanId, depth, start, end])).toEqual([
      ["request", 0, 0, 40],
      ["intake", 1, 5, 35],
      ["send", 2, 20, 30],
    ]);
    expect([first!.length, second!.length, second!.links]).toEqual([40, 10, ["one"]]);
  });

  it("shows every span once, though causes are missing, lie in a circle, or end before they begin", () => {
    const [trace] = traces([span("one", "a", "b", 0, 1), span("one", "b", "a", 1, 2), span("one", "orphan", "gone", 3, 2)]);
    expect(trace!.bars.map(({ span: { spanId } }) => spanId).toSorted()).toEqual(["a", "b", "orphan"]);
    expect(trace!.bars.every((bar) => bar.end >= bar.start)).toBe(true);
    expect(traces([])).toEqual([]);
  });
});
