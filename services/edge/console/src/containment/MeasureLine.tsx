/** One measure: what was done where, until when, and what can be done about it. */

import { useMutation } from "@connectrpc/connect-query";
import { useId, useState } from "react";
import { Link } from "wouter";
import { useRefusal } from "../account/caller";
import { type Measure, Measure_State } from "../gen/tocsin/response/v1/containment_pb";
import { ContainmentService } from "../gen/tocsin/response/v1/containment_service_pb";
import { newRequestId } from "../platform/requestId";
import { toDate } from "../platform/time";
import { Dialog, DialogForm } from "../ui/Dialog";
import { At } from "../ui/Time";
import { useContainmentOutcome } from "./outcome";
import { measureWord, targetKind, verificationWord } from "./words";

export function MeasureLine({ measure, withIncident = false }: { measure: Measure; withIncident?: boolean }) {
  const [word, tone] = measureWord(measure.state);
  const at = toDate(measure.appliedAt);
  const until = toDate(measure.until);
  const looked = toDate(measure.verifiedAt);
  const verification = measure.state === Measure_State.LIFTED ? undefined : verificationWord(measure.verification);
  return (
    <li data-id={measure.id}>
      <p className="line">
        <span>
          <strong>
            {measure.action} {measure.target}
          </strong>{" "}
          <span className="under">{targetKind(measure.targetKind)}</span>
          {measure.simulated && <span className="badge info">simulated</span>}
        </span>
        <span>
          {verification && <span className={`badge ${verification[1]}`}>{verification[0]}</span>}{" "}
          <span className={`badge ${tone}`}>{measure.kept ? `${word}, stays` : word}</span>
        </span>
      </p>
      <p className="under">
        {measure.appliedBy} {measure.connector ? `by ${measure.connector}` : "by hand"} {at && <At at={at} />}
        {until && measure.state === Measure_State.IN_FORCE && (
          <>
            {" · until "}
            <At at={until} />
          </>
        )}
        {looked && (
          <>
            {" · looked at "}
            <At at={looked} />
          </>
        )}
        {measure.runId && (
          <>
            {" · "}
            <Link href={`/runs/${measure.runId}`}>its run</Link>
          </>
        )}
        {withIncident && measure.incidentId && (
          <>
            {" · "}
            <Link href={`/incidents/${measure.incidentId}`}>its incident</Link>
          </>
        )}
      </p>
      {(measure.decision || measure.reason) && <p className="why">{measure.decision || measure.reason}</p>}
      {verification && verification[1] !== "good" && measure.finding && <p className={verification[1] === "bad" ? "why bad" : "why"}>{measure.finding}</p>}
      {measure.trouble && <p className="why bad">{measure.trouble}</p>}
      {measure.state !== Measure_State.LIFTED && <Deeds measure={measure} />}
    </li>
  );
}

type Deed = "lift" | "confirm" | "keep";
const DEEDS = {
  lift: ["Lift", "Why is it not needed any more?"],
  confirm: ["It is undone", "How was it undone?"],
  keep: ["It stays", "Why does it stay?"],
} as const;

function Deeds({ measure }: { measure: Measure }) {
  const [deed, setDeed] = useState<Deed>();
  const refusal = useRefusal();
  const lifting = measure.state === Measure_State.LIFTING;
  const deeds: Deed[] = lifting ? (measure.undoRunId && !measure.trouble ? [] : ["lift", "confirm"]) : ["lift", "keep", "confirm"];
  return (
    <p className="question-actions">
      {deeds
        .filter((each) => each !== "keep" || (measure.state === Measure_State.IN_FORCE && !measure.kept))
        .map((each) => (
          <button key={each} type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setDeed(each)}>
            {lifting && each === "lift" ? "Try again" : DEEDS[each][0]}…
          </button>
        ))}
      {deed && <DeedDialog measure={measure} deed={deed} onClose={() => setDeed(undefined)} />}
    </p>
  );
}

function DeedDialog({ measure, deed, onClose }: { measure: Measure; deed: Deed; onClose: () => void }) {
  const [label, question] = DEEDS[deed];
  const [reason, setReason] = useState("");
  const [requestId] = useState(newRequestId);
  const field = useId();
  const lift = useMutation(ContainmentService.method.liftMeasure, useContainmentOutcome("The measure is being lifted", "The measure stays as it is"));
  const confirm = useMutation(ContainmentService.method.confirmLifted, useContainmentOutcome("The measure is lifted", "The measure stays as it is"));
  const keep = useMutation(ContainmentService.method.keepMeasure, useContainmentOutcome("It is noted that the measure stays", "Nothing is noted"));
  const send = () => {
    const request = { measureId: measure.id, reason: reason.trim() };
    if (deed === "lift") lift.mutate({ requestId, ...request });
    if (deed === "confirm") confirm.mutate(request);
    if (deed === "keep") keep.mutate(request);
    onClose();
  };
  return (
    <Dialog title={`${label}: ${measure.action} ${measure.target}`} onClose={onClose}>
      <DialogForm submit={label} tone={deed === "keep" ? "primary" : "danger"} onSubmit={send} onCancel={onClose} busy={false}>
        {deed === "lift" && !measure.reversible && <p className="callout warn">Nothing here can undo it. Undo it by hand, then say that it is undone.</p>}
        <label htmlFor={field}>{question}</label>
        <input id={field} data-first required pattern=".*\S.*" maxLength={1000} value={reason} onChange={(event) => setReason(event.target.value)} />
      </DialogForm>
    </Dialog>
  );
}
