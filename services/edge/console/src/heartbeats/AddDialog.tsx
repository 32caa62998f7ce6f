import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { DetectionService } from "../gen/tocsin/detection/v1/detection_service_pb";
import { Heartbeat_Unit } from "../gen/tocsin/detection/v1/heartbeat_pb";
import { HeartbeatService } from "../gen/tocsin/detection/v1/heartbeat_service_pb";
import { ServiceField } from "../incidents/dialogs";
import { explain } from "../platform/errors";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";
import { useOutcome } from "../ui/useOutcome";
import { UNIT_WORDS } from "./words";

const UNITS = [Heartbeat_Unit.MINUTES, Heartbeat_Unit.HOURS, Heartbeat_Unit.DAYS];
// Kinds of integration through whose address heartbeats are pinged.
const KINDS = new Set(["heartbeat", "opsgenie"]);

export function AddDialog({ onClose }: { onClose: () => void }) {
  const ids = { name: useId(), integration: useId(), interval: useId(), grace: useId(), description: useId() };
  const [requestId] = useState(newRequestId);
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState("");
  const [interval, setInterval] = useState(5);
  const [unit, setUnit] = useState(Heartbeat_Unit.MINUTES);
  const [grace, setGrace] = useState(1);
  const [service, setService] = useState("");
  const [description, setDescription] = useState("");
  const integrations = (useQuery(DetectionService.method.listIntegrations, {}).data?.integrations ?? []).filter((each) => KINDS.has(each.kind));
  const integration = chosen || (integrations[0]?.name ?? "");
  const outcome = useOutcome(`${name} is made`, "", HeartbeatService);
  const add = useMutation(HeartbeatService.method.createHeartbeat, {
    onSuccess: () => {
      outcome.onSuccess();
      onClose();
    },
    onSettled: outcome.onSettled,
  });
  const send = () =>
    add.mutate({ requestId, heartbeat: { name: name.trim(), integration, interval, unit, grace: durationFromMs(grace * 60_000), service, description: description.trim() } });
  return (
    <Dialog title="New heartbeat" onClose={onClose}>
      <DialogForm submit="Make it" onSubmit={send} onCancel={onClose} busy={add.isPending || integration === ""}>
        <label htmlFor={ids.name}>Name</label>
        <input id={ids.name} data-first required maxLength={200} value={name} placeholder="nightly-backup" onChange={(event) => setName(event.target.value)} />
        <label htmlFor={ids.integration}>Pinged through</label>
        <select id={ids.integration} value={integration} onChange={(event) => setChosen(event.target.value)}>
          {integrations.map((each) => (
            <option key={each.name} value={each.name}>
              {each.name} ({each.kind})
            </option>
          ))}
        </select>
        {integrations.length === 0 && <p className="callout warn">There is no integration of kind “heartbeat” or “opsgenie”. Apply one first.</p>}
        <label htmlFor={ids.interval}>Expected every</label>
        <div className="together">
          <input id={ids.interval} type="number" required min={1} max={527040} value={interval} onChange={(event) => setInterval(event.target.valueAsNumber || 1)} />
          <select aria-label="Unit" value={unit} onChange={(event) => setUnit(Number(event.target.value))}>
            {UNITS.map((each) => (
              <option key={each} value={each}>
                {UNIT_WORDS[each]}s
              </option>
            ))}
          </select>
        </div>
        <label htmlFor={ids.grace}>Grace after that, in minutes</label>
        <input id={ids.grace} type="number" required min={0} max={44640} value={grace} onChange={(event) => setGrace(event.target.valueAsNumber || 0)} />
        <ServiceField label="Affected service" none="That of the integration" value={service} onChange={setService} />
        <label htmlFor={ids.description}>What is it for? (optional)</label>
        <textarea id={ids.description} rows={2} maxLength={10000} value={description} onChange={(event) => setDescription(event.target.value)} />
        {add.isError && (
          <p className="callout bad" role="alert">
            {explain(add.error)}
          </p>
        )}
      </DialogForm>
    </Dialog>
  );
}
