/** How far the escalation has come, and everybody it has asked. */

import { useQuery } from "@connectrpc/connect-query";
import { CircleStop, type LucideIcon, Megaphone, TimerOff } from "lucide-react";
import { type Escalation, Escalation_State, type Summons } from "../gen/tocsin/response/v1/escalation_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { useNow } from "../platform/now";
import { clockFace, inWords, toDate, toMilliseconds } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";

const STATES: Record<Escalation_State, [string, string, LucideIcon]> = {
  [Escalation_State.UNSPECIFIED]: ["unknown", "quiet", Megaphone],
  [Escalation_State.RUNNING]: ["running", "bad", Megaphone],
  [Escalation_State.STOPPED]: ["stopped", "good", CircleStop],
  [Escalation_State.EXHAUSTED]: ["exhausted: nobody answered", "bad", TimerOff],
};

export function useEscalations(incidentId: string) {
  return useQuery(ResponseService.method.listEscalations, { incidentId });
}

export function EscalationPanel({ incidentId }: { incidentId: string }) {
  const answer = useEscalations(incidentId);
  const escalations = answer.data?.escalations ?? [];
  return (
    <Panel title="Escalation">
      {answer.isPending && <Loading what="escalations" />}
      {answer.isError && !answer.data && <Failure what="Escalations" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && escalations.length === 0 && <Empty icon={Megaphone} title="No escalation yet" />}
      {escalations.map((escalation) => (
        <Run
          key={escalation.id}
          escalation={escalation}
          summonses={answer.data?.summonses.filter((summons) => summons.escalationId === escalation.id) ?? []}
        />
      ))}
    </Panel>
  );
}

function Run({ escalation, summonses }: { escalation: Escalation; summonses: readonly Summons[] }) {
  const [state, tone, Icon] = STATES[escalation.state] ?? STATES[Escalation_State.UNSPECIFIED];
  return (
    <div className="escalation">
      <p className="line">
        <strong>{escalation.policy || "Platform's fallback"}</strong>
        <span className={`badge ${tone}`}>
          <Icon aria-hidden /> {state}
        </span>
      </p>
      <p className="under">
        Step {escalation.step + 1}
        {escalation.round > 0 && `, round ${escalation.round + 1}`}
        {escalation.stopReason && ` · ${escalation.stopReason}`}
        <NextStep escalation={escalation} />
      </p>
      <ul className="summonses">
        {summonses.map((summons) => (
          <SummonsLine key={summons.id} summons={summons} />
        ))}
      </ul>
    </div>
  );
}

function NextStep({ escalation }: { escalation: Escalation }) {
  const now = useNow();
  const due = toDate(escalation.dueAt);
  if (due === undefined || escalation.state !== Escalation_State.RUNNING) return null;
  const left = due.getTime() - now;
  return <> · {left > 0 ? <>goes on in <span className="clock">{clockFace(left + 999)}</span></> : "going on now"}</>;
}

function SummonsLine({ summons }: { summons: Summons }) {
  const at = toDate(summons.at);
  const late = toMilliseconds(summons.lateBy);
  return (
    <li>
      <p className="line">
        <span>
          <strong>{summons.responder}</strong> <span className="under">step {summons.step + 1}</span>
        </span>
        <span className="under">{at && <At at={at} />}</span>
      </p>
      <p className="why">
        {summons.explanation || summons.reason}
        {late !== undefined && late > 0 && ` (${inWords(late)} late)`}
      </p>
    </li>
  );
}
