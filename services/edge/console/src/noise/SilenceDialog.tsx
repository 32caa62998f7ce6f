import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { LengthField } from "../alerts/LengthField";
import { lengthOf } from "../alerts/lengths";
import { matchersOf, splitMatchers } from "../alerts/matchers";
import type { Alert } from "../gen/tocsin/detection/v1/alert_pb";
import { type Silence, Silence_State } from "../gen/tocsin/detection/v1/noise_pb";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { explain } from "../platform/errors";
import { useNow } from "../platform/now";
import { newRequestId } from "../platform/requestId";
import { dayAndTime, toDate } from "../platform/time";
import { Choice } from "../ui/Choice";
import { Dialog, DialogForm } from "../ui/Dialog";
import { Matches } from "./Matches";
import { useNoiseOutcome } from "./outcome";

interface SilenceDialogProps {
  /** The alert that is to be silenced, alone or with what is like it. */
  alert?: Alert;
  /** The silence that is changed; without it a new one is made. */
  silence?: Silence;
  onClose: () => void;
}

const SCOPES = [
  { value: "one", label: "Only this alert" },
  { value: "all", label: "All that match" },
] as const;

/** Makes a silence, or changes one. */
export function SilenceDialog({ alert, silence, onClose }: SilenceDialogProps) {
  const [requestId] = useState(newRequestId);
  // The end of one that is over lies in the past: another one needs another end.
  const kept = silence !== undefined && silence.state !== Silence_State.EXPIRED;
  const [scope, setScope] = useState<"one" | "all">(alert ? "one" : "all");
  const [text, setText] = useState(() => (silence?.matchers ?? matchersOf(alert?.labels ?? {})).join("\n"));
  const [length, setLength] = useState(kept ? "" : "2h");
  const [comment, setComment] = useState(silence?.comment ?? "");
  const now = useNow();
  const ends = (length === "" && toDate(silence?.endsAt)) || new Date(now + lengthOf(length || "2h"));
  const { busy, error, send } = useSaving(onClose);
  const id = useId();
  const submit = () => {
    const shared = { requestId, endsAt: timestampFromMs(ends.getTime()), comment: comment.trim() };
    if (alert && scope === "one") send.one({ ...shared, alertId: alert.id });
    else if (silence) send.edit({ requestId, silenceId: silence.id, silence: { ...shared, startsAt: kept ? silence.startsAt : undefined, matchers: splitMatchers(text) } });
    else send.create({ requestId, silence: { ...shared, matchers: splitMatchers(text) } });
  };
  return (
    <Dialog title={kept ? "Change a silence" : silence ? "Silence again" : "New silence"} onClose={onClose} wide>
      <DialogForm submit={kept ? "Change it" : "Silence"} onSubmit={submit} onCancel={onClose} busy={busy}>
        {alert && (
          <>
            <p className="subject">{alert.title}</p>
            <Choice label="What is silenced" value={scope} onChange={setScope} options={SCOPES} />
          </>
        )}
        {scope === "all" && (
          <>
            <label htmlFor={`${id}-matchers`}>Matchers, one a line; all must match</label>
            <textarea
              id={`${id}-matchers`}
              className="code"
              data-first={!alert || undefined}
              required
              rows={4}
              spellCheck={false}
              value={text}
              placeholder={'team="shop"\nhost=~"db-.*"'}
              onChange={(event) => setText(event.target.value)}
            />
            <Matches text={text} />
          </>
        )}
        <LengthField label="For how long?" value={length} onChange={setLength} none={kept ? "As it is" : undefined} />
        <p className="under">Until {dayAndTime(ends)}. Whoever was told that something fires is still told that it ended.</p>
        <label htmlFor={`${id}-comment`}>Why?</label>
        <textarea id={`${id}-comment`} required data-first={alert ? true : undefined} rows={2} maxLength={1000} value={comment} placeholder="The disk of db-1 is being swapped" onChange={(event) => setComment(event.target.value)} />
        {error != null && (
          <p className="callout bad" role="alert">
            {explain(error)}
          </p>
        )}
      </DialogForm>
    </Dialog>
  );
}

/** The three calls that save; the dialog closes when one of them was answered well. */
function useSaving(onClose: () => void) {
  const made = useNoiseOutcome("The silence is made", onClose);
  const changed = useNoiseOutcome("The silence is changed", onClose);
  const create = useMutation(NoiseService.method.createSilence, made);
  const one = useMutation(NoiseService.method.silenceAlert, made);
  const edit = useMutation(NoiseService.method.editSilence, changed);
  return {
    busy: create.isPending || one.isPending || edit.isPending,
    error: create.error ?? one.error ?? edit.error,
    send: { create: create.mutate, one: one.mutate, edit: edit.mutate },
  };
}
