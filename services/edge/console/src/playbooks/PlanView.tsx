/** What a run would do, in the order in which it would do it. */

import { ShieldAlert, Undo2 } from "lucide-react";
import type { Plan } from "../gen/tocsin/response/v1/playbook_pb";

export function PlanView({ plan }: { plan: Plan }) {
  return (
    <div className="plan" aria-label="What it would do">
      {plan.problems.map((problem) => (
        <p key={problem} className="callout bad">
          {problem}
        </p>
      ))}
      {plan.blastRadius.length > 0 && (
        <p className="callout warn">
          <ShieldAlert aria-hidden /> It would touch: {plan.blastRadius.join(" · ")}
        </p>
      )}
      <ol>
        {plan.steps.map((step, index) => (
          <li key={`${step.stepId}-${index}`} style={{ marginInlineStart: `${step.depth}rem` }}>
            <p className="line">
              <span>
                <strong>{step.name || step.stepId}</strong> <span className="under">{step.type}</span>
              </span>
              {step.actions.length > 0 && step.reversible && (
                <span className="badge quiet">
                  <Undo2 aria-hidden /> can be undone
                </span>
              )}
            </p>
            {step.condition && <p className="why">{step.condition}</p>}
            {step.approval && <p className="why">needs {step.approval}</p>}
            {step.actions.map((action) => (
              <p key={action} className="under">
                {action}
              </p>
            ))}
          </li>
        ))}
      </ol>
      {plan.remarks.map((remark) => (
        <p key={remark} className="under">
          {remark}
        </p>
      ))}
    </div>
  );
}
