/** What a run asks people: an approval, a step by hand, or what became of a step. */

import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { Link } from "wouter";
import { useCaller, useRefusal } from "../account/caller";
import { type Question, Question_Kind, Question_State } from "../gen/tocsin/response/v1/playbook_pb";
import { AnswerManualStepRequest_Answer as Answer, PlaybookService } from "../gen/tocsin/response/v1/playbook_service_pb";
import { useNow } from "../platform/now";
import { newRequestId } from "../platform/requestId";
import { clockFace, toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { At } from "../ui/Time";
import { useRunOutcome } from "./outcome";
import { questionKind, questionWord, tally, variablesOf } from "./words";

export function QuestionCard({ question }: { question: Question }) {
  const [word, tone] = questionWord(question.state);
  const open = question.state === Question_State.OPEN;
  return (
    <li className={open ? "question open" : "question"} data-id={question.id}>
      <p className="line">
        <span>
          <strong>{question.stepName || questionKind(question.kind)}</strong> <span className="under">{questionKind(question.kind)}</span>
          {question.simulated && <span className="badge"> exercise</span>}
        </span>
        <span className={`badge ${tone}`}>{word}</span>
      </p>
      {question.text && <p className="question-text">{question.text}</p>}
      <p className="under">
        <Link href={`/runs/${question.runId}`} className="quiet-link">
          playbook {question.playbook}
        </Link>
        {question.kind === Question_Kind.APPROVAL && ` · ${tally(question.votes, question.quorum)}`}
        {question.roles.length > 0 && ` · asked: ${question.roles.join(", ")}`}
        {question.requester && ` · wanted by ${question.requester}`}
        {open && <TimeLeft question={question} />}
      </p>
      {question.kind === Question_Kind.APPROVAL && question.votes.map((vote) => (
        <p key={vote.by} className="why">
          {vote.by}
          {vote.inPlaceOf && ` in place of ${vote.inPlaceOf}`} {vote.approves ? "approves" : "denies"}
          {vote.reason && `: ${vote.reason}`} <Instant at={toDate(vote.at)} />
        </p>
      ))}
      {!open && question.explanation && <p className="why">{question.explanation}</p>}
      {open && (question.kind === Question_Kind.APPROVAL ? <Votes question={question} /> : <ByHand question={question} />)}
    </li>
  );
}

function Instant({ at }: { at: Date | undefined }) {
  return at ? <At at={at} /> : null;
}

function TimeLeft({ question }: { question: Question }) {
  const now = useNow();
  const until = toDate(question.expiresAt);
  if (until === undefined) return null;
  return (
    <>
      {" · "}
      <span className="clock">{clockFace(Math.max(0, until.getTime() - now))}</span> until it counts as {question.approvedOnTimeout ? "approved" : "denied"}
    </>
  );
}

/** Yes or no. Approving is irreversible where the step is: it is asked for once more in a dialog. */
function Votes({ question }: { question: Question }) {
  const [wanted, setWanted] = useState<boolean>();
  const [reason, setReason] = useState("");
  const field = useId();
  const me = useCaller().name;
  const refusal = useRefusal();
  const mine = question.votes.find((vote) => vote.by === me);
  const ownRun = question.requester === me && !question.requesterCounts;
  const why = refusal ?? (ownRun ? "You started this run: others have to approve it." : undefined);
  const vote = useMutation(PlaybookService.method.voteApproval, useRunOutcome("Your vote counts", "Your vote does not count"));
  const close = () => setWanted(undefined);
  const send = () => {
    if (wanted === undefined) return;
    vote.mutate({ questionId: question.id, approve: wanted, reason: reason.trim() });
    close();
  };
  return (
    <p className="question-actions">
      {mine && <span className="under">You {mine.approves ? "approved" : "denied"} it.</span>}
      <button type="button" className="button good" disabled={why !== undefined || mine?.approves === true} title={why} onClick={() => setWanted(true)}>
        Approve…
      </button>
      <button type="button" className="button" disabled={why !== undefined || mine?.approves === false} title={why} onClick={() => setWanted(false)}>
        Deny…
      </button>
      {ownRun && <span className="under">{why}</span>}
      {wanted !== undefined && (
        <Dialog title={wanted ? "Approve" : "Deny"} onClose={close}>
          <DialogForm submit={wanted ? "Approve" : "Deny"} tone={wanted ? "good" : "danger"} onSubmit={send} onCancel={close} busy={vote.isPending}>
            <p className="subject">{question.stepName}</p>
            {question.text && <p>{question.text}</p>}
            <label htmlFor={field}>Why? (optional)</label>
            <input id={field} data-first maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
          </DialogForm>
        </Dialog>
      )}
    </p>
  );
}

/** A step that people do, or one whose outcome nobody knows. */
function ByHand({ question }: { question: Question }) {
  const [answer, setAnswer] = useState<Answer>();
  const [note, setNote] = useState("");
  const [values, setValues] = useState(question.outArgs.map((name) => `${name}=`).join("\n"));
  const ids = [useId(), useId()];
  const refusal = useRefusal();
  const send = useMutation(PlaybookService.method.answerManualStep, useRunOutcome("The run goes on", "The run does not know of it"));
  const close = () => setAnswer(undefined);
  const { variables, wrong } = variablesOf(values);
  const submit = () => {
    if (answer === undefined || wrong.length > 0) return;
    send.mutate({ requestId: newRequestId(), questionId: question.id, answer, variables: Object.fromEntries(Object.entries(variables).filter(([, value]) => value)), note: note.trim() });
    close();
  };
  const unknown = question.kind === Question_Kind.OUTCOME;
  return (
    <p className="question-actions">
      <button type="button" className="button good" disabled={refusal !== undefined} title={refusal} onClick={() => setAnswer(Answer.DONE)}>
        {unknown ? "It was done…" : "Done…"}
      </button>
      {unknown && (
        <button type="button" className="button" disabled={refusal !== undefined} title={refusal} onClick={() => setAnswer(Answer.AGAIN)}>
          Do it again…
        </button>
      )}
      <button type="button" className="button" disabled={refusal !== undefined} title={refusal} onClick={() => setAnswer(Answer.FAILED)}>
        {unknown ? "It was not done…" : "Cannot be done…"}
      </button>
      {answer !== undefined && (
        <Dialog title={question.stepName || "A step by hand"} onClose={close}>
          <DialogForm submit="Tell the run" onSubmit={submit} onCancel={close} busy={send.isPending}>
            {question.text && <p>{question.text}</p>}
            {question.outArgs.length > 0 && answer === Answer.DONE && (
              <>
                <label htmlFor={ids[0]}>What came of it, a value a line</label>
                <textarea id={ids[0]} rows={question.outArgs.length + 1} value={values} onChange={(event) => setValues(event.target.value)} />
                {wrong.length > 0 && <p className="callout bad">Write name=value, not “{wrong[0]}”.</p>}
              </>
            )}
            <label htmlFor={ids[1]}>Note (optional)</label>
            <textarea id={ids[1]} data-first rows={3} maxLength={4000} value={note} onChange={(event) => setNote(event.target.value)} />
          </DialogForm>
        </Dialog>
      )}
    </p>
  );
}
