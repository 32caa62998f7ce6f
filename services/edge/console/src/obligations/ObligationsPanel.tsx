/** The clocks of laws and contracts that run for an incident: what is due when, to whom, and what became of it. */

import { useMutation, useQuery } from "@connectrpc/connect-query";
import { skipToken } from "@tanstack/react-query";
import { Scale } from "lucide-react";
import { useId, useState } from "react";
import { useRefusal } from "../account/caller";
import { AskDialog } from "../command/AskDialog";
import { type Obligation, Obligation_State } from "../gen/tocsin/response/v1/obligation_pb";
import { ObligationService } from "../gen/tocsin/response/v1/obligation_service_pb";
import { useNow } from "../platform/now";
import { newRequestId } from "../platform/requestId";
import { clockFace, toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { useOutcome } from "../ui/useOutcome";
import { EVENTS, eventWord, share, stateWord, TRAITS } from "./words";

function useObligationOutcome(done: string, undone: string) {
  return useOutcome(done, undone, ObligationService);
}

export default function ObligationsPanel({ incidentId }: { incidentId: string }) {
  const [starting, setStarting] = useState(false);
  const refusal = useRefusal();
  const answer = useQuery(ObligationService.method.listObligations, { incidentId, pageSize: 200 });
  const obligations = answer.data?.obligations ?? [];
  const events = answer.data?.events ?? [];
  return (
    <Panel
      title="Obligations"
      aside={
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setStarting(true)}>
          Record an event
        </button>
      }
    >
      {answer.isPending && <Loading what="obligations" />}
      {answer.isError && !answer.data && <Failure what="Obligations" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && obligations.length === 0 && (
        <Empty icon={Scale} title="No clock runs">
          Record when you became aware of a breach, or what it was classified as: every clock that this starts runs from then.
        </Empty>
      )}
      <ul className="pages">
        {obligations.map((obligation) => (
          <Line key={obligation.id} obligation={obligation} />
        ))}
      </ul>
      {events.length > 0 && (
        <p className="inset under">
          {events.map((event, index) => {
            const at = toDate(event.at);
            return (
              <span key={event.event}>
                {index > 0 && " · "}
                {eventWord(event.event)} {at && <At at={at} />}
              </span>
            );
          })}
        </p>
      )}
      {starting && <EventDialog incidentId={incidentId} onClose={() => setStarting(false)} />}
    </Panel>
  );
}

function Line({ obligation }: { obligation: Obligation }) {
  const now = useNow();
  const [answering, setAnswering] = useState(false);
  const [asking, setAsking] = useState<"pause" | "resume" | "waive">();
  const refusal = useRefusal();
  const pause = useMutation(ObligationService.method.pauseObligation, useObligationOutcome("Its clock stands still", "Its clock still runs"));
  const resume = useMutation(ObligationService.method.resumeObligation, useObligationOutcome("Its clock goes on", "Its clock still stands"));
  const waive = useMutation(ObligationService.method.waiveObligation, useObligationOutcome("It need not be done", "It still has to be done"));
  const paused = toDate(obligation.pausedAt);
  const due = toDate(obligation.dueAt);
  const started = toDate(obligation.startedAt);
  const submitted = toDate(obligation.submittedAt);
  const running = obligation.state === Obligation_State.RUNNING;
  const late = running && paused === undefined && due !== undefined && due.getTime() < now;
  const [word, tone] = late ? (["overdue", "bad"] as const) : paused && running ? (["paused", "quiet"] as const) : stateWord(obligation);
  const passed = running && started && due ? share(started, due, now) : 0;
  return (
    <li data-id={obligation.id}>
      <p className="line">
        <span>
          <strong>{obligation.title}</strong> <span className="under">{obligation.regime}</span>
        </span>
        <span className={`badge ${tone}`}>{word}</span>
      </p>
      {running && paused && (
        <p className="under">
          paused since <At at={paused} />: {obligation.pauseReason}
        </p>
      )}
      {running && due && !paused && (
        <>
          <div className="score" role="img" aria-label={`${Math.round(passed * 100)} of 100 of the time has passed`}>
            <span className={passed >= 0.9 ? "bad" : passed >= 0.5 ? "warn" : "good"} style={{ inlineSize: `${Math.max(1, passed * 100)}%` }} />
          </div>
          <p className="under">
            {late ? "was due " : <><span className="clock">{clockFace(due.getTime() - now)}</span> left, due </>}
            <At at={due} /> · to {obligation.recipient}
          </p>
        </>
      )}
      {submitted && (
        <p className="under">
          submitted by {obligation.answeredBy} <At at={submitted} />
          {obligation.reference && ` · ${obligation.reference}`}
        </p>
      )}
      <p className="why">
        {obligation.explanation} <span className="under">{obligation.citation}</span>
      </p>
      {obligation.verify && running && <p className="why bad">{obligation.verify}</p>}
      {obligation.reason && <p className="why">{obligation.reason}</p>}
      {running && (
        <p className="question-actions">
          <button type="button" className="button small good" disabled={refusal !== undefined} title={refusal} onClick={() => setAnswering(true)}>
            It was submitted…
          </button>
          {paused ? (
            <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setAsking("resume")}>
              Let its clock go on…
            </button>
          ) : (
            obligation.pause && (
              <button type="button" className="button small" disabled={refusal !== undefined} title={refusal ?? obligation.pause} onClick={() => setAsking("pause")}>
                Pause its clock…
              </button>
            )
          )}
          <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setAsking("waive")}>
            It need not be done…
          </button>
        </p>
      )}
      {asking === "pause" && (
        <AskDialog
          title="Pause its clock"
          submit="Pause it"
          question={`On whose word? It may be paused if ${obligation.pause}`}
          required
          onSend={(reason, requestId) => pause.mutate({ requestId, obligationId: obligation.id, reason })}
          onClose={() => setAsking(undefined)}
        />
      )}
      {asking === "resume" && (
        <AskDialog
          title="Let its clock go on"
          submit="Go on"
          question="Why?"
          required
          onSend={(reason, requestId) => resume.mutate({ requestId, obligationId: obligation.id, reason })}
          onClose={() => setAsking(undefined)}
        />
      )}
      {asking === "waive" && (
        <AskDialog
          title="It need not be done"
          submit="Waive it"
          tone="danger"
          question="Why?"
          required
          onSend={(reason, requestId) => waive.mutate({ requestId, obligationId: obligation.id, reason })}
          onClose={() => setAsking(undefined)}
        />
      )}
      {answering && <SubmitDialog obligation={obligation} late={late} onClose={() => setAnswering(false)} />}
    </li>
  );
}

function SubmitDialog({ obligation, late, onClose }: { obligation: Obligation; late: boolean; onClose: () => void }) {
  const [requestId] = useState(newRequestId);
  const [reference, setReference] = useState("");
  const [reason, setReason] = useState("");
  const [sha256, setSha256] = useState("");
  const ids = [useId(), useId(), useId()];
  const draft = useQuery(ObligationService.method.draftObligation, { obligationId: obligation.id }, { retry: false });
  const submit = useMutation(ObligationService.method.submitObligation, useObligationOutcome("The submission is on record", "The submission is not on record"));
  const send = () => {
    submit.mutate({ requestId, obligationId: obligation.id, reference: reference.trim(), sha256: sha256.trim().toLowerCase(), lateReason: reason.trim() });
    onClose();
  };
  return (
    <Dialog title={obligation.title} onClose={onClose} wide>
      <DialogForm submit="It was submitted" tone="good" onSubmit={send} onCancel={onClose} busy={submit.isPending}>
        {draft.data?.text && (
          <details>
            <summary>Draft of the notification</summary>
            <pre className="source">{draft.data.text}</pre>
          </details>
        )}
        <label htmlFor={ids[0]}>Reference of the recipient (optional)</label>
        <input id={ids[0]} data-first maxLength={200} value={reference} onChange={(event) => setReference(event.target.value)} />
        <label htmlFor={ids[2]}>SHA-256 of what was submitted (optional): put it into evidence, which says its hash</label>
        <input id={ids[2]} pattern="[0-9a-fA-F]{64}" title="64 hexadecimal digits" value={sha256} onChange={(event) => setSha256(event.target.value)} />
        {late && (
          <>
            <label htmlFor={ids[1]}>Why is it late?</label>
            <textarea id={ids[1]} required rows={3} maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />
          </>
        )}
      </DialogForm>
    </Dialog>
  );
}

/** What happened that starts clocks; which ones is shown before anything is recorded. */
function EventDialog({ incidentId, onClose }: { incidentId: string; onClose: () => void }) {
  const [requestId] = useState(newRequestId);
  const [event, setEvent] = useState<string>(EVENTS[0][0]);
  const [traits, setTraits] = useState<readonly string[]>([]);
  const [reason, setReason] = useState("");
  const [at] = useState(() => new Date());
  const ids = [useId(), useId()];
  const toggle = (trait: string) => setTraits(traits.includes(trait) ? traits.filter((each) => each !== trait) : [...traits, trait]);
  const classification = event.startsWith("classified-") ? event.slice("classified-".length) : "";
  const circumstances = { traits: [...traits] };
  const stamp = { seconds: BigInt(Math.floor(at.getTime() / 1000)), nanos: 0 };
  const preview = useQuery(ObligationService.method.previewObligations, event ? { incidentId, events: [{ event, at: stamp }], circumstances } : skipToken, { retry: false });
  const record = useMutation(ObligationService.method.recordStartEvent, useObligationOutcome("The clocks run", "Nothing was recorded"));
  const classify = useMutation(ObligationService.method.classifyIncident, useObligationOutcome("The clocks run", "Nothing was recorded"));
  const send = () => {
    if (classification) classify.mutate({ requestId, incidentId, classification, circumstances, reason: reason.trim() });
    else record.mutate({ requestId, incidentId, event, circumstances, reason: reason.trim() });
    onClose();
  };
  return (
    <Dialog title="Record an event" onClose={onClose} wide>
      <DialogForm submit="Record it" onSubmit={send} onCancel={onClose} busy={false}>
        <label htmlFor={ids[0]}>What happened?</label>
        <select id={ids[0]} data-first value={event} onChange={(change) => setEvent(change.target.value)}>
          {EVENTS.map(([name, word]) => (
            <option key={name} value={name}>
              {word}
            </option>
          ))}
        </select>
        <fieldset className="traits">
          <legend>It concerns</legend>
          {TRAITS.map(([trait, word]) => (
            <label key={trait} className="check">
              <input type="checkbox" checked={traits.includes(trait)} onChange={() => toggle(trait)} /> {word}
            </label>
          ))}
        </fieldset>
        <label htmlFor={ids[1]}>Why do you say so?</label>
        <input id={ids[1]} required={classification !== ""} maxLength={1000} value={reason} onChange={(change) => setReason(change.target.value)} />
        {preview.data && (
          <div className="plan" aria-label="The clocks that would run">
            {preview.data.obligations.length === 0 && <p className="under">No clock would run.</p>}
            <ul>
              {preview.data.obligations.map((obligation) => {
                const due = toDate(obligation.dueAt);
                return (
                  <li key={`${obligation.regime}-${obligation.duty}`}>
                    <strong>{obligation.title}</strong> <span className="under">{obligation.regime}</span> {due && <At at={due} />}
                  </li>
                );
              })}
            </ul>
          </div>
        )}
      </DialogForm>
    </Dialog>
  );
}
