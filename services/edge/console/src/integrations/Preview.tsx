import { create } from "@bufbuild/protobuf";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { keepPreviousData, skipToken } from "@tanstack/react-query";
import { CircleAlert, Eye } from "lucide-react";
import { useId, useState } from "react";
import { useRefusal } from "../account/caller";
import { StandingBadge } from "../alerts/Badges";
import { Role } from "../gen/tocsin/access/v1/access_pb";
import type { Alert } from "../gen/tocsin/detection/v1/alert_pb";
import { DetectionService, type PreviewReportResponse } from "../gen/tocsin/detection/v1/detection_service_pb";
import { type Integration, MappingSchema } from "../gen/tocsin/detection/v1/integration_pb";
import { explain } from "../platform/errors";
import { Panel } from "../ui/Panel";
import { Empty } from "../ui/States";
import { useOutcome } from "../ui/useOutcome";
import { useSettled } from "../ui/useSettled";
import { headersOf, MAPPING_FIELDS, type MappingTexts, textsOf } from "./words";

/** What a pasted sample would become; for a webhook with the mapping, which can be edited and kept. Nothing is stored meanwhile. */
export function Preview({ integration }: { integration: Integration }) {
  const mapped = integration.kind === "webhook";
  const kept = textsOf(integration.mapping);
  const [edited, setEdited] = useState<MappingTexts>();
  const [sample, setSample] = useState("");
  const [headers, setHeaders] = useState("");
  const texts = edited ?? kept;
  const id = useId();
  return (
    <Panel title={mapped ? "Mapping and preview" : "Preview"} className="preview">
      <div className="preview-parts">
        <div className="form">
          <label htmlFor={`${id}-sample`}>A sample, as its sender sends it</label>
          <textarea
            id={`${id}-sample`}
            className="code"
            rows={mapped ? 8 : 16}
            spellCheck={false}
            value={sample}
            placeholder={'{"title": "disk full", "host": "db-1"}'}
            onChange={(event) => setSample(event.target.value)}
          />
          <details>
            <summary>Headers</summary>
            <textarea className="code" aria-label="Headers of the sample" rows={3} spellCheck={false} value={headers} placeholder="X-Kind: disk" onChange={(event) => setHeaders(event.target.value)} />
          </details>
          {mapped && <MappingEditor integration={integration} texts={texts} changed={edited !== undefined} onChange={setEdited} />}
        </div>
        <Outcome kind={integration.kind} texts={mapped ? texts : undefined} sample={sample} headers={headers} />
      </div>
    </Panel>
  );
}

interface MappingEditorProps {
  integration: Integration;
  texts: MappingTexts;
  changed: boolean;
  /** undefined: as it is kept. */
  onChange: (texts: MappingTexts | undefined) => void;
}

function MappingEditor({ integration, texts, changed, onChange }: MappingEditorProps) {
  const id = useId();
  const refusal = useRefusal(Role.MANAGER);
  const outcome = useOutcome(`The mapping of ${integration.name} is kept`, "The mapping is not kept", DetectionService);
  const keep = useMutation(DetectionService.method.applyConfiguration, {
    ...outcome,
    onSettled: () => outcome.onSettled(),
    onSuccess: () => {
      outcome.onSuccess();
      onChange(undefined);
    },
  });
  const send = () => keep.mutate({ configuration: { integrations: [{ ...integration, mapping: create(MappingSchema, texts) }] } });
  return (
    <fieldset className="mapping">
      <legend>
        One CEL expression for each field, with <code>body</code> and <code>headers</code>; empty: the usual names
      </legend>
      {MAPPING_FIELDS.map(({ field, label, hint }) => (
        <div key={field}>
          <label htmlFor={`${id}-${field}`}>{label}</label>
          <input
            id={`${id}-${field}`}
            className="code"
            spellCheck={false}
            autoComplete="off"
            maxLength={2000}
            value={texts[field]}
            placeholder={hint}
            onChange={(event) => onChange({ ...texts, [field]: event.target.value })}
          />
        </div>
      ))}
      <p className="alert-actions">
        <button type="button" className="button primary" disabled={!changed || keep.isPending || refusal !== undefined} title={refusal} onClick={send}>
          Keep this mapping
        </button>
        <button type="button" className="button" disabled={!changed} onClick={() => onChange(undefined)}>
          As it was
        </button>
      </p>
    </fieldset>
  );
}

interface OutcomeProps {
  kind: string;
  texts: MappingTexts | undefined;
  sample: string;
  headers: string;
}

function Outcome({ kind, texts, sample, headers }: OutcomeProps) {
  const settled = useSettled(JSON.stringify({ kind, mapping: texts, sample, headers }));
  const wanted = JSON.parse(settled) as { kind: string; mapping?: MappingTexts; sample: string; headers: string };
  const request = { kind: wanted.kind, mapping: wanted.mapping, body: new TextEncoder().encode(wanted.sample), headers: headersOf(wanted.headers) };
  const answer = useQuery(DetectionService.method.previewReport, wanted.sample.trim() ? request : skipToken, { placeholderData: keepPreviousData, retry: false });
  return (
    <div className="outcome" aria-live="polite">
      {answer.isError ? (
        <p className="callout bad">
          <CircleAlert aria-hidden /> {explain(answer.error)}
        </p>
      ) : answer.data && wanted.sample.trim() ? (
        <Result answer={answer.data} />
      ) : (
        <Empty icon={Eye} title="Paste a sample">
          What it would become is shown here while you type.
        </Empty>
      )}
    </div>
  );
}

function Result({ answer }: { answer: PreviewReportResponse }) {
  const count = answer.alerts.length;
  return (
    <>
      <p className="under">
        Answered with HTTP {answer.status}; {count === 0 ? "no alert" : count === 1 ? "one alert" : `${count} alerts`}
        {answer.rejections.length > 0 && `, ${answer.rejections.length} refused`}.
      </p>
      {answer.rejections.map((rejection) => (
        <p key={rejection.index} className="callout bad">
          <CircleAlert aria-hidden /> Part {rejection.index + 1}: {rejection.reason}
        </p>
      ))}
      {answer.alerts.map((alert, index) => (
        <Previewed key={index} alert={alert} />
      ))}
    </>
  );
}

function Previewed({ alert }: { alert: Alert }) {
  const facts = [
    ["Key", alert.fingerprint],
    ["Severity", alert.senderSeverity],
    ["Service", alert.senderService],
    ["Link", alert.sourceUrl],
    ...Object.entries(alert.labels).map(([name, value]) => [`label ${name}`, value]),
  ].filter(([, value]) => value);
  return (
    <article className="previewed">
      <p>
        <StandingBadge alert={alert} /> <strong>{alert.title}</strong>
      </p>
      {alert.description && <p className="summary">{alert.description}</p>}
      <dl className="pairs">
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </article>
  );
}
