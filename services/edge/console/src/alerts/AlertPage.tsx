import { Code } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { AlarmClock, BellOff, Check, CircleCheck, ExternalLink, SearchX } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { useRefusal } from "../account/caller";
import { type Alert, Alert_State } from "../gen/tocsin/detection/v1/alert_pb";
import { DetectionService } from "../gen/tocsin/detection/v1/detection_service_pb";
import { hasCode } from "../platform/errors";
import { useShortcuts } from "../platform/keys";
import { safeLink } from "../platform/links";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { Ago, At } from "../ui/Time";
import { useAlertActions } from "./actions";
import { HoldBadge, StandingBadge, toneOf } from "./Badges";
import { AlertDialogs, type Asked } from "./dialogs";
import { WhyPanel } from "./WhyPanel";

/** One alert: how it stands, whether it woke somebody and why, and everything its sender said. */
export default function AlertPage({ id }: { id: string }) {
  const answer = useQuery(DetectionService.method.getAlert, { alertId: id });
  const alert = answer.data?.alert;
  useEffect(() => {
    if (alert) document.title = `${alert.title} · Tocsin`;
  }, [alert]);
  if (hasCode(answer.error, Code.NotFound) || hasCode(answer.error, Code.InvalidArgument)) {
    return (
      <main id="main">
        <Empty icon={SearchX} title="There is no such alert">
          The address names “{id}”. Old alerts are dropped some time after they have ended.
        </Empty>
      </main>
    );
  }
  if (alert === undefined) {
    return (
      <main id="main">
        {answer.isError ? <Failure what="The alert" error={answer.error} retry={() => void answer.refetch()} /> : <Loading what="the alert" />}
      </main>
    );
  }
  return (
    <main id="main" className="incident">
      <Headline alert={alert} />
      <div className="incident-main">
        <WhyPanel alert={alert} log={answer.data?.log ?? []} />
      </div>
      <div className="incident-aside">
        <Said alert={alert} />
      </div>
    </main>
  );
}

function Headline({ alert }: { alert: Alert }) {
  const source = safeLink(alert.sourceUrl);
  return (
    <header className={`alert-headline ${toneOf(alert)}`}>
      <div>
        <p className="headline-line">
          {alert.tinyId > 0n && <span className="number">#{String(alert.tinyId)}</span>}
          <StandingBadge alert={alert} />
          {alert.holds.map((hold, index) => (
            <HoldBadge key={index} hold={hold} />
          ))}
          {alert.acknowledgedBy && <span className="under">taken by {alert.acknowledgedBy}</span>}
        </p>
        <h1>{alert.title}</h1>
        {alert.description && <p className="summary">{alert.description}</p>}
      </div>
      <p className="alert-actions">
        {alert.state === Alert_State.OPEN && <Actions alert={alert} />}
        {source && (
          <a className="button" href={source} target="_blank" rel="noreferrer noopener">
            <ExternalLink aria-hidden /> At its sender
          </a>
        )}
      </p>
    </header>
  );
}

function Actions({ alert }: { alert: Alert }) {
  const refusal = useRefusal();
  const { acknowledge, busy } = useAlertActions();
  const [asked, setAsked] = useState<Asked>();
  const ask = (what: Asked["what"]) => () => refusal === undefined && setAsked({ what, alert });
  const take = () => refusal === undefined && !alert.acknowledgedAt && acknowledge(alert);
  useShortcuts({ a: take, s: ask("snooze"), x: ask("silence"), r: ask("end") });
  const shared = { type: "button", disabled: refusal !== undefined || busy, title: refusal } as const;
  return (
    <>
      {!alert.acknowledgedAt && (
        <button {...shared} className="button primary" aria-keyshortcuts="a" onClick={take}>
          <Check aria-hidden /> Take <kbd aria-hidden>a</kbd>
        </button>
      )}
      <button {...shared} className="button" aria-keyshortcuts="s" onClick={ask("snooze")}>
        <AlarmClock aria-hidden /> Snooze <kbd aria-hidden>s</kbd>
      </button>
      <button {...shared} className="button" aria-keyshortcuts="x" onClick={ask("silence")}>
        <BellOff aria-hidden /> Silence <kbd aria-hidden>x</kbd>
      </button>
      <button {...shared} className="button" aria-keyshortcuts="r" onClick={ask("end")}>
        <CircleCheck aria-hidden /> End <kbd aria-hidden>r</kbd>
      </button>
      <AlertDialogs asked={asked} onClose={() => setAsked(undefined)} />
    </>
  );
}

/** Everything that the sender said. */
function Said({ alert }: { alert: Alert }) {
  const [began, opened, last, ends, ended] = [alert.startsAt, alert.openedAt, alert.lastSignalAt, alert.endsAt, alert.resolvedAt].map(toDate);
  return (
    <Panel title="What its sender said">
      <div className="said">
        <Facts
          facts={[
            ["Integration", alert.integration],
            ["Service", alert.senderService],
            ["Severity", alert.senderSeverity],
            ["Signals", String(alert.occurrences)],
            ["Began", began && <At at={began} />],
            ["Accepted", opened && <Ago at={opened} />],
            ["Last signal", last && <Ago at={last} />],
            ["Ends by itself", !ended && ends && <Ago at={ends} />],
            ["Ended", ended && <At at={ended} />],
            ["Because", alert.resolveReason],
            ["Tags", alert.tags.join(", ")],
            ["Key", alert.fingerprint],
          ]}
        />
        <Pairs title="Labels" pairs={alert.labels} />
        <Pairs title="Annotations" pairs={alert.annotations} />
      </div>
    </Panel>
  );
}

function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="pairs">
      {facts
        .filter(([, value]) => Boolean(value))
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function Pairs({ title, pairs }: { title: string; pairs: Record<string, string> }) {
  const entries = Object.entries(pairs).sort(([a], [b]) => a.localeCompare(b));
  if (entries.length === 0) return null;
  return (
    <section>
      <h3>{title}</h3>
      <Facts facts={entries} />
    </section>
  );
}
