import { useQuery } from "@connectrpc/connect-query";
import { BellOff, BellRing } from "lucide-react";
import { type Alert, type AlertLogEntry, Alert_State, type Hold } from "../gen/tocsin/detection/v1/alert_pb";
import type { Verdict } from "../gen/tocsin/detection/v1/noise_pb";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Failure, Loading } from "../ui/States";
import { Ago, At } from "../ui/Time";
import { HoldIcon } from "./Badges";
import { holdWords, verdict } from "./words";

/** Why the alert woke somebody, or did not: what holds it back now, every decision about it, and what every rule says. */
export function WhyPanel({ alert, log }: { alert: Alert; log: readonly AlertLogEntry[] }) {
  const answer = useQuery(NoiseService.method.explainAlert, { alertId: alert.id });
  const wakes = alert.state === Alert_State.OPEN ? alert.holds.length === 0 : alert.told;
  const Icon = wakes ? BellRing : BellOff;
  const silent = answer.data?.verdicts.filter((each) => !each.holds) ?? [];
  return (
    <Panel title={alert.told ? "Why was somebody paged?" : "Why was nobody paged?"}>
      <p className={`verdict ${wakes ? "bad" : "info"}`}>
        <Icon aria-hidden /> {answer.data?.summary || verdict(alert)}
      </p>
      {alert.holds.length > 0 && (
        <ul className="holds" aria-label="What holds it back">
          {alert.holds.map((hold, index) => (
            <HoldLine key={index} hold={hold} />
          ))}
        </ul>
      )}
      <ol className="decisions" aria-label="What was decided">
        {(answer.data?.log ?? log).map((entry, index) => (
          <Decision key={index} entry={entry} />
        ))}
      </ol>
      {answer.data?.grouping && <p className="grouping">One alert, because: {answer.data.grouping}</p>}
      {answer.isPending && <Loading what="what the rules say" />}
      {answer.isError && !answer.data && <Failure what="What the rules say" error={answer.error} retry={() => void answer.refetch()} />}
      {silent.length > 0 && (
        <details className="shift-list">
          <summary>
            {silent.length === 1 ? "One rule does" : `${silent.length} rules do`} not act on it
          </summary>
          <ul>
            {silent.map((each, index) => (
              <Silent key={index} verdict={each} />
            ))}
          </ul>
        </details>
      )}
    </Panel>
  );
}

function HoldLine({ hold }: { hold: Hold }) {
  const words = holdWords(hold);
  const [since, until] = [toDate(hold.since), toDate(hold.until)];
  return (
    <li>
      <HoldIcon kind={hold.kind} />
      <div>
        <p>
          <strong>{words.name}</strong>: {hold.reason || words.meaning}
        </p>
        <p className="under">
          {hold.by && <>by {hold.by} · </>}
          {since && (
            <>
              since <At at={since} />
            </>
          )}
          {until && (
            <>
              {" "}
              · until <At at={until} /> (<Ago at={until} />)
            </>
          )}
          {hold.rule && (
            <>
              {" "}
              · <code>{hold.rule}</code>
            </>
          )}
        </p>
      </div>
    </li>
  );
}

const DECISIONS: Record<string, string> = {
  OPENED: "Opened",
  CHANGED: "Changed",
  ACKNOWLEDGED: "Taken",
  SUPPRESSED: "Held back",
  TOLD: "Told",
  RESOLVED: "Ended",
  NOTED: "Noted",
};

function Decision({ entry }: { entry: AlertLogEntry }) {
  const at = toDate(entry.at);
  return (
    <li>
      <span className="under">{at && <At at={at} />}</span>
      <strong>{DECISIONS[entry.decision] ?? entry.decision}</strong>
      <span>
        {entry.reason}
        {entry.by && <span className="under"> by {entry.by}</span>}
      </span>
    </li>
  );
}

/** A rule that does not hold the alert back, and why not. */
function Silent({ verdict: { kind, rule, reason, failedMatcher } }: { verdict: Verdict }) {
  return (
    <li>
      <HoldIcon kind={kind} /> <code>{rule}</code> {reason}
      {failedMatcher && (
        <>
          {" "}
          <span className="under">does not match</span> <code>{failedMatcher}</code>
        </>
      )}
    </li>
  );
}
