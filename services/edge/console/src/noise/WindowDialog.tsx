import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { splitMatchers } from "../alerts/matchers";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { explain } from "../platform/errors";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Matches } from "./Matches";
import { useNoiseOutcome } from "./outcome";

const HOUR = 3_600_000;
const REPEATS = [
  ["", "Once"],
  ["FREQ=DAILY", "Every day"],
  ["FREQ=WEEKLY", "Every week"],
  ["FREQ=MONTHLY", "Every month"],
] as const;

/** Plans maintenance, by the clock on the wall of a zone. */
export function WindowDialog({ onClose }: { onClose: () => void }) {
  const id = useId();
  const [requestId] = useState(newRequestId);
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [services, setServices] = useState("");
  const [text, setText] = useState("");
  const [startsAt, setStartsAt] = useState(nextHour);
  const [hours, setHours] = useState(2);
  const [zone, setZone] = useState(() => new Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [recurrence, setRecurrence] = useState("");
  const add = useMutation(NoiseService.method.addMaintenanceWindow, useNoiseOutcome(`${name} is planned`, onClose));
  const named = services.split(/[\s,]+/).filter(Boolean);
  const send = () =>
    add.mutate({ requestId, window: { name, description: description.trim(), services: named, matchers: splitMatchers(text), zone, startsAt, length: durationFromMs(hours * HOUR), recurrence: recurrence.trim() } });
  return (
    <Dialog title="New maintenance window" onClose={onClose} wide>
      <DialogForm submit="Plan it" onSubmit={send} onCancel={onClose} busy={add.isPending}>
        <label htmlFor={`${id}-name`}>Name: lower-case letters, digits and dashes</label>
        <input id={`${id}-name`} data-first required pattern="[a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?" value={name} placeholder="db-upgrade" onChange={(event) => setName(event.target.value)} />
        <label htmlFor={`${id}-what`}>What is done?</label>
        <input id={`${id}-what`} maxLength={1000} value={description} placeholder="Upgrade of the database" onChange={(event) => setDescription(event.target.value)} />
        <label htmlFor={`${id}-services`}>Services, with commas</label>
        <input id={`${id}-services`} value={services} placeholder="checkout, orders" onChange={(event) => setServices(event.target.value)} />
        <label htmlFor={`${id}-matchers`}>Matchers, one a line (optional where there are services)</label>
        <textarea id={`${id}-matchers`} className="code" rows={2} required={named.length === 0} spellCheck={false} value={text} placeholder={'host=~"db-.*"'} onChange={(event) => setText(event.target.value)} />
        {text.trim() !== "" && <Matches text={text} />}
        <div className="together">
          <div>
            <label htmlFor={`${id}-from`}>Opens</label>
            <input id={`${id}-from`} type="datetime-local" required value={startsAt} onChange={(event) => setStartsAt(event.target.value)} />
          </div>
          <div>
            <label htmlFor={`${id}-hours`}>For how many hours</label>
            <input id={`${id}-hours`} type="number" required min={0.25} max={744} step={0.25} value={hours} onChange={(event) => setHours(event.target.valueAsNumber || 1)} />
          </div>
          <div>
            <label htmlFor={`${id}-zone`}>Time zone</label>
            <input id={`${id}-zone`} required value={zone} onChange={(event) => setZone(event.target.value)} />
          </div>
        </div>
        <label htmlFor={`${id}-again`}>How often? A rule of RFC 5545, or empty for once</label>
        <input id={`${id}-again`} list={`${id}-rules`} className="code" value={recurrence} placeholder="FREQ=WEEKLY;BYDAY=SU" onChange={(event) => setRecurrence(event.target.value)} />
        <datalist id={`${id}-rules`}>
          {REPEATS.map(([rule, words]) => (
            <option key={rule} value={rule} label={words} />
          ))}
        </datalist>
        {add.isError && (
          <p className="callout bad" role="alert">
            {explain(add.error)}
          </p>
        )}
      </DialogForm>
    </Dialog>
  );
}

/** The next full hour of the wall clock, as the field wants it: "2026-11-24T22:00". */
function nextHour(): string {
  const at = new Date(Date.now() + HOUR);
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:00`;
}
