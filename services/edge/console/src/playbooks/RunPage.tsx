/** One run: how far it is, what it asks, and what each step did where. */

import { Code } from "@connectrpc/connect";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { CirclePause, CirclePlay, CircleX, SearchX } from "lucide-react";
import { useEffect, useId, useState } from "react";
import { Link } from "wouter";
import { useRefusal } from "../account/caller";
import { type Run, Run_State, type Step, Step_State, type StepWork } from "../gen/tocsin/response/v1/playbook_pb";
import { Outcome_State } from "../gen/tocsin/response/v1/runner_service_pb";
import { PlaybookService } from "../gen/tocsin/response/v1/playbook_service_pb";
import { hasCode } from "../platform/errors";
import { newRequestId } from "../platform/requestId";
import { inWords, toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { useRunOutcome } from "./outcome";
import { QuestionCard } from "./QuestionCard";
import { isOver, iteration, runWord, stepWord } from "./words";

const OUTCOMES: Partial<Record<Outcome_State, string>> = {
  [Outcome_State.SUCCEEDED]: "done",
  [Outcome_State.ALREADY_IN_STATE]: "was so already",
  [Outcome_State.ACCEPTED]: "accepted, not effective yet",
  [Outcome_State.REJECTED]: "refused",
  [Outcome_State.FAILED]: "failed",
  [Outcome_State.TIMED_OUT]: "out of time",
  [Outcome_State.UNKNOWN]: "nobody knows what became of it",
};
// Claims and leases tell no fact: a run that goes on is looked at again.
const LOOK_AGAIN = 2_000;

export default function RunPage({ id }: { id: string }) {
  const answer = useQuery(PlaybookService.method.getRun, { runId: id }, { refetchInterval: (query) => (query.state.data?.run && isOver(query.state.data.run.state) ? false : LOOK_AGAIN) });
  const run = answer.data?.run;
  useEffect(() => {
    if (run) document.title = `${run.playbook} · Tocsin`;
  }, [run]);
  if (hasCode(answer.error, Code.NotFound) || hasCode(answer.error, Code.InvalidArgument)) {
    return (
      <main id="main">
        <Empty icon={SearchX} title="There is no such run" />
      </main>
    );
  }
  if (run === undefined) {
    return <main id="main">{answer.isError ? <Failure what="The run" error={answer.error} retry={() => void answer.refetch()} /> : <Loading what="the run" />}</main>;
  }
  const questions = answer.data?.questions ?? [];
  return (
    <main id="main" className="incident">
      <Headline run={run} />
      <div className="incident-main">
        <Panel title="Steps" aside={<span className="count">{answer.data?.steps.length ?? 0}</span>}>
          <ol className="steps">
            {answer.data?.steps.map((step) => (
              <StepLine key={step.path} run={run} step={step} />
            ))}
          </ol>
        </Panel>
      </div>
      <div className="incident-aside">
        <Panel title="Questions" aside={<span className="count">{questions.length}</span>}>
          {questions.length === 0 && <Empty icon={CirclePlay} title="It asked nothing yet" />}
          <ul className="questions">
            {questions.map((question) => (
              <QuestionCard key={question.id} question={question} />
            ))}
          </ul>
        </Panel>
        <Variables run={run} />
      </div>
    </main>
  );
}

type Deed = "pause" | "resume" | "cancel";

function Headline({ run }: { run: Run }) {
  const [deed, setDeed] = useState<Deed>();
  const refusal = useRefusal();
  const [word, tone] = runWord(run.state);
  const started = toDate(run.startedAt);
  const ended = toDate(run.endedAt);
  const button = (wanted: Deed, label: string, Icon: typeof CirclePause) => (
    <button type="button" className="button big" disabled={refusal !== undefined} title={refusal} onClick={() => setDeed(wanted)}>
      <Icon aria-hidden /> {label}
    </button>
  );
  return (
    <header className={`headline ${tone}`}>
      <div className="headline-state" role="status">
        <strong>{word}</strong>
      </div>
      <div className="headline-what">
        <p className="headline-line">
          <span>playbook, version {run.playbookVersion}</span>
          {run.simulated && <span className="badge info">simulated</span>}
          {run.incidentId && <Link href={`/incidents/${run.incidentId}`}>its incident</Link>}
        </p>
        <h1>{run.playbook}</h1>
        <p className="progress">
          {started && (
            <span>
              started by <strong>{run.startedBy}</strong> <At at={started} />
            </span>
          )}
          {started && ended && <span>took {inWords(ended.getTime() - started.getTime())}</span>}
          {run.reason && <span>{run.reason}</span>}
        </p>
        {run.explanation && <p className="why">{run.explanation}</p>}
      </div>
      <div className="headline-actions">
        {run.state === Run_State.RUNNING && button("pause", "Pause", CirclePause)}
        {run.state === Run_State.PAUSED && button("resume", "Go on", CirclePlay)}
        {!isOver(run.state) && button("cancel", "Cancel", CircleX)}
        {deed && <DeedDialog run={run} deed={deed} onClose={() => setDeed(undefined)} />}
      </div>
    </header>
  );
}

const DEEDS = {
  pause: ["Pause the run", PlaybookService.method.pauseRun, "What is under way is ended; nothing new is begun."],
  resume: ["Let it go on", PlaybookService.method.resumeRun, ""],
  cancel: ["Cancel the run", PlaybookService.method.cancelRun, "What is under way is stopped. What was done already stays: lift its measures."],
} as const;

function DeedDialog({ run, deed, onClose }: { run: Run; deed: Deed; onClose: () => void }) {
  const [title, method, warning] = DEEDS[deed];
  const [reason, setReason] = useState("");
  const field = useId();
  const act = useMutation(method as typeof PlaybookService.method.pauseRun, useRunOutcome(`${title}: done`, `${title}: it stays as it was`));
  const send = () => {
    act.mutate({ runId: run.id, reason: reason.trim() });
    onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <DialogForm submit={title} tone={deed === "cancel" ? "danger" : "primary"} onSubmit={send} onCancel={onClose} busy={act.isPending}>
        {warning && <p>{warning}</p>}
        <label htmlFor={field}>Why? (optional)</label>
        <input id={field} data-first maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}

function StepLine({ run, step }: { run: Run; step: Step }) {
  const [word, tone] = stepWord(step.state);
  const started = toDate(step.startedAt);
  const ended = toDate(step.endedAt);
  const due = toDate(step.dueAt);
  const stuck = step.state === Step_State.FAILED || step.state === Step_State.TIMED_OUT;
  const waiting = step.state === Step_State.WAITING || step.state === Step_State.DELAYED || step.state === Step_State.RUNNING;
  // The only deed of a step that is over has nothing to add to what the step itself says.
  const work = step.work.filter((each) => each.target || !each.outcome || each.explanation !== step.explanation);
  return (
    <li className="step">
      <p className="line">
        <span>
          <strong>{step.name || step.stepId}</strong>{" "}
          <span className="under">
            {step.type}
            {iteration(step.path) && ` · ${iteration(step.path)}`}
            {step.attempt > 1 && ` · attempt ${step.attempt}`}
          </span>
        </span>
        <span className={`badge ${tone}`}>{word}</span>
      </p>
      <p className="under">
        {started && <At at={started} />}
        {started && ended && ` · took ${inWords(ended.getTime() - started.getTime())}`}
        {due && !ended && (
          <>
            {started ? " · until " : "until "}
            <At at={due} />
          </>
        )}
      </p>
      {step.explanation && <p className={tone === "bad" ? "why bad" : "why"}>{step.explanation}</p>}
      <ul>
        {work.map((each) => (
          <Work key={each.assignmentId} work={each} />
        ))}
      </ul>
      {(stuck || (waiting && !isOver(run.state))) && <StepDeeds run={run} step={step} rerun={stuck} skip={waiting} />}
    </li>
  );
}

function Work({ work }: { work: StepWork }) {
  return (
    <li className="under">
      {work.target && <strong>{work.target} </strong>}
      {OUTCOMES[work.outcome] ?? (work.runner ? `at work: ${work.runner}` : `waits for a runner${work.needs && ` that has ${work.needs}`}`)}
      {work.verified ? " · seen to be effective" : work.looks > 0 && ` · looked at ${work.looks} ${work.looks === 1 ? "time" : "times"}, not seen to be effective`}
      {work.explanation && ` · ${work.explanation}`}
    </li>
  );
}

/** Skip what waits, or begin again at what failed. */
function StepDeeds({ run, step, rerun, skip }: { run: Run; step: Step; rerun: boolean; skip: boolean }) {
  const [reason, setReason] = useState("");
  const [open, setOpen] = useState(false);
  const [requestId] = useState(newRequestId);
  const field = useId();
  const refusal = useRefusal();
  const skipping = useMutation(PlaybookService.method.skipStep, useRunOutcome("The step is skipped", "The step is not skipped"));
  const running = useMutation(PlaybookService.method.rerunFromStep, useRunOutcome("The run begins again there", "The run stays as it is"));
  const send = () => {
    const request = { requestId, runId: run.id, stepPath: step.path, reason: reason.trim() };
    if (rerun) running.mutate(request);
    else skipping.mutate(request);
    setOpen(false);
  };
  if (!rerun && !skip) return null;
  const label = rerun ? "Run again from here" : "Skip";
  return (
    <p className="question-actions">
      <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setOpen(true)}>
        {label}…
      </button>
      {open && (
        <Dialog title={`${label}: ${step.name || step.stepId}`} onClose={() => setOpen(false)}>
          <DialogForm submit={label} tone="danger" onSubmit={send} onCancel={() => setOpen(false)} busy={false}>
            <label htmlFor={field}>Why?</label>
            <input id={field} data-first required={!rerun} maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
          </DialogForm>
        </Dialog>
      )}
    </p>
  );
}

function Variables({ run }: { run: Run }) {
  const entries = Object.entries(run.variables).toSorted(([a], [b]) => a.localeCompare(b));
  return (
    <Panel title="Variables" aside={<span className="count">{entries.length}</span>}>
      <dl className="variables">
        {entries.map(([name, variable]) => (
          <div key={name}>
            <dt>{name.replace(/^__|__$/g, "")}</dt>
            <dd>{variable.value || <span className="under">not set</span>}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  );
}
