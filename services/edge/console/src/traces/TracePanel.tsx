import { useQuery } from "@connectrpc/connect-query";
import { Activity, ChevronDown, ChevronRight, RefreshCw } from "lucide-react";
import { type CSSProperties, useId, useState } from "react";
import { EdgeService } from "../gen/tocsin/edge/v1/edge_service_pb";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { type Bar, type Trace, traces } from "./waterfall";

/** What the requests and timers of an incident went through, and how long each part took: asked for when somebody wants to see it. */
export default function TracePanel({ incidentId }: { incidentId: string }) {
  const id = useId();
  const [open, setOpen] = useState(false);
  const Icon = open ? ChevronDown : ChevronRight;
  return (
    <Panel
      title="Trace"
      aside={
        <button type="button" className="button small" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
          <Icon aria-hidden /> {open ? "Hide" : "Show"}
        </button>
      }
    >
      <div id={id}>{open && <Waterfalls incidentId={incidentId} />}</div>
    </Panel>
  );
}

function Waterfalls({ incidentId }: { incidentId: string }) {
  const answer = useQuery(EdgeService.method.getTrace, { incidentId });
  if (answer.isPending) return <Loading what="the trace" />;
  if (!answer.data) return <Failure what="The trace" error={answer.error} retry={() => void answer.refetch()} />;
  const found = traces(answer.data.spans);
  const numbers = new Map(found.map((trace, index) => [trace.id, index + 1]));
  return (
    <div className="traces">
      {found.length === 0 && (
        <Empty icon={Activity} title="No span of this incident is kept">
          Spans arrive some seconds late, and old ones are dropped.
        </Empty>
      )}
      {found.map((trace) => (
        <Waterfall key={trace.id} trace={trace} numbers={numbers} />
      ))}
      <button type="button" className="button small" disabled={answer.isFetching} onClick={() => void answer.refetch()}>
        <RefreshCw aria-hidden /> Look again
      </button>
    </div>
  );
}

function Waterfall({ trace, numbers }: { trace: Trace; numbers: Map<string, number> }) {
  const links = trace.links.map((link) => (numbers.has(link) ? `trace ${numbers.get(link)}` : `trace ${link}`)).join(", ");
  return (
    <table className="waterfall">
      <caption>
        Trace {numbers.get(trace.id)} <At at={new Date(trace.startedAt)} /> <span className="under">{inMilliseconds(trace.length)}</span>
        {links && <span className="under"> · linked to {links}</span>}
      </caption>
      <thead>
        <tr>
          <th scope="col">Span</th>
          <th scope="col">At</th>
          <th scope="col">Took</th>
          <th scope="col">
            <span className="visually-hidden">Its part of the whole</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {trace.bars.map((bar) => (
          <Row key={bar.span.spanId} bar={bar} whole={trace.length} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ bar, whole }: { bar: Bar; whole: number }) {
  const { span, depth, start, end } = bar;
  const size = Math.max(whole, 0.001);
  const place = { "--from": start / size, "--length": (end - start) / size } as CSSProperties;
  return (
    <tr className={span.error ? "failed" : undefined}>
      <th scope="row" style={{ paddingInlineStart: `${depth * 12}px` }} title={Object.entries(span.attributes).map(([name, value]) => `${name}: ${value}`).join("\n")}>
        {span.name} <span className="under">{span.service.replace(/^tocsin-/, "")}</span>
        {span.error && <span className="under bad-text"> {span.error}</span>}
      </th>
      <td>{inMilliseconds(start)}</td>
      <td>{inMilliseconds(end - start)}</td>
      <td className="stroke" aria-hidden>
        <span style={place} />
      </td>
    </tr>
  );
}

function inMilliseconds(length: number): string {
  return `${length.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ms`;
}
