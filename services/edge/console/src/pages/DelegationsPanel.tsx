import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { Forward } from "lucide-react";
import { useId, useState } from "react";
import { useRefusal } from "../account/caller";
import type { Delegation } from "../gen/tocsin/communication/v1/contact_pb";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import { newRequestId } from "../platform/requestId";
import { dayAndTime, toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { WhenField } from "../ui/WhenField";
import { usePagingOutcome } from "./outcome";
import { PersonField } from "./PersonField";

const HOUR = 3_600_000;

/** Who takes the pages of somebody else for a while. */
export function DelegationsPanel({ person }: { person: string }) {
  const refusal = useRefusal();
  const [open, setOpen] = useState(false);
  const delegations = useQuery(ContactService.method.listDelegations, { responder: person, onlyCurrent: true }).data?.delegations ?? [];
  return (
    <Panel
      title="Delegation"
      aside={
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setOpen(true)}>
          <Forward aria-hidden /> Send pages to somebody
        </button>
      }
    >
      {delegations.length === 0 && <p className="inset under">None: pages come to {person}.</p>}
      <ul className="overrides-list">
        {delegations.map((delegation) => (
          <Row key={delegation.id} delegation={delegation} refusal={refusal} />
        ))}
      </ul>
      {open && <DelegateDialog person={person} onClose={() => setOpen(false)} />}
    </Panel>
  );
}

function Row({ delegation, refusal }: { delegation: Delegation; refusal: string | undefined }) {
  const end = useMutation(ContactService.method.endDelegation, usePagingOutcome("The delegation has ended", "The delegation goes on"));
  const [starts, ends] = [toDate(delegation.startsAt), toDate(delegation.endsAt)];
  return (
    <li>
      <span>
        <strong>
          {delegation.fromResponder} → {delegation.toResponder}
        </strong>
        <span className="under">
          {starts && dayAndTime(starts)} – {ends && dayAndTime(ends)} · by {delegation.madeBy}
          {delegation.reason && ` · ${delegation.reason}`}
        </span>
      </span>
      <button type="button" className="button small" disabled={refusal !== undefined || end.isPending} title={refusal} onClick={() => end.mutate({ delegationId: delegation.id })}>
        End it
      </button>
    </li>
  );
}

function DelegateDialog({ person, onClose }: { person: string; onClose: () => void }) {
  const id = useId();
  const [requestId] = useState(newRequestId);
  const [to, setTo] = useState("");
  const [reason, setReason] = useState("");
  const [from, setFrom] = useState<Date | undefined>(() => new Date(Math.floor(Date.now() / 60_000) * 60_000));
  const [until, setUntil] = useState<Date | undefined>(() => new Date(Math.ceil(Date.now() / HOUR + 8) * HOUR));
  const make = useMutation(ContactService.method.createDelegation, usePagingOutcome("The delegation counts", "Nothing was changed", onClose));
  const backwards = from !== undefined && until !== undefined && until <= from;
  const send = () => {
    if (from === undefined || until === undefined || backwards || to === "") return;
    make.mutate({ requestId, fromResponder: person, toResponder: to, startsAt: timestampFromDate(from), endsAt: timestampFromDate(until), reason: reason.trim() });
  };
  return (
    <Dialog title={`Send the pages of ${person} to somebody`} onClose={onClose} wide>
      <DialogForm submit="Delegate" busy={make.isPending || to === "" || from === undefined || until === undefined || backwards} onCancel={onClose} onSubmit={send}>
        <PersonField label="To whom" none="Choose" value={to} onChange={setTo} />
        <div className="together">
          <WhenField label="From (your clock)" value={from} onChange={setFrom} />
          <WhenField label="Until just before" value={until} onChange={setUntil} />
        </div>
        {backwards && <p className="problem" role="alert">It must end after it begins.</p>}
        <label htmlFor={id}>Why (the pages say it)</label>
        <input id={id} maxLength={500} value={reason} placeholder="on a plane" onChange={(event) => setReason(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}
