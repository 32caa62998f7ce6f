import { BellRing, Check, CircleCheck, UserRound } from "lucide-react";
import { Link } from "wouter";
import { useRefusal } from "../account/caller";
import { type Incident, Incident_State } from "../gen/tocsin/triage/v1/incident_pb";
import { toDate } from "../platform/time";
import { Age } from "../ui/Time";
import { SeverityBadge, STATE_TONES, StateBadge } from "./Badges";
import { incidentPath } from "./words";

interface IncidentListProps {
  incidents: readonly Incident[];
  /** Ids of incidents to point out: they came while the page was open. */
  fresh: ReadonlySet<string>;
  onAcknowledge: (incident: Incident) => void;
  onResolve: (incident: Incident) => void;
}

/** One row for each incident. The row that holds the focus is the one that keys act on. */
export function IncidentList({ incidents, fresh, ...actions }: IncidentListProps) {
  return (
    <div className="incidents" role="table" aria-label="Incidents">
      <div role="row" className="incident-head">
        {["State", "Severity", "Incident", "Alerts", "Taken by", "Age", "Actions"].map((name) => (
          <span key={name} role="columnheader">
            {name}
          </span>
        ))}
      </div>
      {incidents.map((incident) => (
        <IncidentRow key={incident.id} incident={incident} fresh={fresh.has(incident.id)} {...actions} />
      ))}
    </div>
  );
}

type Actions = Pick<IncidentListProps, "onAcknowledge" | "onResolve">;

function IncidentRow({ incident, fresh, ...actions }: Actions & { incident: Incident; fresh: boolean }) {
  const openedAt = toDate(incident.openedAt);
  return (
    <div role="row" className={`incident-row ${STATE_TONES[incident.state]}${fresh ? " fresh" : ""}`} data-id={incident.id}>
      <span role="cell" className="cell-state">
        <StateBadge state={incident.state} />
      </span>
      <span role="cell" className="cell-severity">
        <SeverityBadge severity={incident.severity} />
      </span>
      <span role="cell" className="cell-title">
        <Link href={incidentPath(incident)} className="row-link" data-row>
          <span className="number">#{String(incident.number)}</span> {incident.title}
        </Link>
        <span className="under">
          {incident.service}
          {incident.team && ` · ${incident.team}`}
        </span>
      </span>
      <span role="cell" className="cell-alerts" title={alertsInWords(incident)}>
        <BellRing aria-hidden /> {incident.alertCount}
      </span>
      <span role="cell" className="cell-taken">
        {incident.acknowledgedBy && (
          <>
            <UserRound aria-hidden /> {incident.acknowledgedBy}
          </>
        )}
      </span>
      <span role="cell" className="cell-age">
        {openedAt && <Age at={openedAt} />}
      </span>
      <span role="cell" className="cell-actions">
        <RowActions incident={incident} {...actions} />
      </span>
    </div>
  );
}

function alertsInWords(incident: Incident): string {
  if (incident.alertCount === 0) return `Declared by ${incident.declaredBy || "a person"}; no alerts`;
  return incident.alertCount === 1 ? "1 alert" : `${incident.alertCount} alerts`;
}

function RowActions({ incident, onAcknowledge, onResolve }: Actions & { incident: Incident }) {
  const refusal = useRefusal();
  if (incident.state === Incident_State.RESOLVED || refusal !== undefined) return null;
  return (
    <>
      {incident.state === Incident_State.OPEN && (
        <button type="button" className="button small primary" aria-keyshortcuts="a" aria-label={`Acknowledge incident ${incident.number}`} onClick={() => onAcknowledge(incident)}>
          <Check aria-hidden /> Acknowledge
        </button>
      )}
      <button type="button" className="button small" aria-keyshortcuts="r" aria-label={`Resolve incident ${incident.number}`} onClick={() => onResolve(incident)}>
        <CircleCheck aria-hidden /> Resolve
      </button>
    </>
  );
}
