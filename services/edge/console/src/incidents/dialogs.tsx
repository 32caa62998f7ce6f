/** The dialogs that act on an incident, or declare one. */

import { useMutation, useQuery } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { useLocation } from "wouter";
import { IncidentType, Severity, type Incident } from "../gen/tocsin/triage/v1/incident_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { explain, isTransient } from "../platform/errors";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";
import { useIncidentActions } from "./actions";
import { SeverityBadge } from "./Badges";
import { incidentPath, SEVERITIES, SEVERITY_WORDS, TYPES, typeWord } from "./words";

export function ResolveDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const { resolve } = useIncidentActions();
  const [reason, setReason] = useState("");
  const send = () => {
    resolve(incident, reason.trim());
    onClose();
  };
  return (
    <Dialog title={`Resolve incident #${incident.number}`} onClose={onClose}>
      <DialogForm submit="Resolve" tone="good" onSubmit={send} onCancel={onClose} busy={false}>
        <p className="subject">{incident.title}</p>
        <ReasonField label="What ended it? (optional)" value={reason} onChange={setReason} placeholder="Rolled back 4.12; error rate is normal since 03:20" />
      </DialogForm>
    </Dialog>
  );
}

export function ReopenDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const { reopen } = useIncidentActions();
  const [reason, setReason] = useState("");
  const send = () => {
    reopen(incident, reason.trim());
    onClose();
  };
  return (
    <Dialog title={`Reopen incident #${incident.number}`} onClose={onClose}>
      <DialogForm submit="Reopen and page" tone="danger" onSubmit={send} onCancel={onClose} busy={false}>
        <p className="subject">{incident.title}</p>
        <p>The escalation starts anew: whoever is on call is paged again.</p>
        <ReasonField label="Why is it not over? (optional)" value={reason} onChange={setReason} />
      </DialogForm>
    </Dialog>
  );
}

export function SeverityDialog({ incident, onClose }: { incident: Incident; onClose: () => void }) {
  const { changeSeverity } = useIncidentActions();
  const [severity, setSeverity] = useState(incident.severity);
  const [reason, setReason] = useState("");
  const send = () => {
    if (severity !== incident.severity) changeSeverity(incident, severity, reason.trim());
    onClose();
  };
  return (
    <Dialog title={`Severity of incident #${incident.number}`} onClose={onClose}>
      <DialogForm submit="Change severity" onSubmit={send} onCancel={onClose} busy={false}>
        <SeverityField value={severity} onChange={setSeverity} first />
        <ReasonField label="Why? (optional)" value={reason} onChange={setReason} />
      </DialogForm>
    </Dialog>
  );
}

export function DeclareDialog({ onClose }: { onClose: () => void }) {
  const [, navigate] = useLocation();
  const [requestId] = useState(newRequestId);
  const [title, setTitle] = useState("");
  const [summary, setSummary] = useState("");
  const [service, setService] = useState("");
  const [severity, setSeverity] = useState<Severity>(Severity.SEV3);
  const [type, setType] = useState<IncidentType>(IncidentType.OPERATIONAL);
  const [secret, setSecret] = useState(false);
  const titleId = useId();
  const summaryId = useId();
  const typeId = useId();
  const secretId = useId();
  const declare = useMutation(TriageService.method.declareIncident, {
    retry: (failures, error) => failures < 2 && isTransient(error),
    onSuccess: ({ incident }) => {
      onClose();
      if (incident) navigate(incidentPath(incident));
    },
  });
  const send = () => declare.mutate({ requestId, title: title.trim(), summary: summary.trim(), service, severity, type, private: secret });
  return (
    <Dialog title="Declare an incident" onClose={onClose} wide>
      <DialogForm submit="Declare and page" tone="danger" onSubmit={send} onCancel={onClose} busy={declare.isPending}>
        <label htmlFor={titleId}>What is wrong?</label>
        <input id={titleId} data-first required maxLength={1024} pattern=".*\S.*" value={title} placeholder="Checkout answers 500 for everybody in Europe" onChange={(event) => setTitle(event.target.value)} />
        <ServiceField label="Affected service" none="I do not know: the default service" value={service} onChange={setService} />
        <SeverityField value={severity} onChange={setSeverity} />
        <label htmlFor={typeId}>Which kind of trouble?</label>
        <select id={typeId} value={type} onChange={(event) => setType(Number(event.target.value))}>
          {TYPES.map((each) => (
            <option key={each} value={each}>
              {typeWord(each)}
            </option>
          ))}
        </select>
        <label className="check" htmlFor={secretId}>
          <input id={secretId} type="checkbox" checked={secret} onChange={(event) => setSecret(event.target.checked)} /> Private: only its members, and whoever is summoned, may know of it
        </label>
        <label htmlFor={summaryId}>What else is known? (optional)</label>
        <textarea id={summaryId} rows={3} maxLength={16384} value={summary} onChange={(event) => setSummary(event.target.value)} />
        {declare.isError && (
          <p className="callout bad" role="alert">
            {explain(declare.error)}
          </p>
        )}
      </DialogForm>
    </Dialog>
  );
}

interface ServiceFieldProps {
  label: string;
  /** What the empty choice says. */
  none: string;
  value: string;
  onChange: (service: string) => void;
}

export function ServiceField({ label, none, value, onChange }: ServiceFieldProps) {
  const id = useId();
  const services = useQuery(TriageService.method.listServices, {}).data?.services ?? [];
  const known = value === "" || services.some((service) => service.name === value);
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">{none}</option>
        {!known && <option value={value}>{value}</option>}
        {services.map((service) => (
          <option key={service.name} value={service.name}>
            {service.displayName || service.name}
          </option>
        ))}
      </select>
    </>
  );
}

function SeverityField({ value, onChange, first = false }: { value: Severity; onChange: (severity: Severity) => void; first?: boolean }) {
  const name = useId();
  return (
    <fieldset className="severities">
      <legend>How bad is it?</legend>
      {SEVERITIES.map((severity) => (
        <label key={severity}>
          <input
            type="radio"
            name={name}
            checked={severity === value}
            data-first={(first && severity === value) || undefined}
            onChange={() => onChange(severity)}
          />
          <SeverityBadge severity={severity} />
          <span>{SEVERITY_WORDS[severity].meaning}</span>
        </label>
      ))}
    </fieldset>
  );
}

interface ReasonFieldProps {
  label: string;
  value: string;
  onChange: (reason: string) => void;
  placeholder?: string;
}

function ReasonField({ label, value, onChange, placeholder }: ReasonFieldProps) {
  const id = useId();
  return (
    <>
      <label htmlFor={id}>{label}</label>
      <textarea id={id} data-first rows={3} maxLength={4000} value={value} placeholder={placeholder} onChange={(event) => onChange(event.target.value)} />
    </>
  );
}
