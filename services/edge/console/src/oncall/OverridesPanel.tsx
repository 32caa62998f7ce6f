import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Plus, Trash2 } from "lucide-react";
import { useId, useState } from "react";
import { useRefusal } from "../account/caller";
import { type Override, Override_Kind } from "../gen/tocsin/response/v1/oncall_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { newRequestId } from "../platform/requestId";
import { dayAndTime, toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { WhenField } from "../ui/WhenField";
import { useDutyOutcome } from "./outcome";
import { useOrganisation } from "./people";

const HOUR = 3_600_000;
const KINDS = [
  { value: "cover", label: "Instead of everybody" },
  { value: "replace", label: "Instead of one" },
  { value: "add", label: "As well" },
  { value: "remove", label: "Take one off" },
] as const;
type Deed = (typeof KINDS)[number]["value"];
const NUMBERS: Record<Deed, Override_Kind> = {
  cover: Override_Kind.COVER_ALL,
  replace: Override_Kind.REPLACE,
  add: Override_Kind.ADD,
  remove: Override_Kind.REMOVE,
};

/** Who stands in for whom for a while, and a way to say so. */
export function OverridesPanel({ schedule }: { schedule: string }) {
  const refusal = useRefusal();
  const [open, setOpen] = useState(false);
  const overrides = useQuery(ResponseService.method.listOverrides, { schedule }).data?.overrides ?? [];
  return (
    <Panel
      title="Overrides"
      aside={
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setOpen(true)}>
          <Plus aria-hidden /> Put somebody on call
        </button>
      }
    >
      {overrides.length === 0 && <p className="inset under">None. The schedule goes by its layers.</p>}
      <ul className="overrides-list">
        {overrides.map((override) => (
          <Row key={override.id} override={override} refusal={refusal} />
        ))}
      </ul>
      {open && <OverrideDialog schedule={schedule} onClose={() => setOpen(false)} />}
    </Panel>
  );
}

function Row({ override, refusal }: { override: Override; refusal: string | undefined }) {
  const remove = useMutation(ResponseService.method.deleteOverride, useDutyOutcome("The override is gone", "The override stays"));
  const [starts, ends] = [toDate(override.startsAt), toDate(override.endsAt)];
  return (
    <li>
      <span>
        <strong>{sentence(override)}</strong>
        <span className="under">
          {starts && dayAndTime(starts)} – {ends && dayAndTime(ends)} · by {override.createdBy}
          {override.layer && ` · layer ${override.layer}`}
          {override.reason && ` · ${override.reason}`}
        </span>
      </span>
      <button type="button" className="button small icon" aria-label="Remove this override" disabled={refusal !== undefined || remove.isPending} title={refusal ?? "Remove it"} onClick={() => remove.mutate({ overrideId: override.id })}>
        <Trash2 aria-hidden />
      </button>
    </li>
  );
}

function sentence(override: Override): string {
  switch (override.kind) {
    case Override_Kind.REPLACE:
      return `${override.responder} instead of ${override.insteadOf}`;
    case Override_Kind.ADD:
      return `${override.responder} as well`;
    case Override_Kind.REMOVE:
      return `without ${override.insteadOf}`;
    default:
      return override.responder ? `${override.responder} instead of everybody` : "nobody";
  }
}

function OverrideDialog({ schedule, onClose }: { schedule: string; onClose: () => void }) {
  const id = useId();
  const [requestId] = useState(newRequestId);
  const organisation = useOrganisation();
  const people = organisation?.responders ?? [];
  const layers = organisation?.schedules.find((each) => each.name === schedule)?.layers ?? [];
  const [deed, setDeed] = useState<Deed>("cover");
  const [responder, setResponder] = useState("");
  const [insteadOf, setInsteadOf] = useState("");
  const [layer, setLayer] = useState("");
  const [reason, setReason] = useState("");
  const [from, setFrom] = useState<Date | undefined>(() => new Date(Math.ceil(Date.now() / HOUR) * HOUR));
  const [until, setUntil] = useState<Date | undefined>(() => new Date(Math.ceil(Date.now() / HOUR + 8) * HOUR));
  const make = useMutation(ResponseService.method.createOverride, useDutyOutcome("The override counts", "Nothing was changed", onClose));
  const comes = deed !== "remove";
  const goes = deed === "replace" || deed === "remove";
  const backwards = from !== undefined && until !== undefined && until <= from;
  const send = () => {
    if (from === undefined || until === undefined || backwards) return;
    make.mutate({
      requestId,
      schedule,
      kind: NUMBERS[deed],
      responder: comes ? responder : "",
      insteadOf: goes ? insteadOf : "",
      layer,
      reason: reason.trim(),
      startsAt: timestampFromDate(from),
      endsAt: timestampFromDate(until),
    });
  };
  const names = people.map((person) => <option key={person.name} value={person.name} label={person.displayName || person.name} />);
  return (
    <Dialog title={`Change who is on call for ${schedule}`} onClose={onClose} wide>
      <DialogForm submit="Change it" onSubmit={send} onCancel={onClose} busy={make.isPending || from === undefined || until === undefined || backwards}>
        <Choice label="What it does" options={KINDS} value={deed} onChange={setDeed} />
        {comes && (
          <>
            <label htmlFor={`${id}-who`}>Who comes</label>
            <input id={`${id}-who`} data-first required list={`${id}-people`} value={responder} onChange={(event) => setResponder(event.target.value.trim())} />
          </>
        )}
        {goes && (
          <>
            <label htmlFor={`${id}-goes`}>Who goes</label>
            <input id={`${id}-goes`} required list={`${id}-people`} value={insteadOf} onChange={(event) => setInsteadOf(event.target.value.trim())} />
          </>
        )}
        <datalist id={`${id}-people`}>{names}</datalist>
        <div className="together">
          <WhenField label="From (your clock)" value={from} onChange={setFrom} />
          <WhenField label="Until just before" value={until} onChange={setUntil} />
        </div>
        {backwards && <p className="problem" role="alert">It must end after it begins.</p>}
        {layers.length > 1 && (
          <>
            <label htmlFor={`${id}-layer`}>Only in this layer</label>
            <select id={`${id}-layer`} value={layer} onChange={(event) => setLayer(event.target.value)}>
              <option value="">the whole schedule</option>
              {layers.map((each) => (
                <option key={each.name} value={each.name}>
                  {each.name}
                </option>
              ))}
            </select>
          </>
        )}
        <label htmlFor={`${id}-why`}>Why (shown to whoever asks)</label>
        <input id={`${id}-why`} maxLength={1000} value={reason} placeholder="at the dentist" onChange={(event) => setReason(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}
