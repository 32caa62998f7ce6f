/** What was done to contain an incident, what automations and its plan propose for it, and whether its return is looked out for. */

import { useQuery } from "@connectrpc/connect-query";
import { ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useRefusal } from "../account/caller";
import { ContainmentService } from "../gen/tocsin/response/v1/containment_service_pb";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { MeasureLine } from "./MeasureLine";
import { ProposalLine } from "./ProposalLine";
import { RecordDialog } from "./RecordDialog";

export default function MeasuresPanel({ incidentId }: { incidentId: string }) {
  const [recording, setRecording] = useState(false);
  const refusal = useRefusal();
  const answer = useQuery(ContainmentService.method.listMeasures, { incidentId, pageSize: 200 });
  const proposals = useQuery(ContainmentService.method.listProposals, { incidentId, pageSize: 50 }).data?.proposals ?? [];
  const [watch] = useQuery(ContainmentService.method.listRecoveryWatches, { incidentId }).data?.watches ?? [];
  const measures = answer.data?.measures ?? [];
  const until = toDate(watch?.until);
  return (
    <Panel
      title="Containment"
      aside={
        <button type="button" className="button small" disabled={refusal !== undefined} title={refusal} onClick={() => setRecording(true)}>
          Enter a measure
        </button>
      }
    >
      {answer.isPending && <Loading what="measures" />}
      {answer.isError && !answer.data && <Failure what="Measures" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && measures.length === 0 && proposals.length === 0 && <Empty icon={ShieldCheck} title="Nothing is in force" />}
      <ul className="pages">
        {proposals.map((proposal) => (
          <ProposalLine key={proposal.id} proposal={proposal} />
        ))}
        {measures.map((measure) => (
          <MeasureLine key={measure.id} measure={measure} />
        ))}
      </ul>
      {watch && until && (
        <p className="inset under">
          {watch.recurrence ? `It came back: ${watch.recurrence}` : <>Its return is looked out for until <At at={until} />, by {watch.indicators.length} indicators.</>}
        </p>
      )}
      {recording && <RecordDialog incidentId={incidentId} onClose={() => setRecording(false)} />}
    </Panel>
  );
}
