/** What was collected as evidence, who holds it, and whether all of it is still what it was. */

import { useMutation, useQuery } from "@connectrpc/connect-query";
import { FileLock2, ShieldAlert, ShieldCheck } from "lucide-react";
import { useState } from "react";
import { useRefusal } from "../account/caller";
import { type Evidence, Evidence_State } from "../gen/tocsin/response/v1/evidence_pb";
import { EvidenceService, type VerifyEvidenceResponse } from "../gen/tocsin/response/v1/evidence_service_pb";
import { toDate } from "../platform/time";
import { useNotices } from "../ui/Notices";
import { Panel } from "../ui/Panel";
import { Empty, Failure, Loading } from "../ui/States";
import { At } from "../ui/Time";
import { bytesInWords } from "./words";

export default function EvidencePanel({ incidentId }: { incidentId: string }) {
  const answer = useQuery(EvidenceService.method.listEvidence, { incidentId, pageSize: 200 });
  const [found, setFound] = useState<VerifyEvidenceResponse>();
  const refusal = useRefusal();
  const notices = useNotices();
  const verify = useMutation(EvidenceService.method.verifyEvidence, { onSuccess: setFound, onError: (error) => notices.failed("The evidence was not verified", error) });
  const items = answer.data?.evidence ?? [];
  return (
    <Panel
      title="Evidence"
      aside={
        items.length > 0 && (
          <button type="button" className="button small" disabled={refusal !== undefined || verify.isPending} title={refusal} onClick={() => verify.mutate({ incidentId })}>
            {verify.isPending ? "Verifying…" : "Verify"}
          </button>
        )
      }
    >
      {answer.isPending && <Loading what="evidence" />}
      {answer.isError && !answer.data && <Failure what="Evidence" error={answer.error} retry={() => void answer.refetch()} />}
      {answer.data && items.length === 0 && (
        <Empty icon={FileLock2} title="Nothing was collected yet">
          Playbooks collect it, or you: <code>tocsin evidence add INCIDENT FILE</code>
        </Empty>
      )}
      {found && <Verdict found={found} />}
      <ul className="pages">
        {items.map((item) => (
          <Item key={item.id} item={item} />
        ))}
      </ul>
      {items.length > 0 && (
        <p className="inset under">
          <code>tocsin evidence export</code> writes a bundle that anybody can verify without Tocsin.
        </p>
      )}
    </Panel>
  );
}

function Verdict({ found }: { found: VerifyEvidenceResponse }) {
  if (found.findings.length === 0) {
    return (
      <p className="callout good" role="status">
        <ShieldCheck aria-hidden /> {found.items} items and {String(found.entries)} entries of the ledger are what they were.
      </p>
    );
  }
  return (
    <div className="callout bad" role="alert">
      <ShieldAlert aria-hidden />
      <ul>
        {found.findings.map((finding) => (
          <li key={`${finding.index}-${finding.evidenceId}-${finding.text}`}>{finding.text}</li>
        ))}
      </ul>
    </div>
  );
}

function Item({ item }: { item: Evidence }) {
  const at = toDate(item.addedAt);
  const state = item.state === Evidence_State.RELEASED ? "released" : item.state === Evidence_State.RELEASE_ASKED ? "release asked for" : "held";
  return (
    <li data-id={item.id}>
      <p className="line">
        <strong>{item.collected?.name}</strong>
        <span className="badge quiet">{item.legalHold ? `${state}, legal hold` : state}</span>
      </p>
      <p className="under">
        {item.collected?.kind} {bytesInWords(item.size)} · {item.collected?.collector || item.addedBy}
        {item.collected?.tool && ` with ${item.collected.tool}`}
        {item.collected?.source && ` from ${item.collected.source}`} {at && <At at={at} />}
      </p>
      <p className="under hash" title={item.sha256}>
        SHA-256 {item.sha256.slice(0, 16)}… · held by {item.custodian}
      </p>
    </li>
  );
}
