/** Start a playbook: what it would do is shown before it does anything. */

import { useMutation, useQuery } from "@connectrpc/connect-query";
import { skipToken } from "@tanstack/react-query";
import { useId, useState } from "react";
import { useLocation } from "wouter";
import { PlaybookService } from "../gen/tocsin/response/v1/playbook_service_pb";
import { explain } from "../platform/errors";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";
import { useSettled } from "../ui/useSettled";
import { useRunOutcome } from "./outcome";
import { PlanView } from "./PlanView";
import { variablesOf } from "./words";

export function StartDialog({ incidentId, playbook: given = "", onClose }: { incidentId: string; playbook?: string; onClose: () => void }) {
  const [, navigate] = useLocation();
  const [requestId] = useState(newRequestId);
  const [playbook, setPlaybook] = useState(given);
  const [text, setText] = useState("");
  const [simulated, setSimulated] = useState(false);
  const [reason, setReason] = useState("");
  const ids = [useId(), useId(), useId(), useId()];
  const known = useQuery(PlaybookService.method.listPlaybooks, { pageSize: 500 }).data?.playbooks.filter((each) => !each.retired) ?? [];
  const { variables, wrong } = variablesOf(useSettled(text));
  const plan = useQuery(PlaybookService.method.planRun, playbook ? { playbook, variables } : skipToken, { retry: false });
  const outcome = useRunOutcome("The playbook runs", "The playbook was not started");
  const start = useMutation(PlaybookService.method.startRun, {
    ...outcome,
    onSuccess: ({ run }) => {
      outcome.onSuccess();
      onClose();
      if (run) navigate(`/runs/${run.id}`);
    },
  });
  const send = () => playbook && wrong.length === 0 && start.mutate({ requestId, playbook, incidentId, variables: variablesOf(text).variables, simulated, reason: reason.trim() });
  return (
    <Dialog title="Run a playbook" onClose={onClose} wide>
      <DialogForm submit={simulated ? "Run it on simulated systems" : "Run it"} tone={simulated ? "primary" : "danger"} onSubmit={send} onCancel={onClose} busy={start.isPending}>
        <label htmlFor={ids[0]}>Playbook</label>
        <select id={ids[0]} data-first required value={playbook} onChange={(event) => setPlaybook(event.target.value)}>
          <option value="">Choose…</option>
          {known.map((each) => (
            <option key={each.playbook} value={each.playbook}>
              {each.playbook}
              {each.title && ` — ${each.title}`}
            </option>
          ))}
        </select>
        <label htmlFor={ids[1]}>Variables, name=value, one a line</label>
        <textarea id={ids[1]} rows={3} value={text} placeholder="host=db-1" onChange={(event) => setText(event.target.value)} />
        {wrong.length > 0 && <p className="callout bad">Write name=value, not “{wrong[0]}”.</p>}
        <label className="check" htmlFor={ids[2]}>
          <input id={ids[2]} type="checkbox" checked={simulated} onChange={(event) => setSimulated(event.target.checked)} /> Only simulated systems are touched
        </label>
        <label htmlFor={ids[3]}>Why? (optional)</label>
        <input id={ids[3]} maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
        {plan.isError && (
          <p className="callout bad" role="alert">
            {explain(plan.error)}
          </p>
        )}
        {plan.data?.plan && <PlanView plan={plan.data.plan} />}
      </DialogForm>
    </Dialog>
  );
}
