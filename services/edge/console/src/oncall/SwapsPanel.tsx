import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useMutation, useQuery } from "@connectrpc/connect-query";
import { HandHelping, Repeat2, X } from "lucide-react";
import { useId, useState } from "react";
import { useCaller, useRefusal } from "../account/caller";
import { type Swap, Swap_State } from "../gen/tocsin/response/v1/oncall_pb";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { newRequestId } from "../platform/requestId";
import { dayAndTime, toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Panel } from "../ui/Panel";
import { WhenField } from "../ui/WhenField";
import { useDutyOutcome } from "./outcome";
import { useOrganisation } from "./people";

const HOUR = 3_600_000;
const WORDS: Partial<Record<Swap_State, [string, string]>> = {
  [Swap_State.OPEN]: ["open", "warn"],
  [Swap_State.TAKEN]: ["taken", "good"],
  [Swap_State.CANCELLED]: ["withdrawn", "quiet"],
  [Swap_State.EXPIRED]: ["nobody took it", "bad"],
};

/** Duties that somebody else is asked to take over. Nothing changes until one is taken. */
export function SwapsPanel({ schedule }: { schedule: string }) {
  const refusal = useRefusal();
  const [open, setOpen] = useState(false);
  const swaps = useQuery(OncallService.method.listSwaps, { schedule }).data?.swaps ?? [];
  return (
    <Panel
      title="Swaps"
      aside={
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setOpen(true)}>
          <Repeat2 aria-hidden /> Ask for a swap
        </button>
      }
    >
      {swaps.length === 0 && <p className="inset under">Nobody has asked. A swap changes nothing until somebody takes it.</p>}
      <ul className="overrides-list">
        {swaps.map((swap) => (
          <Row key={swap.id} swap={swap} refusal={refusal} />
        ))}
      </ul>
      {open && <SwapDialog schedule={schedule} onClose={() => setOpen(false)} />}
    </Panel>
  );
}

function Row({ swap, refusal }: { swap: Swap; refusal: string | undefined }) {
  const take = useMutation(OncallService.method.takeSwap, useDutyOutcome("The duty is yours", "The swap was not taken"));
  const cancel = useMutation(OncallService.method.cancelSwap, useDutyOutcome("The swap is withdrawn", "The swap stays open"));
  const [starts, ends] = [toDate(swap.startsAt), toDate(swap.endsAt)];
  const [back, backEnds] = [toDate(swap.returnStartsAt), toDate(swap.returnEndsAt)];
  const [word, tone] = WORDS[swap.state] ?? ["", "quiet"];
  const off = refusal !== undefined || take.isPending || cancel.isPending;
  return (
    <li>
      <span>
        <strong>{swap.responder}</strong> asks {swap.asked || "anybody"} <span className={`badge ${tone}`}>{word}{swap.takenBy && ` by ${swap.takenBy}`}</span>
        <span className="under">
          {starts && dayAndTime(starts)} – {ends && dayAndTime(ends)}
          {back && ` · in return ${dayAndTime(back)} – ${backEnds ? dayAndTime(backEnds) : ""}`}
          {swap.reason && ` · ${swap.reason}`}
        </span>
      </span>
      {swap.state === Swap_State.OPEN && (
        <span className="together">
          <button type="button" className="button small good" disabled={off} title={refusal} onClick={() => take.mutate({ swapId: swap.id })}>
            <HandHelping aria-hidden /> Take it
          </button>
          <button type="button" className="button small icon" aria-label="Withdraw this swap" disabled={off} title={refusal ?? "Withdraw it"} onClick={() => cancel.mutate({ swapId: swap.id })}>
            <X aria-hidden />
          </button>
        </span>
      )}
    </li>
  );
}

function SwapDialog({ schedule, onClose }: { schedule: string; onClose: () => void }) {
  const id = useId();
  const [requestId] = useState(newRequestId);
  const people = useOrganisation()?.responders ?? [];
  const me = useCaller().name;
  const [responder, setResponder] = useState(me);
  const [asked, setAsked] = useState("");
  const [reason, setReason] = useState("");
  const [from, setFrom] = useState<Date | undefined>(() => new Date(Math.ceil(Date.now() / HOUR + 24) * HOUR));
  const [until, setUntil] = useState<Date | undefined>(() => new Date(Math.ceil(Date.now() / HOUR + 48) * HOUR));
  const ask = useMutation(OncallService.method.createSwap, useDutyOutcome("You asked for a swap", "The swap was not asked for", onClose));
  const backwards = from !== undefined && until !== undefined && until <= from;
  const send = () => {
    if (from === undefined || until === undefined || backwards) return;
    ask.mutate({ requestId, schedule, responder, asked, reason: reason.trim(), startsAt: timestampFromDate(from), endsAt: timestampFromDate(until) });
  };
  return (
    <Dialog title={`Ask for a swap in ${schedule}`} onClose={onClose} wide>
      <DialogForm submit="Ask" onSubmit={send} onCancel={onClose} busy={ask.isPending || from === undefined || until === undefined || backwards}>
        <label htmlFor={`${id}-who`}>Whose duties</label>
        <input id={`${id}-who`} data-first required list={`${id}-people`} value={responder} onChange={(event) => setResponder(event.target.value.trim())} />
        <label htmlFor={`${id}-asked`}>Who is asked (empty: anybody)</label>
        <input id={`${id}-asked`} list={`${id}-people`} value={asked} onChange={(event) => setAsked(event.target.value.trim())} />
        <datalist id={`${id}-people`}>
          {people.map((person) => (
            <option key={person.name} value={person.name} label={person.displayName || person.name} />
          ))}
        </datalist>
        <div className="together">
          <WhenField label="From (your clock)" value={from} onChange={setFrom} />
          <WhenField label="Until just before" value={until} onChange={setUntil} />
        </div>
        {backwards && <p className="problem" role="alert">It must end after it begins.</p>}
        <label htmlFor={`${id}-why`}>Why</label>
        <input id={`${id}-why`} maxLength={1000} value={reason} placeholder="a wedding" onChange={(event) => setReason(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}
