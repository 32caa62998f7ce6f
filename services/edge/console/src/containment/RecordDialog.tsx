/** Enter a measure that was taken by hand, so that it is not forgotten. */

import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { TargetKind } from "../gen/tocsin/response/v1/containment_pb";
import { ContainmentService } from "../gen/tocsin/response/v1/containment_service_pb";
import { newRequestId } from "../platform/requestId";
import { Dialog, DialogForm } from "../ui/Dialog";
import { useContainmentOutcome } from "./outcome";
import { TARGET_KINDS, targetKind } from "./words";

export function RecordDialog({ incidentId, onClose }: { incidentId: string; onClose: () => void }) {
  const [requestId] = useState(newRequestId);
  const [action, setAction] = useState("");
  const [kind, setKind] = useState<TargetKind>(TargetKind.HOST);
  const [target, setTarget] = useState("");
  const [reason, setReason] = useState("");
  const ids = [useId(), useId(), useId(), useId()];
  const record = useMutation(ContainmentService.method.recordMeasure, useContainmentOutcome("The measure is in the ledger", "The measure is not entered"));
  const send = () => {
    record.mutate({ requestId, incidentId, action: action.trim(), targetKind: kind, target: target.trim(), reason: reason.trim() });
    onClose();
  };
  return (
    <Dialog title="Enter a measure taken by hand" onClose={onClose}>
      <DialogForm submit="Enter it" onSubmit={send} onCancel={onClose} busy={record.isPending}>
        <label htmlFor={ids[0]}>What was done?</label>
        <input id={ids[0]} data-first required pattern=".*\S.*" maxLength={100} placeholder="isolate-host" value={action} onChange={(event) => setAction(event.target.value)} />
        <label htmlFor={ids[1]}>To what kind of thing?</label>
        <select id={ids[1]} value={kind} onChange={(event) => setKind(Number(event.target.value))}>
          {TARGET_KINDS.map((each) => (
            <option key={each} value={each}>
              {targetKind(each)}
            </option>
          ))}
        </select>
        <label htmlFor={ids[2]}>Which one?</label>
        <input id={ids[2]} required pattern=".*\S.*" maxLength={300} placeholder="db-1" value={target} onChange={(event) => setTarget(event.target.value)} />
        <label htmlFor={ids[3]}>Why? (optional)</label>
        <input id={ids[3]} maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}
