/** Who has which role, where people meet, and when the next update is due. */

import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { useCaller, useRefusal } from "../account/caller";
import type { Command, RoleStanding } from "../gen/tocsin/response/v1/command_pb";
import { CommandService } from "../gen/tocsin/response/v1/command_service_pb";
import { PersonField } from "../pages/PersonField";
import { useNow } from "../platform/now";
import { newRequestId } from "../platform/requestId";
import { clockFace, toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { At } from "../ui/Time";
import { AskDialog } from "./AskDialog";
import { useCommandOutcome } from "./outcome";

export function RolesPanel({ command }: { command: Command }) {
  const [role, setRole] = useState<RoleStanding>();
  const me = useCaller().name;
  const refusal = useRefusal();
  const join = useMutation(CommandService.method.joinIncident, useCommandOutcome("You are part of the response", "You have not joined"));
  const joined = command.attendants.some((each) => each.responder === me);
  return (
    <Panel
      title="Roles"
      aside={
        !joined &&
        !command.closed && (
          <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => join.mutate({ requestId: newRequestId(), incidentId: command.incidentId })}>
            Join
          </button>
        )
      }
    >
      <ul className="pages">
        {command.roles.map((each) => (
          <li key={each.key}>
            <p className="line">
              <span title={each.expectations.join("\n")}>
                <strong>{each.title || each.key}</strong> <span className="under">{each.holder ? each.holder.responder : "nobody"}</span>
              </span>
              {!command.closed && (
                <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setRole(each)}>
                  {each.holder ? "Hand over…" : "Fill…"}
                </button>
              )}
            </p>
            {each.holder?.summary && <p className="why">{each.holder.summary}</p>}
          </li>
        ))}
      </ul>
      <Meeting command={command} />
      <Updates command={command} />
      {role && <RoleDialog command={command} role={role} onClose={() => setRole(undefined)} />}
    </Panel>
  );
}

function RoleDialog({ command, role, onClose }: { command: Command; role: RoleStanding; onClose: () => void }) {
  const me = useCaller().name;
  const [requestId] = useState(newRequestId);
  const [who, setWho] = useState(role.holder ? "" : me);
  const [summary, setSummary] = useState("");
  const field = useId();
  const assign = useMutation(CommandService.method.assignRole, useCommandOutcome("The role is filled", "The role stays as it was"));
  const handOver = useMutation(CommandService.method.handOverRole, useCommandOutcome("The role is handed over", "The role stays as it was"));
  const incidentId = command.incidentId;
  const send = () => {
    if (role.holder) handOver.mutate({ requestId, incidentId, role: role.key, responder: who, summary: summary.trim() });
    else assign.mutate({ requestId, incidentId, role: role.key, responder: who });
    onClose();
  };
  return (
    <Dialog title={role.title || role.key} onClose={onClose}>
      <DialogForm submit={role.holder ? "Hand over" : "Fill the role"} onSubmit={() => who && send()} onCancel={onClose} busy={false}>
        {role.expectations.length > 0 && (
          <ul className="expectations">
            {role.expectations.map((each) => (
              <li key={each}>{each}</li>
            ))}
          </ul>
        )}
        <PersonField label="Who" none="Choose…" value={who} onChange={setWho} />
        {role.holder && (
          <>
            <label htmlFor={field}>What do they have to know?</label>
            <textarea id={field} rows={4} required maxLength={8000} value={summary} onChange={(event) => setSummary(event.target.value)} />
          </>
        )}
      </DialogForm>
    </Dialog>
  );
}

function Meeting({ command }: { command: Command }) {
  const [open, setOpen] = useState(false);
  const refusal = useRefusal();
  const set = useMutation(CommandService.method.setBridge, useCommandOutcome("Everybody sees where to meet", "The place to meet stays as it was"));
  const url = command.bridge?.url ?? "";
  const safe = /^https?:\/\//i.test(url);
  return (
    <p className="inset line">
      <span>
        {safe && (
          <a href={url} target="_blank" rel="noopener noreferrer">
            War room
          </a>
        )}
        {command.bridge?.dialIn && <span className="under"> {command.bridge.dialIn}</span>}
        {!command.bridge && <span className="under">No war room yet</span>}
      </span>
      {!command.closed && (
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setOpen(true)}>
          {command.bridge ? "Change…" : "Set…"}
        </button>
      )}
      {open && (
        <AskDialog
          title="Where do people meet?"
          submit="Set"
          question="Address of the room or bridge"
          required
          placeholder="https://meet.example/incident"
          onSend={(link, requestId) => set.mutate({ requestId, incidentId: command.incidentId, url: link })}
          onClose={() => setOpen(false)}
        />
      )}
    </p>
  );
}

/** When people have to hear again how it stands. */
function Updates({ command }: { command: Command }) {
  const [open, setOpen] = useState(false);
  const now = useNow();
  const refusal = useRefusal();
  const note = useMutation(CommandService.method.noteUpdate, useCommandOutcome("The update is noted", "The update is not noted"));
  const due = toDate(command.updates?.dueAt);
  const told = toDate(command.updates?.toldAt);
  if (command.updates === undefined || (due === undefined && told === undefined)) return null;
  const late = due !== undefined && due.getTime() < now;
  return (
    <p className="inset line">
      <span className={late ? "bad-text" : "under"}>
        {due && (late ? "An update is overdue" : <>Next update in <span className="clock">{clockFace(due.getTime() - now)}</span></>)}
        {told && (
          <>
            {" · last "}
            <At at={told} />
          </>
        )}
      </span>
      <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setOpen(true)}>
        Note an update…
      </button>
      {open && <AskDialog title="Update" submit="Note it" question="What was told?" required onSend={(text, requestId) => note.mutate({ requestId, incidentId: command.incidentId, text })} onClose={() => setOpen(false)} />}
    </p>
  );
}
