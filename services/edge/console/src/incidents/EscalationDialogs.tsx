/** The dialogs that change the way of an escalation by hand. */

import { useMutation, useQuery } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import type { Escalation, EscalationPolicy } from "../gen/tocsin/response/v1/escalation_pb";
import { EscalationService } from "../gen/tocsin/response/v1/escalation_service_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { useEscalationOutcome } from "../escalation/outcome";
import { targetWords } from "../escalation/words";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";

export type EscalationDeed = "escalate" | "reassign" | "add" | "stop";

interface DialogProps {
  escalation: Escalation;
  onClose: () => void;
}

export function EscalationDialog({ deed, ...rest }: DialogProps & { deed: EscalationDeed }) {
  switch (deed) {
    case "escalate":
      return <EscalateDialog {...rest} />;
    case "reassign":
      return <ReassignDialog {...rest} />;
    case "add":
      return <AddResponderDialog {...rest} />;
    default:
      return <StopDialog {...rest} />;
  }
}

function useResponse() {
  return useQuery(ResponseService.method.exportConfiguration, {}, { staleTime: 30_000 }).data?.configuration;
}

function EscalateDialog({ escalation, onClose }: DialogProps) {
  const id = useId();
  const [requestId] = useState(newRequestId);
  const [step, setStep] = useState(0);
  const [reason, setReason] = useState("");
  const policy: EscalationPolicy | undefined = useResponse()?.escalationPolicies.find((each) => each.name === escalation.policy);
  const escalate = useMutation(EscalationService.method.escalateNow, useEscalationOutcome("The next ones are asked now", "Nobody else was asked", onClose));
  return (
    <Dialog title="Escalate now" onClose={onClose}>
      <DialogForm submit="Escalate and page" tone="danger" busy={escalate.isPending} onCancel={onClose} onSubmit={() => escalate.mutate({ requestId, incidentId: escalation.incidentId, stepNumber: step, reason: reason.trim() })}>
        <label htmlFor={`${id}-step`}>Whom to ask</label>
        <select id={`${id}-step`} data-first value={step} onChange={(event) => setStep(Number(event.target.value))}>
          <option value={0}>whoever comes next</option>
          {policy?.steps.map((each, index) => (
            <option key={index} value={index + 1}>
              step {index + 1}: {each.targets.map(targetWords).join(", ")}
            </option>
          ))}
        </select>
        <WhyField value={reason} onChange={setReason} placeholder="I cannot reach the database team" />
      </DialogForm>
    </Dialog>
  );
}

function AddResponderDialog({ escalation, onClose }: DialogProps) {
  const [requestId] = useState(newRequestId);
  const [whom, setWhom] = useState("");
  const [message, setMessage] = useState("");
  const add = useMutation(EscalationService.method.addResponder, useEscalationOutcome("They are asked for help", "Nobody was asked", onClose));
  return (
    <Dialog title="Add a responder" onClose={onClose}>
      <DialogForm submit="Ask and page" tone="danger" busy={add.isPending} onCancel={onClose} onSubmit={() => add.mutate({ requestId, incidentId: escalation.incidentId, target: targetOf(whom), message: message.trim() })}>
        <TargetField value={whom} onChange={setWhom} />
        <WhyField label="What are they needed for? (they read it)" value={message} onChange={setMessage} placeholder="Somebody who knows the payment gateway" />
      </DialogForm>
    </Dialog>
  );
}

function ReassignDialog({ escalation, onClose }: DialogProps) {
  const [requestId] = useState(newRequestId);
  const [to, setTo] = useState("");
  const [reason, setReason] = useState("");
  const reassign = useMutation(EscalationService.method.reassign, useEscalationOutcome("Somebody else is asked", "It stays as it was", onClose));
  const send = () => {
    const [kind, name = ""] = to.split(":", 2);
    const whom = kind === "policy" ? { case: "escalationPolicy" as const, value: name } : { case: "target" as const, value: targetOf(to) };
    reassign.mutate({ requestId, incidentId: escalation.incidentId, to: whom, reason: reason.trim() });
  };
  return (
    <Dialog title="Reassign" onClose={onClose}>
      <DialogForm submit="Reassign and page" tone="danger" busy={reassign.isPending} onCancel={onClose} onSubmit={send}>
        <TargetField value={to} onChange={setTo} policies />
        <p className="under">Whoever you name is asked first. If nobody answers within 5 minutes the policy follows from its first step.</p>
        <WhyField value={reason} onChange={setReason} placeholder="It is the network after all" />
      </DialogForm>
    </Dialog>
  );
}

function StopDialog({ escalation, onClose }: DialogProps) {
  const [reason, setReason] = useState("");
  const stop = useMutation(EscalationService.method.stopEscalation, useEscalationOutcome("Nobody else is asked", "The escalation goes on", onClose));
  return (
    <Dialog title="Stop the escalation" onClose={onClose}>
      <DialogForm submit="Stop it" tone="danger" busy={stop.isPending} onCancel={onClose} onSubmit={() => stop.mutate({ incidentId: escalation.incidentId, reason: reason.trim() })}>
        <p>Nobody else is asked, though nobody may have acknowledged. The incident stays as it is.</p>
        <WhyField label="Why?" required value={reason} onChange={setReason} placeholder="Known and expected: the provider is at work" />
      </DialogForm>
    </Dialog>
  );
}

const KINDS = ["responder", "schedule", "team", "policy"] as const;

/** "responder:amara" as the message that asks for it. */
function targetOf(text: string) {
  const [kind, value = ""] = text.split(":", 2);
  if (kind === "schedule") return { target: { case: "schedule" as const, value } };
  if (kind === "team") return { target: { case: "team" as const, value } };
  return { target: { case: "responder" as const, value } };
}

function TargetField({ value, onChange, policies = false }: { value: string; onChange: (value: string) => void; policies?: boolean }) {
  const id = useId();
  const known = useResponse();
  const groups: Record<(typeof KINDS)[number], readonly { name: string; displayName?: string }[]> = {
    responder: known?.responders ?? [],
    schedule: known?.schedules ?? [],
    team: known?.teams ?? [],
    policy: policies ? (known?.escalationPolicies ?? []) : [],
  };
  const labels = { responder: "People", schedule: "Whoever is on call for", team: "Everybody in team", policy: "By the policy" };
  return (
    <>
      <label htmlFor={id}>Who?</label>
      <select id={id} data-first required value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="" disabled>
          Choose
        </option>
        {KINDS.filter((kind) => groups[kind].length > 0).map((kind) => (
          <optgroup key={kind} label={labels[kind]}>
            {groups[kind].map((each) => (
              <option key={each.name} value={`${kind}:${each.name}`}>
                {each.displayName || each.name}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </>
  );
}

interface WhyFieldProps {
  label?: string;
  required?: boolean;
  value: string;
  onChange: (value: string) => void;
  placeholder: string;
}

function WhyField({ label = "Why? (optional)", required = false, value, onChange, placeholder }: WhyFieldProps) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <textarea id={id} rows={2} required={required} maxLength={1000} value={value} placeholder={placeholder} onChange={(event) => onChange(event.target.value)} />
    </>
  );
}
