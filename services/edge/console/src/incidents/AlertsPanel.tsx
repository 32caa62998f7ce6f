import { BellOff, BellRing, CircleCheck, ExternalLink } from "lucide-react";
import { Link } from "wouter";
import { alertPath } from "../alerts/words";
import type { AttachedAlert, Incident } from "../gen/tocsin/triage/v1/incident_pb";
import { safeLink } from "../platform/links";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty } from "../ui/States";
import { Ago } from "../ui/Time";

export function AlertsPanel({ incident, alerts }: { incident: Incident; alerts: readonly AttachedAlert[] }) {
  const open = alerts.filter((alert) => alert.open).length;
  return (
    <Panel title="Alerts" aside={<span className="count">{open} of {Math.max(alerts.length, incident.alertCount)} open</span>}>
      {alerts.length === 0 && (
        <Empty icon={BellOff} title="No alerts">
          {incident.declaredBy ? `Declared by ${incident.declaredBy}.` : undefined}
        </Empty>
      )}
      <ul className="attached">
        {alerts.map((alert) => (
          <Alert key={alert.alertId} alert={alert} />
        ))}
      </ul>
    </Panel>
  );
}

function Alert({ alert }: { alert: AttachedAlert }) {
  const source = safeLink(alert.sourceUrl);
  const at = toDate(alert.attachedAt);
  return (
    <li>
      <p className="line">
        <Link href={alertPath(alert.alertId)}>{alert.title}</Link>
        <span className={`badge ${alert.open ? "bad" : "good"}`}>
          {alert.open ? <BellRing aria-hidden /> : <CircleCheck aria-hidden />} {alert.open ? "open" : "ended"}
        </span>
      </p>
      {alert.reason && <p className="why">{alert.reason}</p>}
      <p className="under">
        {at && (
          <>
            attached <Ago at={at} />
          </>
        )}
        {source && (
          <>
            {" · "}
            <a href={source} target="_blank" rel="noreferrer noopener">
              source <ExternalLink aria-hidden />
            </a>
          </>
        )}
      </p>
    </li>
  );
}
