/** Everything that is in force anywhere, what automations propose, whose return is looked out for, and the lists that devices read. */

import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { CircleCheck, ListX, Radar, ShieldCheck } from "lucide-react";
import { useEffect } from "react";
import { Link } from "wouter";
import { ContainmentService } from "../gen/tocsin/response/v1/containment_service_pb";
import { toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago, At } from "../ui/Time";
import { useFilter } from "../ui/useFilter";
import { MeasureLine } from "./MeasureLine";
import { ProposalLine } from "./ProposalLine";
import { targetKind } from "./words";

const VIEWS = ["measures", "proposals", "recovery", "lists"] as const;
type View = (typeof VIEWS)[number];
const LABELS = { measures: "In force", proposals: "Proposed", recovery: "Watched for return", lists: "Block lists" } as const;
// Readers of lists tell no fact.
const LOOK_AGAIN = 30_000;

export default function ContainmentPage() {
  const [view, setView] = useFilter<View>("view", "measures", VIEWS);
  useEffect(() => {
    document.title = "Containment · Tocsin";
  }, []);
  return (
    <main id="main">
      <h1>Containment</h1>
      <div className="filters">
        <Choice label="View" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: LABELS[value] }))} />
      </div>
      {view === "measures" && <Measures />}
      {view === "proposals" && <Proposals />}
      {view === "recovery" && <Watches />}
      {view === "lists" && <Lists />}
    </main>
  );
}

function Measures() {
  const answer = useInfiniteQuery(
    ContainmentService.method.listMeasures,
    { inForceOnly: true, pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined },
  );
  const measures = answer.data?.pages.flatMap((page) => page.measures) ?? [];
  return (
    <Panel title="In force" aside={<span className="count">{measures.length}{answer.hasNextPage ? "+" : ""}</span>}>
      {answer.isPending && <Loading what="measures" />}
      {answer.isError && !answer.data && <Failure what="Measures" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && measures.length === 0 && <Empty icon={ShieldCheck} title="Nothing is in force" />}
      <ul className="pages">
        {measures.map((measure) => (
          <MeasureLine key={measure.id} measure={measure} withIncident />
        ))}
      </ul>
      {answer.hasNextPage && (
        <button type="button" className="button more" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>
          Older measures
        </button>
      )}
    </Panel>
  );
}

function Proposals() {
  const answer = useQuery(ContainmentService.method.listProposals, { pageSize: 200 });
  const proposals = answer.data?.proposals ?? [];
  return (
    <Panel title="What automations and plans proposed or started" aside={<span className="count">{proposals.length}</span>}>
      {answer.isPending && <Loading what="proposals" />}
      {answer.isError && !answer.data && <Failure what="Proposals" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && proposals.length === 0 && <Empty icon={CircleCheck} title="Nothing was proposed yet" />}
      <ul className="pages">
        {proposals.map((proposal) => (
          <ProposalLine key={proposal.id} proposal={proposal} />
        ))}
      </ul>
    </Panel>
  );
}

function Watches() {
  const answer = useQuery(ContainmentService.method.listRecoveryWatches, {});
  const watches = answer.data?.watches ?? [];
  return (
    <Panel title="Watched for return" aside={<span className="count">{watches.length}</span>}>
      {answer.isPending && <Loading what="watches" />}
      {answer.isError && !answer.data && <Failure what="Watches" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && watches.length === 0 && (
        <Empty icon={Radar} title="No incident's return is looked out for">
          An incident that needed measures is looked out for by itself, for 14 days after its end.
        </Empty>
      )}
      <ul className="pages">
        {watches.map((watch) => {
          const until = toDate(watch.until);
          return (
            <li key={watch.incidentId}>
              <p className="line">
                <Link href={`/incidents/${watch.incidentId}`}>
                  <strong>#{String(watch.incidentNumber)}</strong>
                </Link>
                {until && (
                  <span className="under">
                    until <At at={until} />
                  </span>
                )}
              </p>
              <p className="under">{watch.indicators.map((each) => `${targetKind(each.kind)} ${each.value}`.trim()).join(" · ")}</p>
            </li>
          );
        })}
      </ul>
    </Panel>
  );
}

function Lists() {
  const answer = useQuery(ContainmentService.method.listBlockLists, {}, { refetchInterval: LOOK_AGAIN });
  const lists = answer.data?.lists ?? [];
  return (
    <Panel title="Block lists" aside={<span className="count">{lists.length}</span>}>
      {answer.isPending && <Loading what="block lists" />}
      {answer.isError && !answer.data && <Failure what="Block lists" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && lists.length === 0 && (
        <Empty icon={ListX} title="There is no block list">
          The first entry makes one: <code>tocsin blocklist add edge-deny 203.0.113.7</code>
        </Empty>
      )}
      <ul className="pages">
        {lists.map((list) => (
          <li key={list.name}>
            <p className="line">
              <strong>{list.name}</strong>
              <span className="under">
                {list.entries} {targetKind(list.kind)} {list.entries === 1 ? "entry" : "entries"}
              </span>
            </p>
            {list.readers.length === 0 && <p className="under">No device has read it yet.</p>}
            {list.readers.map((reader) => {
              const at = toDate(reader.readAt);
              return (
                <p key={reader.address} className="under">
                  {reader.address} <span className={`badge ${reader.current ? "good" : "warn"}`}>{reader.current ? "has the newest" : "is behind"}</span> {at && <Ago at={at} />}
                </p>
              );
            })}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
