/** How an incident is led, asked for once and shown in its parts. */

import { Code } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { CommandService } from "../gen/tocsin/response/v1/command_service_pb";
import { hasCode } from "../platform/errors";
import { Failure, Loading } from "../ui/States";
import { PhaseBar } from "./PhaseBar";
import { RolesPanel } from "./RolesPanel";
import { WorkPanel } from "./WorkPanel";

export type Part = "phase" | "work" | "roles";

export default function CommandPanels({ incidentId, part }: { incidentId: string; part: Part }) {
  const answer = useQuery(CommandService.method.getCommand, { incidentId }, { retry: (failures, error) => failures < 3 && !hasCode(error, Code.NotFound) });
  const command = answer.data?.command;
  // Response hears of an incident a moment after it opened; the next fact asks again.
  if (command === undefined) {
    if (part !== "phase" || hasCode(answer.error, Code.NotFound)) return null;
    return answer.isError ? <Failure what="How it is led" error={answer.error} retry={() => void answer.refetch()} /> : <Loading what="how it is led" />;
  }
  if (part === "phase") return <PhaseBar command={command} />;
  return part === "work" ? <WorkPanel command={command} /> : <RolesPanel command={command} />;
}
