/** What is to be done: the checklist of the phase, questions of the plan, tasks, and what was decided. */

import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { useRefusal } from "../account/caller";
import { type Answer, type Check, type Command, type Task, Task_State } from "../gen/tocsin/response/v1/command_pb";
import { CommandService } from "../gen/tocsin/response/v1/command_service_pb";
import { PersonField } from "../pages/PersonField";
import { useNow } from "../platform/now";
import { newRequestId } from "../platform/requestId";
import { relative, toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { At } from "../ui/Time";
import { AskDialog } from "./AskDialog";
import { useCommandOutcome } from "./outcome";

export function WorkPanel({ command }: { command: Command }) {
  const [adding, setAdding] = useState(false);
  const [deciding, setDeciding] = useState(false);
  const refusal = useRefusal();
  const decide = useMutation(CommandService.method.logDecision, useCommandOutcome("The decision is in the log", "The decision is not in the log"));
  const checks = command.checks.filter((check) => check.phase === command.phase);
  const questions = command.answers.filter((answer) => answer.phase === command.phase);
  const tasks = command.tasks.toSorted((a, b) => Number(a.state !== Task_State.OPEN) - Number(b.state !== Task_State.OPEN));
  const left = tasks.filter((task) => task.state === Task_State.OPEN).length;
  return (
    <Panel
      title="To do"
      aside={
        <span className="question-actions">
          <span className="count">{left}</span>
          <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setAdding(true)}>
            Add a task
          </button>
          <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setDeciding(true)}>
            Log a decision
          </button>
        </span>
      }
    >
      {checks.length > 0 && (
        <ul className="checks inset">
          {checks.map((check) => (
            <CheckLine key={check.key} incidentId={command.incidentId} check={check} refusal={refusal} />
          ))}
        </ul>
      )}
      {questions.map((answer) => (
        <QuestionLine key={answer.key} incidentId={command.incidentId} answer={answer} refusal={refusal} />
      ))}
      <ul className="pages">
        {tasks.map((task) => (
          <TaskLine key={task.id} incidentId={command.incidentId} task={task} refusal={refusal} />
        ))}
      </ul>
      {command.decisions.length > 0 && (
        <>
          <h3 className="inset">Decisions</h3>
          <ul className="pages">
            {command.decisions.toReversed().map((decision) => (
              <li key={decision.id}>
                <p>{decision.text}</p>
                <p className="under">
                  {decision.decidedBy} <Instant at={toDate(decision.at)} />
                  {decision.reason && ` · ${decision.reason}`}
                </p>
              </li>
            ))}
          </ul>
        </>
      )}
      {adding && <TaskDialog incidentId={command.incidentId} onClose={() => setAdding(false)} />}
      {deciding && (
        <AskDialog
          title="Log a decision"
          submit="Log it"
          question="What was decided, and why?"
          required
          onSend={(text, requestId) => decide.mutate({ requestId, incidentId: command.incidentId, text })}
          onClose={() => setDeciding(false)}
        />
      )}
    </Panel>
  );
}

function Instant({ at }: { at: Date | undefined }) {
  return at ? <At at={at} /> : null;
}

function CheckLine({ incidentId, check, refusal }: { incidentId: string; check: Check; refusal: string | undefined }) {
  const tick = useMutation(CommandService.method.tickCheck, useCommandOutcome("It is noted", "It is not noted"));
  const id = useId();
  return (
    <li>
      <input
        id={id}
        type="checkbox"
        checked={check.ticked}
        disabled={refusal !== undefined || tick.isPending}
        title={refusal}
        onChange={() => tick.mutate({ requestId: newRequestId(), incidentId, key: check.key, untick: check.ticked })}
      />
      <label htmlFor={id}>
        {check.text} {check.by && <span className="under">{check.by}</span>}
      </label>
    </li>
  );
}

function QuestionLine({ incidentId, answer, refusal }: { incidentId: string; answer: Answer; refusal: string | undefined }) {
  const [open, setOpen] = useState(false);
  const send = useMutation(CommandService.method.answerQuestion, useCommandOutcome("The answer is noted", "The answer is not noted"));
  return (
    <div className="inset">
      <p className="line">
        <strong>{answer.question}</strong>
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setOpen(true)}>
          {answer.text ? "Change…" : "Answer…"}
        </button>
      </p>
      {answer.text && (
        <p className="why">
          {answer.text} <span className="under">{answer.by}</span>
        </p>
      )}
      {open && <AskDialog title={answer.question} submit="Answer" question="Answer" required onSend={(text, requestId) => send.mutate({ requestId, incidentId, key: answer.key, text })} onClose={() => setOpen(false)} />}
    </div>
  );
}

function TaskLine({ incidentId, task, refusal }: { incidentId: string; task: Task; refusal: string | undefined }) {
  const [deed, setDeed] = useState<"complete" | "cancel">();
  const now = useNow();
  const complete = useMutation(CommandService.method.completeTask, useCommandOutcome("The task is done", "The task stays open"));
  const cancel = useMutation(CommandService.method.cancelTask, useCommandOutcome("The task is cancelled", "The task stays open"));
  const due = toDate(task.dueAt);
  const open = task.state === Task_State.OPEN;
  const late = open && due !== undefined && due.getTime() < now;
  return (
    <li>
      <p className="line">
        <span className={open ? "" : "struck"}>{task.title}</span>
        {open ? (
          <span className="question-actions">
            <button type="button" className="button small good" disabled={refusal !== undefined} title={refusal} onClick={() => setDeed("complete")}>
              Done…
            </button>
            <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setDeed("cancel")}>
              Cancel…
            </button>
          </span>
        ) : (
          <span className={`badge ${task.state === Task_State.COMPLETED ? "good" : "quiet"}`}>{task.state === Task_State.COMPLETED ? "done" : "cancelled"}</span>
        )}
      </p>
      <p className="under">
        {task.owner || task.role || "nobody's yet"}
        {due && open && <span className={late ? "bad-text" : ""}> · due {relative(due, now)}</span>}
        {task.description && ` · ${task.description}`}
        {task.result && ` · ${task.result}`}
      </p>
      {deed === "complete" && <AskDialog title={task.title} submit="Done" tone="good" question="What came of it? (optional)" onSend={(result, requestId) => complete.mutate({ requestId, incidentId, taskId: task.id, result })} onClose={() => setDeed(undefined)} />}
      {deed === "cancel" && <AskDialog title={task.title} submit="Cancel the task" tone="danger" question="Why is it not needed?" required onSend={(reason, requestId) => cancel.mutate({ requestId, incidentId, taskId: task.id, reason })} onClose={() => setDeed(undefined)} />}
    </li>
  );
}

function TaskDialog({ incidentId, onClose }: { incidentId: string; onClose: () => void }) {
  const [requestId] = useState(newRequestId);
  const [title, setTitle] = useState("");
  const [owner, setOwner] = useState("");
  const field = useId();
  const add = useMutation(CommandService.method.addTask, useCommandOutcome("The task is added", "The task is not added"));
  const send = () => {
    add.mutate({ requestId, incidentId, title: title.trim(), owner });
    onClose();
  };
  return (
    <Dialog title="Add a task" onClose={onClose}>
      <DialogForm submit="Add" onSubmit={send} onCancel={onClose} busy={false}>
        <label htmlFor={field}>What is to be done?</label>
        <input id={field} data-first required pattern=".*\S.*" maxLength={300} value={title} onChange={(event) => setTitle(event.target.value)} />
        <PersonField label="Who does it?" none="Nobody yet" value={owner} onChange={setOwner} />
      </DialogForm>
    </Dialog>
  );
}
