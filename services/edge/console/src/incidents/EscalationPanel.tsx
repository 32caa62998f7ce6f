/** How far the escalation has come, and everybody it has asked. */

import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Check, CircleStop, type LucideIcon, Megaphone, TimerOff, X } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { useCaller, useRefusal } from "../account/caller";
import { useEscalationOutcome } from "../escalation/outcome";
import { type Escalation, Escalation_State, type Summons, Summons_Answer } from "../gen/tocsin/response/v1/escalation_pb";
import { EscalationService } from "../gen/tocsin/response/v1/escalation_service_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { useNow } from "../platform/now";
import { clockFace, inWords, toDate, toMilliseconds } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import type { EscalationDeed } from "./EscalationDialogs";

const EscalationDialog = lazy(() => import("./EscalationDialogs").then((all) => ({ default: all.EscalationDialog })));

const STATES: Record<Escalation_State, [string, string, LucideIcon]> = {
  [Escalation_State.UNSPECIFIED]: ["unknown", "quiet", Megaphone],
  [Escalation_State.RUNNING]: ["running", "bad", Megaphone],
  [Escalation_State.STOPPED]: ["stopped", "good", CircleStop],
  [Escalation_State.EXHAUSTED]: ["exhausted: nobody answered", "bad", TimerOff],
};

export function useEscalations(incidentId: string) {
  return useQuery(ResponseService.method.listEscalations, { incidentId });
}

export function EscalationPanel({ incidentId, over }: { incidentId: string; over: boolean }) {
  const answer = useEscalations(incidentId);
  const escalations = answer.data?.escalations ?? [];
  return (
    <Panel title="Escalation">
      {answer.isPending && <Loading what="escalations" />}
      {answer.isError && !answer.data && <Failure what="Escalations" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && escalations.length === 0 && <Empty icon={Megaphone} title="No escalation yet" />}
      {escalations[0] && !over && <Deeds escalation={escalations[0]} />}
      {escalations.map((escalation) => (
        <Run
          key={escalation.id}
          escalation={escalation}
          over={over}
          summonses={answer.data?.summonses.filter((summons) => summons.escalationId === escalation.id) ?? []}
        />
      ))}
    </Panel>
  );
}

const DEEDS: [EscalationDeed, string][] = [
  ["escalate", "Escalate now"],
  ["add", "Add responder"],
  ["reassign", "Reassign"],
  ["stop", "Stop"],
];

/** What can be done to the newest escalation by hand. */
function Deeds({ escalation }: { escalation: Escalation }) {
  const [deed, setDeed] = useState<EscalationDeed>();
  const refusal = useRefusal();
  const running = escalation.state === Escalation_State.RUNNING;
  return (
    <p className="inset alert-actions">
      {DEEDS.filter(([each]) => running || each !== "stop").map(([each, label]) => (
        <button key={each} type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setDeed(each)}>
          {label}
        </button>
      ))}
      {deed && (
        <Suspense>
          <EscalationDialog deed={deed} escalation={escalation} onClose={() => setDeed(undefined)} />
        </Suspense>
      )}
    </p>
  );
}

/** How many acknowledgements there are of how many, and until when they are good. */
function Acknowledgements({ escalation, over }: { escalation: Escalation; over: boolean }) {
  const now = useNow();
  const refusal = useRefusal();
  const confirm = useMutation(EscalationService.method.confirmAcknowledgement, useEscalationOutcome("It is noted that you are still at it", "The time of the acknowledgement runs on"));
  const { acknowledgedBy: by, acknowledgementsNeeded: needed } = escalation;
  const expires = toDate(escalation.acknowledgementExpiresAt);
  if (over || (needed <= 1 && expires === undefined)) return null;
  return (
    <p className="line">
      <span className="under">
        {needed > 1 && `${by.length} of ${needed} acknowledgements${by.length > 0 ? `: ${by.join(", ")}` : ""}`}
        {needed > 1 && expires && " · "}
        {expires && (
          <>
            asks again in <span className="clock">{clockFace(Math.max(0, expires.getTime() - now))}</span> unless somebody is still at it
          </>
        )}
      </span>
      {expires && (
        <button type="button" className="button small" disabled={refusal !== undefined || confirm.isPending} title={refusal} onClick={() => confirm.mutate({ incidentId: escalation.incidentId })}>
          <Check aria-hidden /> Still at it
        </button>
      )}
    </p>
  );
}

function Run({ escalation, summonses, over }: { escalation: Escalation; summonses: readonly Summons[]; over: boolean }) {
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
      <Acknowledgements escalation={escalation} over={over} />
      <ul className="summonses">
        {summonses.map((summons) => (
          <SummonsLine key={summons.id} summons={summons} over={over} />
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
  return <> · {left > 0 ? <>{escalation.waiting ? "its hours begin in" : "goes on in"} <span className="clock">{clockFace(left + 999)}</span></> : "going on now"}</>;
}

function SummonsLine({ summons, over }: { summons: Summons; over: boolean }) {
  const at = toDate(summons.at);
  const late = toMilliseconds(summons.lateBy);
  return (
    <li>
      <p className="line">
        <span>
          <strong>{summons.responder || summons.contact}</strong> <span className="under">{summons.step < 0 ? "asked for" : `step ${summons.step + 1}`}</span>
        </span>
        <span className="under">{at && <At at={at} />}</span>
      </p>
      <p className="why">
        {summons.explanation || summons.reason}
        {summons.everyChannel && " · on every channel"}
        {late !== undefined && late > 0 && <span className="badge warn">late by {inWords(late)}</span>}
      </p>
      {summons.step < 0 && <Answer summons={summons} over={over} />}
    </li>
  );
}

/** Whether somebody who was asked for comes; they say it themselves. */
function Answer({ summons, over }: { summons: Summons; over: boolean }) {
  const me = useCaller().name;
  const answer = useMutation(EscalationService.method.answerSummons, useEscalationOutcome("Your answer is noted", "Your answer is not noted"));
  const say = (said: Summons_Answer) => answer.mutate({ summonsId: summons.id, answer: said });
  if (summons.answer === Summons_Answer.ACCEPTED) return <p className="under">They come.</p>;
  if (summons.answer === Summons_Answer.DECLINED) return <p className="under">They do not come{summons.answerReason && `: ${summons.answerReason}`}.</p>;
  if (over || summons.reason !== "ADDED") return null;
  if (summons.responder !== me) return <p className="under">No answer yet.</p>;
  return (
    <p className="alert-actions">
      <button type="button" className="button small" disabled={answer.isPending} onClick={() => say(Summons_Answer.ACCEPTED)}>
        <Check aria-hidden /> I come
      </button>
      <button type="button" className="button small" disabled={answer.isPending} onClick={() => say(Summons_Answer.DECLINED)}>
        <X aria-hidden /> I cannot
      </button>
    </p>
  );
}
