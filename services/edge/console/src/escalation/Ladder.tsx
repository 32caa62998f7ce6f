import { ArrowDown, CircleStop, Repeat, UserRound, UsersRound } from "lucide-react";
import { Fragment } from "react";
import type { EscalationPolicy, EscalationStep, Target } from "../gen/tocsin/response/v1/escalation_pb";
import { inWords, toMilliseconds } from "../platform/time";
import { conditionWords, delayWords, repeatWords, stepRemarks, targetWords, urgencyWord } from "./words";

/** A policy from its first step to its end, as people climb it. */
export function Ladder({ policy }: { policy: EscalationPolicy }) {
  const needed = policy.acknowledgements;
  return (
    <>
      <ol className="ladder">
        {policy.steps.map((step, index) => (
          <Fragment key={index}>
            <Rung step={step} number={index + 1} />
            <li className="ladder-wait">
              <ArrowDown aria-hidden /> {delayWords(step)}
            </li>
          </Fragment>
        ))}
        <li className="ladder-end">
          {policy.repeat === 0 ? <CircleStop aria-hidden /> : <Repeat aria-hidden />} {repeatWords(policy)}
        </li>
      </ol>
      <ul className="problems">
        {needed > 1 && <li>{needed} different people must acknowledge before nobody else is asked.</li>}
        {policy.fallback.length > 0 && <li>If nobody is on call: {policy.fallback.map(targetWords).join(", ")}.</li>}
        {policy.urgencyRules.map((rule, index) => (
          <li key={`urgency-${index}`}>
            {conditionWords(rule.condition) || "Always"}: {urgencyWord(rule.urgency)}
            {rule.escalationPolicy && `, by ${rule.escalationPolicy}`}
          </li>
        ))}
        {policy.acknowledgeTimeouts.map((timeout, index) => (
          <li key={`timeout-${index}`}>
            {timeout.severities.length > 0 ? `SEV${timeout.severities.join(", SEV")}: an` : "An"} acknowledgement is good for {inWords(toMilliseconds(timeout.after) ?? 0)}; then everybody is asked again.
          </li>
        ))}
      </ul>
    </>
  );
}

function Rung({ step, number }: { step: EscalationStep; number: number }) {
  return (
    <li className="rung">
      <span className="rung-number" aria-label={`Step ${number}`}>
        {number}
      </span>
      <span>
        {step.name && <strong>{step.name} </strong>}
        {step.targets.map((target, index) => (
          <TargetBadge key={index} target={target} />
        ))}
        {stepRemarks(step).map((remark) => (
          <span key={remark} className="under">
            {remark}
          </span>
        ))}
      </span>
    </li>
  );
}

function TargetBadge({ target }: { target: Target }) {
  const Icon = target.target.case === "responder" ? UserRound : UsersRound;
  return (
    <span className="badge quiet">
      <Icon aria-hidden /> {targetWords(target)}
    </span>
  );
}
