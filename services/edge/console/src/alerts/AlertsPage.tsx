import { useInfiniteQuery, useMutation, useQuery } from "@connectrpc/connect-query";
import { BellOff, BellRing, ChevronDown, ChevronRight, CircleCheck, ExternalLink } from "lucide-react";
import { useEffect, useId } from "react";
import { useRefusal } from "../account/caller";
import { type Alert, Alert_State } from "../gen/tocsin/detection/v1/alert_pb";
import { DetectionService } from "../gen/tocsin/detection/v1/detection_service_pb";
import { safeLink } from "../platform/links";
import { newRequestId } from "../platform/requestId";
import { toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { useNotices } from "../ui/Notices";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago, At } from "../ui/Time";
import { useFilter } from "../ui/useFilter";

const VIEWS = ["open", "resolved", "all"] as const;
type View = (typeof VIEWS)[number];
const LABELS: Record<View, string> = { open: "Open", resolved: "Ended", all: "All" };
const STATES: Record<View, Alert_State> = { open: Alert_State.OPEN, resolved: Alert_State.RESOLVED, all: Alert_State.UNSPECIFIED };

/** All alerts, newest first; one can be unfolded to see its labels and what was decided about it. */
export default function AlertsPage() {
  const [view, setView] = useFilter<View>("state", "open", VIEWS);
  const [integration, setIntegration] = useFilter<string>("integration", "");
  const [unfolded, setUnfolded] = useFilter<string>("alert", "");
  useEffect(() => {
    document.title = "Alerts · Tocsin";
  }, []);
  const answer = useInfiniteQuery(
    DetectionService.method.listAlerts,
    { state: STATES[view], integration, pageSize: 100, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (last) => last.nextPageToken || undefined },
  );
  const alerts = answer.data?.pages.flatMap((page) => page.alerts) ?? [];
  const elsewhere = unfolded !== "" && answer.data !== undefined && !alerts.some((alert) => alert.id === unfolded);
  return (
    <main id="main">
      <h1>Alerts</h1>
      <div className="filters">
        <Choice label="State" value={view} onChange={setView} options={VIEWS.map((value) => ({ value, label: LABELS[value] }))} />
        <IntegrationField value={integration} onChange={setIntegration} />
      </div>
      {answer.isPending && <Loading what="alerts" />}
      {answer.isError && !answer.data && <Failure what="Alerts" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && alerts.length === 0 && !elsewhere && (
        <Empty icon={BellOff} title="No alerts here">
          Point a sender at Tocsin: <code>tocsin integration list</code> shows where.
        </Empty>
      )}
      <ul className="alerts">
        {elsewhere && <LinkedAlert id={unfolded} onToggle={() => setUnfolded("")} />}
        {alerts.map((alert) => (
          <AlertRow key={alert.id} alert={alert} unfolded={alert.id === unfolded} onToggle={() => setUnfolded(alert.id === unfolded ? "" : alert.id)} />
        ))}
      </ul>
      {answer.hasNextPage && (
        <button type="button" className="button more" disabled={answer.isFetchingNextPage} onClick={() => void answer.fetchNextPage()}>
          {answer.isFetchingNextPage ? "Loading…" : "Show older alerts"}
        </button>
      )}
    </main>
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
        <option value="">All integrations</option>
        {[...names].map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </div>
  );
}

/** The alert that the address names, when it is not in the list. */
function LinkedAlert({ id, onToggle }: { id: string; onToggle: () => void }) {
  const alert = useQuery(DetectionService.method.getAlert, { alertId: id }).data?.alert;
  return alert ? <AlertRow alert={alert} unfolded onToggle={onToggle} /> : null;
}

function AlertRow({ alert, unfolded, onToggle }: { alert: Alert; unfolded: boolean; onToggle: () => void }) {
  const open = alert.state === Alert_State.OPEN;
  const details = useId();
  const opened = toDate(alert.openedAt);
  return (
    <li className={open ? "bad" : "good"}>
      <div className="alert-row">
        <span className={`badge ${open ? "bad" : "good"}`}>
          {open ? <BellRing aria-hidden /> : <CircleCheck aria-hidden />} {open ? "Open" : "Ended"}
        </span>
        <button type="button" className="unfold" aria-expanded={unfolded} aria-controls={details} onClick={onToggle}>
          {unfolded ? <ChevronDown aria-hidden /> : <ChevronRight aria-hidden />} {alert.title}
        </button>
        <span className="under">{alert.integration}</span>
        <span className="under">{alert.occurrences === 1n ? "1 signal" : `${alert.occurrences} signals`}</span>
        <span className="under">{opened && <Ago at={opened} />}</span>
      </div>
      {unfolded && (
        <div id={details}>
          <Details alert={alert} />
        </div>
      )}
    </li>
  );
}

function Details({ alert }: { alert: Alert }) {
  const log = useQuery(DetectionService.method.getAlert, { alertId: alert.id });
  const source = safeLink(alert.sourceUrl);
  return (
    <div className="alert-details">
      {alert.description && <p className="summary">{alert.description}</p>}
      <Pairs title="Labels" pairs={alert.labels} />
      <Pairs title="Annotations" pairs={alert.annotations} />
      <div>
        <h2>What was decided</h2>
        {log.isPending && <Loading what="the log" />}
        {log.isError && !log.data && <Failure what="The log" error={log.error} retry={() => void log.refetch()} />}
        <ol className="decisions">
          {log.data?.log.map((entry, index) => {
            const at = toDate(entry.at);
            return (
              <li key={index}>
                <span className="under">{at && <At at={at} />}</span> <strong>{entry.decision}</strong> {entry.reason}
              </li>
            );
          })}
        </ol>
      </div>
      <p className="alert-actions">
        {source && (
          <a className="button" href={source} target="_blank" rel="noreferrer noopener">
            <ExternalLink aria-hidden /> At its sender
          </a>
        )}
        {alert.state === Alert_State.OPEN && <EndButton alert={alert} />}
      </p>
    </div>
  );
}

function EndButton({ alert }: { alert: Alert }) {
  const notices = useNotices();
  const refusal = useRefusal();
  const end = useMutation(DetectionService.method.resolveAlert, {
    onSuccess: () => notices.done("The alert is ended"),
    onError: (error) => notices.failed("The alert is not ended", error),
  });
  return (
    <button
      type="button"
      className="button"
      disabled={refusal !== undefined || end.isPending}
      title={refusal}
      onClick={() => end.mutate({ requestId: newRequestId(), alertId: alert.id })}
    >
      <CircleCheck aria-hidden /> End it by hand
    </button>
  );
}

function Pairs({ title, pairs }: { title: string; pairs: Record<string, string> }) {
  const entries = Object.entries(pairs).sort(([a], [b]) => a.localeCompare(b));
  if (entries.length === 0) return null;
  return (
    <div>
      <h2>{title}</h2>
      <dl className="pairs">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
