/** What an automation or a plan proposes, and why; a person accepts or declines. */

import { useMutation } from "@connectrpc/connect-query";
import { Link } from "wouter";
import { useRefusal } from "../account/caller";
import { type Proposal, Proposal_State } from "../gen/tocsin/response/v1/containment_pb";
import { ContainmentService } from "../gen/tocsin/response/v1/containment_service_pb";
import { toDate } from "../platform/time";
import { At } from "../ui/Time";
import { useContainmentOutcome } from "./outcome";
import { proposalWord } from "./words";

export function ProposalLine({ proposal }: { proposal: Proposal }) {
  const [word, tone] = proposalWord(proposal.state);
  const at = toDate(proposal.proposedAt);
  const refusal = useRefusal();
  const answer = useMutation(ContainmentService.method.answerProposal, useContainmentOutcome("Your answer is noted", "Your answer is not noted"));
  const say = (accept: boolean) => answer.mutate({ proposalId: proposal.id, accept });
  const variables = Object.entries(proposal.variables).map(([name, value]) => `${name.replace(/^__|__$/g, "")} = ${value}`);
  return (
    <li data-id={proposal.id}>
      <p className="line">
        <span>
          <strong>{proposal.playbook}</strong>{" "}
          <span className="under">
            {proposal.automation
              ? `automation ${proposal.automation}, version ${proposal.automationVersion}`
              : `plan ${proposal.plan}, version ${proposal.planVersion}`}
          </span>
        </span>
        <span className={`badge ${tone}`}>{word}</span>
      </p>
      <p className="why">{proposal.reason}</p>
      <p className="under">
        {variables.join(" · ")} {at && <At at={at} />}
        {proposal.decidedBy && ` · ${proposal.decidedBy}`}
        {proposal.runId && (
          <>
            {" · "}
            <Link href={`/runs/${proposal.runId}`}>its run</Link>
          </>
        )}
      </p>
      {proposal.state === Proposal_State.OPEN && (
        <p className="question-actions">
          <button type="button" className="button small good" disabled={refusal !== undefined || answer.isPending} title={refusal} onClick={() => say(true)}>
            Run it
          </button>
          <button type="button" className="button small" disabled={refusal !== undefined || answer.isPending} title={refusal} onClick={() => say(false)}>
            Decline
          </button>
        </p>
      )}
    </li>
  );
}
