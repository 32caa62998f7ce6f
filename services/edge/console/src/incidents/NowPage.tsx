import { useInfiniteQuery } from "@connectrpc/connect-query";
import { CircleCheck, SearchX } from "lucide-react";
import { useState } from "react";
import { useCaller, useRefusal } from "../account/caller";
import { type Incident, Incident_State } from "../gen/tocsin/triage/v1/incident_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { HealthPanel } from "../health/HealthPanel";
import { OncallPanel } from "../oncall/OncallPanel";
import { useShortcuts } from "../platform/keys";
import { Choice } from "../ui/Choice";
import { useNotices } from "../ui/Notices";
import { Empty, Failure, Loading } from "../ui/States";
import { useFilter } from "../ui/useFilter";
import { useRows } from "../ui/useRows";
import { useIncidentActions } from "./actions";
import type { ActiveIncidents } from "./active";
import { ResolveDialog, ServiceField } from "./dialogs";
import { FiguresStrip } from "./FiguresStrip";
import { IncidentList } from "./IncidentList";
import { inOrder, statesOf, VIEWS, type View } from "./words";

const VIEW_LABELS: Record<View, string> = { active: "Active", open: "Open", acknowledged: "Acknowledged", resolved: "Resolved", all: "All" };

/** What needs somebody now, who is on call, and whether the platform itself is well. */
export function NowPage({ active }: { active: ActiveIncidents }) {
  const [view, setView] = useFilter<View>("state", "active", VIEWS);
  const [service, setService] = useFilter<string>("service", "");
  const [resolving, setResolving] = useState<Incident>();
  const incidents = useIncidents(view, service);
  const listed = inOrder(incidents.data?.pages.flatMap((page) => page.incidents) ?? [], view);
  const { acknowledge } = useIncidentActions();
  useRowShortcuts(listed, acknowledge, setResolving);
  return (
    <main className="now" id="main">
      <h1 className="visually-hidden">Incidents now</h1>
      <FiguresStrip active={active} />
      <section className="now-list" aria-label="Incidents">
        <div className="filters">
          <Choice label="State" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: VIEW_LABELS[value] }))} />
          <div className="filter-field">
            <ServiceField label="Service" none="All services" value={service} onChange={setService} />
          </div>
        </div>
        {incidents.isPending && <Loading what="incidents" />}
        {incidents.isError && !incidents.data && <Failure what="Incidents" error={incidents.error} retry={() => void incidents.refetch()} />}
        {incidents.data && listed.length === 0 && <NoIncidents view={view} filtered={service !== ""} />}
        {listed.length > 0 && <IncidentList incidents={listed} fresh={active.fresh} onAcknowledge={acknowledge} onResolve={setResolving} />}
        {incidents.hasNextPage && (
          <button type="button" className="button more" disabled={incidents.isFetchingNextPage} onClick={() => void incidents.fetchNextPage()}>
            {incidents.isFetchingNextPage ? "Loading…" : "Show older incidents"}
          </button>
        )}
      </section>
      <aside className="now-aside" aria-label="On call and health">
        <OncallPanel />
        <HealthPanel />
      </aside>
      {resolving && <ResolveDialog incident={resolving} onClose={() => setResolving(undefined)} />}
    </main>
  );
}

function useIncidents(view: View, service: string) {
  return useInfiniteQuery(
    TriageService.method.listIncidents,
    { states: statesOf(view), service, pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined },
  );
}

function NoIncidents({ view, filtered }: { view: View; filtered: boolean }) {
  if (view === "active" && !filtered) {
    return (
      <Empty icon={CircleCheck} title="All quiet">
        Nothing is open. New incidents appear here by themselves.
      </Empty>
    );
  }
  return (
    <Empty icon={SearchX} title="No incidents match">
      Choose another state or service.
    </Empty>
  );
}

type OnIncident = (incident: Incident) => void;

/** j and k move between rows; a and r act on the row that holds the focus. */
function useRowShortcuts(incidents: readonly Incident[], onAcknowledge: OnIncident, onResolve: OnIncident): void {
  const notices = useNotices();
  const refusal = useRefusal();
  const me = useCaller().name;
  const { move, focused } = useRows();
  const act = (action: (incident: Incident) => void) => {
    const id = focused();
    const incident = incidents.find((each) => each.id === id);
    if (incident === undefined || incident.state === Incident_State.RESOLVED) return;
    if (refusal === undefined) action(incident);
    else notices.failed(`Incident #${incident.number} is unchanged`, new Error(refusal));
  };
  const take = (incident: Incident) => {
    if (incident.state === Incident_State.OPEN || incident.acknowledgedBy !== me) onAcknowledge(incident);
  };
  useShortcuts({ j: () => move(1), k: () => move(-1), a: () => act(take), r: () => act(onResolve) });
}
