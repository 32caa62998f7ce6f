import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { ArrowUp, Plus, Trash2 } from "lucide-react";
import { useId, useState } from "react";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import type { ContactMethod } from "../gen/tocsin/communication/v1/page_pb";
import type { PersonalRules, PersonalStep } from "../gen/tocsin/communication/v1/rules_pb";
import { toMilliseconds } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { usePagingOutcome } from "./outcome";
import { channelWord } from "./words";

const MINUTE = 60_000;
const DAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
const SEVERITIES = ["SEV1", "SEV2", "SEV3", "SEV4", "SEV5"];

interface Step {
  method: string;
  minutes: number;
}

interface QuietWindowDraft {
  days: string[];
  begins: string;
  ends: string;
}

interface RulesDialogProps {
  person: string;
  rules: PersonalRules | undefined;
  methods: readonly ContactMethod[];
  onClose: () => void;
}

/** The rules of one person: what is used and when for each urgency, and when it is quiet. */
export function RulesDialog({ person, rules, methods, onClose }: RulesDialogProps) {
  const id = useId();
  const [high, setHigh] = useState(() => steps(rules?.high));
  const [low, setLow] = useState(() => steps(rules?.low));
  const before = rules?.quietHours;
  const [quiet, setQuiet] = useState(before !== undefined);
  const [zone, setZone] = useState(before?.zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone);
  const [windows, setWindows] = useState<QuietWindowDraft[]>(() => before?.windows.map(({ days, begins, ends }) => ({ days, begins, ends })) ?? [{ days: [], begins: "22:00", ends: "07:00" }]);
  const [services, setServices] = useState(before?.exceptServices.join(", ") ?? "");
  const [severities, setSeverities] = useState(before?.exceptSeverities ?? []);
  const [highToo, setHighToo] = useState(before?.highToo ?? false);
  const apply = useMutation(ContactService.method.setPersonalRules, usePagingOutcome("The rules count from now on", "The rules are unchanged", onClose));
  const send = () => {
    const exceptServices = services.split(",").map((each) => each.trim()).filter(Boolean);
    const quietHours = quiet ? { zone: zone.trim(), windows, exceptServices, exceptSeverities: severities, highToo } : undefined;
    apply.mutate({ rules: { name: person, high: high.map(kept), low: low.map(kept), quietHours } });
  };
  return (
    <Dialog title={`How ${person} wants to be paged`} onClose={onClose} wide>
      <DialogForm submit="Keep" busy={apply.isPending} onCancel={onClose} onSubmit={send}>
        <StepsField title="Urgent" none="Nothing named: every contact method after its own delay." steps={high} methods={methods} onChange={setHigh} />
        <StepsField title="What can wait" none="Nothing named: as for what is urgent." steps={low} methods={methods} onChange={setLow} />
        <label className="check">
          <input type="checkbox" checked={quiet} onChange={(event) => setQuiet(event.target.checked)} /> Quiet hours: what can wait waits until they end
        </label>
        {quiet && (
          <fieldset className="group">
            <legend>Quiet hours</legend>
            <label htmlFor={`${id}-zone`}>Time zone</label>
            <input id={`${id}-zone`} required maxLength={64} value={zone} onChange={(event) => setZone(event.target.value)} />
            {windows.map((window, index) => (
              <WindowFields
                key={index}
                window={window}
                onChange={(next) => setWindows(windows.with(index, next))}
                onRemove={windows.length > 1 ? () => setWindows(windows.toSpliced(index, 1)) : undefined}
              />
            ))}
            <button type="button" className="button small" onClick={() => setWindows([...windows, { days: [], begins: "22:00", ends: "07:00" }])}>
              <Plus aria-hidden /> Another time
            </button>
            <p>Come all the same:</p>
            <Toggles label="Severities that come all the same" options={SEVERITIES} value={severities} onChange={setSeverities} />
            <label htmlFor={`${id}-services`}>Services, with commas between</label>
            <input id={`${id}-services`} value={services} onChange={(event) => setServices(event.target.value)} />
            <label className="check">
              <input type="checkbox" checked={highToo} onChange={(event) => setHighToo(event.target.checked)} /> Hold back what is urgent too
            </label>
          </fieldset>
        )}
      </DialogForm>
    </Dialog>
  );
}

function steps(kept: readonly PersonalStep[] | undefined): Step[] {
  return (kept ?? []).map((step) => ({ method: step.contactMethod, minutes: (toMilliseconds(step.delay) ?? 0) / MINUTE }));
}

function kept({ method, minutes }: Step) {
  return { contactMethod: method, delay: durationFromMs(Math.round(minutes * MINUTE)) };
}

interface StepsFieldProps {
  title: string;
  none: string;
  steps: Step[];
  methods: readonly ContactMethod[];
  onChange: (steps: Step[]) => void;
}

function StepsField({ title, none, steps: all, methods, onChange }: StepsFieldProps) {
  const up = (index: number) => onChange(all.with(index - 1, all[index]!).with(index, all[index - 1]!));
  return (
    <fieldset className="group">
      <legend>{title}</legend>
      {all.length === 0 && <p className="under">{none}</p>}
      {all.map((step, index) => (
        <div key={index} className="together">
          <select aria-label={`${title}: contact method ${index + 1}`} value={step.method} onChange={(event) => onChange(all.with(index, { ...step, method: event.target.value }))}>
            {!methods.some((method) => method.name === step.method) && <option>{step.method}</option>}
            {methods.map((method) => (
              <option key={method.name} value={method.name}>
                {channelWord(method.kind)} {method.name}
              </option>
            ))}
          </select>
          <label className="minutes">
            after{" "}
            <input type="number" min={0} max={1440} step="any" required value={step.minutes} onChange={(event) => onChange(all.with(index, { ...step, minutes: Number(event.target.value) }))} /> min
          </label>
          <button type="button" className="button small icon" aria-label="Earlier in the list" disabled={index === 0} onClick={() => up(index)}>
            <ArrowUp aria-hidden />
          </button>
          <button type="button" className="button small icon" aria-label="Take it off the list" onClick={() => onChange(all.toSpliced(index, 1))}>
            <Trash2 aria-hidden />
          </button>
        </div>
      ))}
      <button type="button" className="button small" disabled={methods.length === 0} onClick={() => onChange([...all, { method: methods[0]!.name, minutes: all.length === 0 ? 0 : all[all.length - 1]!.minutes + 5 }])}>
        <Plus aria-hidden /> Contact method
      </button>
    </fieldset>
  );
}

interface WindowFieldsProps {
  window: QuietWindowDraft;
  onChange: (window: QuietWindowDraft) => void;
  onRemove: (() => void) | undefined;
}

function WindowFields({ window, onChange, onRemove }: WindowFieldsProps) {
  return (
    <div>
      <div className="together">
        <input type="time" required aria-label="Quiet from" value={window.begins} onChange={(event) => onChange({ ...window, begins: event.target.value })} />
        <span>to</span>
        <input type="time" required aria-label="Quiet until" value={window.ends} onChange={(event) => onChange({ ...window, ends: event.target.value })} />
        {onRemove && (
          <button type="button" className="button small icon" aria-label="Remove this time" onClick={onRemove}>
            <Trash2 aria-hidden />
          </button>
        )}
      </div>
      <Toggles label="Days on which it begins; none: every day" options={DAYS} value={window.days} onChange={(days) => onChange({ ...window, days })} />
    </div>
  );
}

function Toggles({ label, options, value, onChange }: { label: string; options: string[]; value: string[]; onChange: (value: string[]) => void }) {
  return (
    <div className="choice" role="group" aria-label={label} title={label}>
      {options.map((option) => {
        const on = value.includes(option);
        return (
          <button key={option} type="button" aria-pressed={on} onClick={() => onChange(options.filter((each) => (each === option ? !on : value.includes(each))))}>
            {option}
          </button>
        );
      })}
    </div>
  );
}
