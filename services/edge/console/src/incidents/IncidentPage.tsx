import { useQuery } from "@connectrpc/connect-query";
import { Code } from "@connectrpc/connect";
import { skipToken } from "@tanstack/react-query";
import { Check, CircleCheck, Gauge, Lock, type LucideIcon, RotateCcw, SearchX } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { useCaller, useRefusal } from "../account/caller";
import { type Incident, Incident_State } from "../gen/tocsin/triage/v1/incident_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { hasCode } from "../platform/errors";
import { useShortcuts } from "../platform/keys";
import { useNow } from "../platform/now";
import { clockFace, inWords, toDate } from "../platform/time";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago, At } from "../ui/Time";
import { useIncidentActions } from "./actions";
import { AlertsPanel } from "./AlertsPanel";
import { SeverityBadge, STATE_ICONS, STATE_TONES } from "./Badges";
import { ReopenDialog, ResolveDialog, SeverityDialog } from "./dialogs";
import { EscalationPanel } from "./EscalationPanel";
import { PagesPanel } from "./PagesPanel";
import { ReviewPanel } from "./ReviewPanel";
import { Timeline } from "./Timeline";
import { incidentReference, STATE_WORDS, typeWord } from "./words";

const CommandPanels = lazy(() => import("../command/CommandPanels"));
const EvidencePanel = lazy(() => import("../evidence/EvidencePanel"));
const MeasuresPanel = lazy(() => import("../containment/MeasuresPanel"));
const TracePanel = lazy(() => import("../traces/TracePanel"));
const ObligationsPanel = lazy(() => import("../obligations/ObligationsPanel"));
const RunsPanel = lazy(() => import("../playbooks/RunsPanel"));

/** One incident: how it stands, what to do, and everything that happened. `reference` is its number or id. */
export function IncidentPage({ reference }: { reference: string }) {
  const wanted = incidentReference(reference);
  const answer = useQuery(TriageService.method.getIncident, wanted ? { incident: wanted } : skipToken);
  const incident = answer.data?.incident;
  useEffect(() => {
    if (incident) document.title = `#${incident.number} ${incident.title} · Tocsin`;
  }, [incident]);
  if (wanted === undefined || hasCode(answer.error, Code.NotFound)) {
    return (
      <main id="main">
        <Empty icon={SearchX} title="There is no such incident">
          The address names “{reference}”.
        </Empty>
      </main>
    );
  }
  if (incident === undefined) {
    return (
      <main id="main">
        {answer.isError ? <Failure what="The incident" error={answer.error} retry={() => void answer.refetch()} /> : <Loading what="the incident" />}
      </main>
    );
  }
  return (
    <main id="main" className="incident">
      <Headline incident={incident} />
      <div className="incident-main">
        <Suspense>
          <CommandPanels incidentId={incident.id} part="phase" />
          <CommandPanels incidentId={incident.id} part="work" />
        </Suspense>
        <ReviewPanel incident={incident} />
        <Timeline incidentId={incident.id} openedAt={toDate(incident.openedAt)} />
        <Suspense>
          <TracePanel incidentId={incident.id} />
        </Suspense>
      </div>
      <div className="incident-aside">
        <Suspense>
          <CommandPanels incidentId={incident.id} part="roles" />
          <RunsPanel incidentId={incident.id} over={incident.state === Incident_State.RESOLVED} />
          <MeasuresPanel incidentId={incident.id} />
          <EvidencePanel incidentId={incident.id} />
          <ObligationsPanel incidentId={incident.id} />
        </Suspense>
        <EscalationPanel incidentId={incident.id} over={incident.state === Incident_State.RESOLVED} />
        <PagesPanel incidentId={incident.id} />
        <AlertsPanel incident={incident} alerts={answer.data?.alerts ?? []} />
      </div>
    </main>
  );
}

function Headline({ incident }: { incident: Incident }) {
  const Icon = STATE_ICONS[incident.state];
  return (
    <header className={`headline ${STATE_TONES[incident.state]}`}>
      <div className="headline-state" role="status">
        <Icon aria-hidden />
        <strong>{STATE_WORDS[incident.state]}</strong>
        <Clock incident={incident} />
      </div>
      <div className="headline-what">
        <p className="headline-line">
          <span className="number">#{String(incident.number)}</span>
          <SeverityBadge severity={incident.severity} />
          <span>{incident.service}</span>
          {typeWord(incident.type) && <span className="under">{typeWord(incident.type)}</span>}
          {incident.private && (
            <span className="badge bad" title={`Members: ${incident.members.join(", ")}`}>
              <Lock aria-hidden /> private
            </span>
          )}
          {incident.team && <span className="under">team {incident.team}</span>}
        </p>
        <h1>{incident.title}</h1>
        {incident.summary && incident.summary !== incident.title && <p className="summary">{incident.summary}</p>}
        <Progress incident={incident} />
        {incident.placementReason && <p className="why">Why here: {incident.placementReason}</p>}
      </div>
      <Buttons incident={incident} />
    </header>
  );
}

/** How long it has been open, or how long it took. */
function Clock({ incident }: { incident: Incident }) {
  const now = useNow();
  const from = toDate(incident.openedAt)?.getTime();
  if (from === undefined) return null;
  const end = incident.state === Incident_State.RESOLVED ? toDate(incident.resolvedAt)?.getTime() : undefined;
  return (
    <span className="clock" role="timer">
      {clockFace((end ?? now) - from)}
    </span>
  );
}

function Progress({ incident }: { incident: Incident }) {
  const opened = toDate(incident.openedAt);
  const taken = toDate(incident.acknowledgedAt);
  const ended = toDate(incident.resolvedAt);
  const after = (at: Date) => (opened ? ` after ${inWords(at.getTime() - opened.getTime())}` : "");
  return (
    <p className="progress">
      {opened && (
        <span>
          {incident.declaredBy ? `Declared by ${incident.declaredBy}` : "Opened by an alert"} <At at={opened} /> (<Ago at={opened} />)
        </span>
      )}
      {incident.acknowledgedBy ? (
        <span>
          Acknowledged by <strong>{incident.acknowledgedBy}</strong>
          {taken && after(taken)}
        </span>
      ) : (
        incident.state === Incident_State.OPEN && <span className="bad">Nobody has acknowledged it</span>
      )}
      {ended && (
        <span>
          Resolved {incident.resolvedBy ? <>by <strong>{incident.resolvedBy}</strong></> : "by itself"}
          {after(ended)}
          {incident.resolveReason && `: ${incident.resolveReason}`}
        </span>
      )}
    </p>
  );
}

type Open = "resolve" | "reopen" | "severity" | undefined;

function Buttons({ incident }: { incident: Incident }) {
  const [dialog, setDialog] = useState<Open>();
  const { acknowledge } = useIncidentActions();
  const refusal = useRefusal();
  const me = useCaller().name;
  const over = incident.state === Incident_State.RESOLVED;
  const mine = incident.state === Incident_State.ACKNOWLEDGED && incident.acknowledgedBy === me;
  const allowed = refusal === undefined;
  const take = () => allowed && !over && !mine && acknowledge(incident);
  const resolve = () => allowed && !over && setDialog("resolve");
  useShortcuts({ a: take, r: resolve, s: () => allowed && !over && setDialog("severity") });
  const close = () => setDialog(undefined);
  return (
    <div className="headline-actions">
      {!over && !mine && <Action icon={Check} label={incident.acknowledgedBy ? "Take over" : "Acknowledge"} hotkey="a" tone="primary" refusal={refusal} onClick={take} />}
      {!over && <Action icon={CircleCheck} label="Resolve" hotkey="r" tone="good" refusal={refusal} onClick={resolve} />}
      {!over && <Action icon={Gauge} label="Severity" hotkey="s" refusal={refusal} onClick={() => setDialog("severity")} />}
      {over && <Action icon={RotateCcw} label="Reopen" refusal={refusal} onClick={() => setDialog("reopen")} />}
      {refusal && <p className="under">{refusal}</p>}
      {dialog === "resolve" && <ResolveDialog incident={incident} onClose={close} />}
      {dialog === "reopen" && <ReopenDialog incident={incident} onClose={close} />}
      {dialog === "severity" && <SeverityDialog incident={incident} onClose={close} />}
    </div>
  );
}

interface ActionProps {
  icon: LucideIcon;
  label: string;
  hotkey?: string;
  tone?: "primary" | "good";
  refusal: string | undefined;
  onClick: () => void;
}

function Action({ icon: Icon, label, hotkey, tone, refusal, onClick }: ActionProps) {
  return (
    <button type="button" className={`button big ${tone ?? ""}`} disabled={refusal !== undefined} title={refusal} aria-keyshortcuts={hotkey} onClick={onClick}>
      <Icon aria-hidden /> {label} {hotkey && <kbd aria-hidden>{hotkey}</kbd>}
    </button>
  );
}
