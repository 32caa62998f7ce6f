import { useInfiniteQuery, useQuery } from "@connectrpc/connect-query";
import { keepPreviousData } from "@tanstack/react-query";
import { BellOff, SearchX } from "lucide-react";
import { useEffect, useId, useState } from "react";
import { Redirect } from "wouter";
import { useRefusal } from "../account/caller";
import { type Alert, Alert_State } from "../gen/tocsin/detection/v1/alert_pb";
import { DetectionService, Held, type ListAlertsRequest } from "../gen/tocsin/detection/v1/detection_service_pb";
import { explain } from "../platform/errors";
import { useShortcuts } from "../platform/keys";
import { Choice } from "../ui/Choice";
import { useNotices } from "../ui/Notices";
import { Empty, Failure, Loading } from "../ui/States";
import { TextFilter } from "../ui/TextFilter";
import { useFilter } from "../ui/useFilter";
import { useRows } from "../ui/useRows";
import { AlertList } from "./AlertList";
import { useAlertActions } from "./actions";
import { AlertDialogs, type Asked } from "./dialogs";
import { splitMatchers } from "./matchers";
import { alertPath } from "./words";

const VIEWS = ["open", "resolved", "all"] as const;
type View = (typeof VIEWS)[number];
const VIEW_LABELS: Record<View, string> = { open: "Open", resolved: "Ended", all: "All" };
const STATES: Record<View, Alert_State> = { open: Alert_State.OPEN, resolved: Alert_State.RESOLVED, all: Alert_State.UNSPECIFIED };

const HELDS = ["any", "no", "yes"] as const;
type HeldView = (typeof HELDS)[number];
const HELD_LABELS: Record<HeldView, string> = { any: "Held or not", no: "Not held", yes: "Held back" };
const HELD: Record<HeldView, Held> = { any: Held.UNSPECIFIED, no: Held.NO, yes: Held.YES };

const SIZE = 100;
/** So many pages are asked for by themselves while they hold too little: together they have looked at more than 100,000 alerts. */
const PAGES = 20;

type Wanted = Pick<ListAlertsRequest, "state" | "held" | "integration" | "service" | "severity" | "text" | "matchers">;

/** All alerts, newest first, by any filter. */
export default function AlertsPage() {
  const [view, setView] = useFilter<View>("state", "open", VIEWS);
  const [held, setHeld] = useFilter<HeldView>("held", "any", HELDS);
  const [integration, setIntegration] = useFilter<string>("integration", "");
  const [service, setService] = useFilter<string>("service", "");
  const [severity, setSeverity] = useFilter<string>("severity", "");
  const [text, setText] = useFilter<string>("text", "");
  const [matchers, setMatchers] = useFilter<string>("matchers", "");
  const [named] = useFilter<string>("alert", "");
  const [asked, setAsked] = useState<Asked>();
  const { answer, alerts, looking, showMore } = useAlerts({
    state: STATES[view],
    held: HELD[held],
    integration,
    service,
    severity,
    text,
    matchers: splitMatchers(matchers),
  });
  const { acknowledge } = useAlertActions();
  useEffect(() => {
    document.title = "Alerts · Tocsin";
  }, []);
  useRowShortcuts(alerts, acknowledge, setAsked);
  // Links of pages that were sent before alerts had pages of their own.
  if (named) return <Redirect to={alertPath(named)} replace />;
  const filtered = held !== "any" || [integration, service, severity, text, matchers].some(Boolean);
  return (
    <main id="main">
      <h1>Alerts</h1>
      <div className="filters">
        <Choice label="State" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: VIEW_LABELS[value] }))} />
        <Choice label="Held back" value={held} onChange={setHeld} options={HELDS.map((value) => ({ value, label: HELD_LABELS[value] }))} />
        <IntegrationField value={integration} onChange={setIntegration} />
        <TextFilter label="Service" value={service} onChange={setService} />
        <TextFilter label="Severity" value={severity} onChange={setSeverity} />
        <TextFilter label="Title" value={text} onChange={setText} />
        <TextFilter
          label="Matchers"
          value={matchers}
          onChange={setMatchers}
          wide
          placeholder={'team="shop", host=~"db-.*"'}
          problem={matchers && answer.isError ? explain(answer.error) : ""}
        />
      </div>
      {(answer.isPending || (looking && alerts.length === 0)) && <Loading what="alerts" />}
      {answer.isError && !answer.data && <Failure what="Alerts" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && alerts.length === 0 && !answer.hasNextPage && <NoAlerts filtered={filtered || view !== "open"} />}
      {alerts.length > 0 && (
        <AlertList
          alerts={alerts}
          onAcknowledge={acknowledge}
          onSnooze={(alert) => setAsked({ what: "snooze", alert })}
          onSilence={(alert) => setAsked({ what: "silence", alert })}
          onResolve={(alert) => setAsked({ what: "end", alert })}
        />
      )}
      {answer.hasNextPage && (
        <button type="button" className="button more" disabled={looking || answer.isFetchingNextPage} onClick={showMore}>
          {looking || answer.isFetchingNextPage ? "Loading…" : alerts.length === 0 ? "None among the newest: look further back" : "Show older alerts"}
        </button>
      )}
      <AlertDialogs asked={asked} onClose={() => setAsked(undefined)} />
    </main>
  );
}

/** One answer looks at so many alerts only: where few match, more are asked for until there is a screenful. */
function useAlerts(wanted: Wanted) {
  const filters = JSON.stringify(wanted);
  const [shown, setShown] = useState({ filters, screens: 1 });
  const screens = shown.filters === filters ? shown.screens : 1;
  const answer = useInfiniteQuery(
    DetectionService.method.listAlerts,
    { ...wanted, pageSize: SIZE, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined, placeholderData: keepPreviousData },
  );
  const pages = answer.data?.pages ?? [];
  const alerts = pages.flatMap((page) => page.alerts);
  const tooFew = alerts.length < screens * SIZE && pages.length < screens * PAGES;
  const looking = tooFew && answer.hasNextPage && !answer.isPlaceholderData && !answer.isError;
  const { isFetching, fetchNextPage } = answer;
  useEffect(() => {
    if (looking && !isFetching) void fetchNextPage();
  }, [looking, isFetching, fetchNextPage]);
  const showMore = () => {
    setShown({ filters, screens: screens + 1 });
    if (answer.isError) void fetchNextPage();
  };
  return { answer, alerts, looking, showMore };
}

function NoAlerts({ filtered }: { filtered: boolean }) {
  if (filtered) {
    return (
      <Empty icon={SearchX} title="No alerts match">
        Loosen a filter.
      </Empty>
    );
  }
  return (
    <Empty icon={BellOff} title="No open alerts">
      Point a sender at Tocsin: the page “Integrations” shows where.
    </Empty>
  );
}

function IntegrationField({ value, onChange }: { value: string; onChange: (integration: string) => void }) {
  const id = useId();
  const integrations = useQuery(DetectionService.method.listIntegrations, {}).data?.integrations ?? [];
  const names = new Set([...integrations.map((integration) => integration.name), ...(value ? [value] : [])]);
  return (
    <div className="filter-field">
      <label htmlFor={id}>Integration</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">All</option>
        {[...names].map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </div>
  );
}

/** j and k move between rows; a, s, x and r act on the row that holds the focus. */
function useRowShortcuts(alerts: readonly Alert[], onAcknowledge: (alert: Alert) => void, onAsk: (asked: Asked) => void): void {
  const notices = useNotices();
  const refusal = useRefusal();
  const { move, focused } = useRows();
  const act = (action: (alert: Alert) => void) => {
    const id = focused();
    const alert = alerts.find((each) => each.id === id);
    if (alert === undefined || alert.state !== Alert_State.OPEN) return;
    if (refusal === undefined) action(alert);
    else notices.failed("The alert is unchanged", new Error(refusal));
  };
  useShortcuts({
    j: () => move(1),
    k: () => move(-1),
    a: () => act((alert) => !alert.acknowledgedAt && onAcknowledge(alert)),
    s: () => act((alert) => onAsk({ what: "snooze", alert })),
    x: () => act((alert) => onAsk({ what: "silence", alert })),
    r: () => act((alert) => onAsk({ what: "end", alert })),
  });
}
