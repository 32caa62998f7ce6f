import { AlarmClock, BellOff, Check, CircleCheck } from "lucide-react";
import { Link } from "wouter";
import { useRefusal } from "../account/caller";
import { type Alert, Alert_State } from "../gen/tocsin/detection/v1/alert_pb";
import { toDate } from "../platform/time";
import { Age } from "../ui/Time";
import { HoldBadge, StandingBadge, toneOf } from "./Badges";
import { alertPath } from "./words";

/** What can be done to one alert from its row or its page. */
export interface OnAlert {
  onAcknowledge: (alert: Alert) => void;
  onSnooze: (alert: Alert) => void;
  onSilence: (alert: Alert) => void;
  onResolve: (alert: Alert) => void;
}

/** One row for each alert. The row that holds the focus is the one that keys act on. */
export function AlertList({ alerts, ...on }: OnAlert & { alerts: readonly Alert[] }) {
  return (
    <div className="alerts" role="table" aria-label="Alerts">
      <div role="row" className="alert-head">
        {["State", "Alert", "Held back by", "Signals", "Age", "Actions"].map((name) => (
          <span key={name} role="columnheader">
            {name}
          </span>
        ))}
      </div>
      {alerts.map((alert) => (
        <AlertRow key={alert.id} alert={alert} {...on} />
      ))}
    </div>
  );
}

function AlertRow({ alert, ...on }: OnAlert & { alert: Alert }) {
  const opened = toDate(alert.openedAt);
  const about = [alert.senderService, alert.senderSeverity, `by ${alert.integration}`].filter(Boolean).join(" · ");
  return (
    <div role="row" className={`alert-row ${toneOf(alert)}`} data-id={alert.id}>
      <span role="cell">
        <StandingBadge alert={alert} />
      </span>
      <span role="cell" className="cell-title">
        <Link href={alertPath(alert.id)} className="row-link" data-row>
          {alert.title}
        </Link>
        <span className="under">{about}</span>
      </span>
      <span role="cell" className="cell-holds">
        {alert.holds.map((hold, index) => (
          <HoldBadge key={index} hold={hold} />
        ))}
      </span>
      <span role="cell" className="cell-count">
        {`${alert.occurrences}×`}
      </span>
      <span role="cell" className="cell-age">
        {opened && <Age at={opened} />}
      </span>
      <span role="cell" className="cell-actions">
        <RowActions alert={alert} {...on} />
      </span>
    </div>
  );
}

function RowActions({ alert, onAcknowledge, onSnooze, onSilence, onResolve }: OnAlert & { alert: Alert }) {
  const refusal = useRefusal();
  if (alert.state !== Alert_State.OPEN || refusal !== undefined) return null;
  const about = `“${alert.title}”`;
  return (
    <>
      {!alert.acknowledgedAt && (
        <button type="button" className="button small" aria-keyshortcuts="a" aria-label={`Take ${about}`} title="Take it (a)" onClick={() => onAcknowledge(alert)}>
          <Check aria-hidden /> Take
        </button>
      )}
      <button type="button" className="button small icon" aria-keyshortcuts="s" aria-label={`Snooze ${about}`} title="Snooze (s)" onClick={() => onSnooze(alert)}>
        <AlarmClock aria-hidden />
      </button>
      <button type="button" className="button small icon" aria-keyshortcuts="x" aria-label={`Silence alerts like ${about}`} title="Silence what is like it (x)" onClick={() => onSilence(alert)}>
        <BellOff aria-hidden />
      </button>
      <button type="button" className="button small icon" aria-keyshortcuts="r" aria-label={`End ${about}`} title="End it by hand (r)" onClick={() => onResolve(alert)}>
        <CircleCheck aria-hidden />
      </button>
    </>
  );
}
