/** The six phases: where the incident is, what keeps it there, and the way on. */

import { useMutation } from "@connectrpc/connect-query";
import { Check, CircleAlert, CircleCheck, CircleDashed } from "lucide-react";
import { useState } from "react";
import { useCaller, useRefusal } from "../account/caller";
import { type Command, type Gate, Phase } from "../gen/tocsin/response/v1/command_pb";
import { CommandService } from "../gen/tocsin/response/v1/command_service_pb";
import { Panel } from "../ui/Panel";
import { AskDialog } from "./AskDialog";
import { useCommandOutcome } from "./outcome";
import { blocking, nextPhase, PHASES, phaseName } from "./words";

export function PhaseBar({ command }: { command: Command }) {
  const here = PHASES.indexOf(command.phase as (typeof PHASES)[number]);
  const standing = command.phases.find((each) => each.phase === command.phase);
  const open = blocking(standing?.exit ?? []);
  return (
    <Panel title="Phase" className="phase-panel" aside={<span className="under">plan {command.plan}</span>}>
      <ol className="phases">
        {PHASES.map((phase, index) => (
          <li key={phase} className={index < here ? "past" : index === here ? "here" : "ahead"} aria-current={index === here ? "step" : undefined}>
            {index < here && <Check aria-hidden />} {phaseName(phase)}
          </li>
        ))}
      </ol>
      <div className="inset">
        {standing?.goal && <p>{standing.goal}</p>}
        {standing && standing.exit.length > 0 && (
          <>
            <h3>Before it is left{open > 0 && `: ${open} to do`}</h3>
            <ul className="gates">
              {standing.exit.map((gate) => (
                <GateLine key={gate.key} gate={gate} />
              ))}
            </ul>
          </>
        )}
        {!command.closed && <Ways command={command} open={open} />}
      </div>
    </Panel>
  );
}

function GateLine({ gate }: { gate: Gate }) {
  const [Icon, tone, word] = gate.met ? ([CircleCheck, "good", "met"] as const) : gate.mandatory ? ([CircleAlert, "bad", "open"] as const) : ([CircleDashed, "quiet", "open, not mandatory"] as const);
  return (
    <li>
      <Icon aria-label={word} className={`${tone}-text`} />
      <span>
        {gate.text} {gate.seen && <span className="under">· {gate.seen}</span>}
        {!gate.met && gate.remedy && <span className="why"> {gate.remedy}</span>}
      </span>
    </li>
  );
}

/** The key of the role in every plan. */
const COMMANDER = "commander";

type Way = "on" | "override" | "back";

function Ways({ command, open }: { command: Command; open: number }) {
  const [way, setWay] = useState<Way>();
  const me = useCaller().name;
  const refusal = useRefusal();
  const advance = useMutation(CommandService.method.advancePhase, useCommandOutcome("The next phase has begun", "The phase stays"));
  const enter = useMutation(CommandService.method.enterPhase, useCommandOutcome("The phase is entered again", "The phase stays"));
  const next = nextPhase(command.phase);
  const before = PHASES[PHASES.indexOf(command.phase as (typeof PHASES)[number]) - 1];
  const commander = command.roles.find((role) => role.key === COMMANDER)?.holder?.responder;
  const mayOverride = commander === me;
  const incidentId = command.incidentId;
  const close = () => setWay(undefined);
  return (
    <p className="question-actions">
      {next !== undefined && (
        <button type="button" className="button primary" disabled={refusal !== undefined || open > 0} title={refusal ?? (open > 0 ? "What is mandatory has to be met first." : undefined)} onClick={() => setWay("on")}>
          On to {phaseName(next).toLowerCase()}…
        </button>
      )}
      {next !== undefined && open > 0 && (
        <button type="button" className="button" disabled={refusal !== undefined || !mayOverride} title={mayOverride ? refusal : "Only the incident commander may go on all the same."} onClick={() => setWay("override")}>
          Go on all the same…
        </button>
      )}
      {before !== undefined && before !== Phase.PREPARATION && (
        <button type="button" className="button" disabled={refusal !== undefined} title={refusal} onClick={() => setWay("back")}>
          Back to {phaseName(before).toLowerCase()}…
        </button>
      )}
      {(way === "on" || way === "override") && next !== undefined && (
        <AskDialog
          title={`On to ${phaseName(next).toLowerCase()}`}
          submit={way === "override" ? "Go on all the same" : "Go on"}
          tone={way === "override" ? "danger" : "primary"}
          question={way === "override" ? "Why, though something mandatory is open?" : "What shall people know? (optional)"}
          required={way === "override"}
          onSend={(reason, requestId) => advance.mutate({ requestId, incidentId, reason, override: way === "override" })}
          onClose={close}
        />
      )}
      {way === "back" && before !== undefined && (
        <AskDialog
          title={`Back to ${phaseName(before).toLowerCase()}`}
          submit="Go back"
          question="Why?"
          required
          onSend={(reason, requestId) => enter.mutate({ requestId, incidentId, phase: before, reason })}
          onClose={close}
        />
      )}
    </p>
  );
}
