import { CommandService } from "../gen/tocsin/response/v1/command_service_pb";
import { useOutcome } from "../ui/useOutcome";

/** What follows a change of how an incident is led: a notice, and everything about it is loaded again. */
export function useCommandOutcome(done: string, undone: string) {
  return useOutcome(done, undone, CommandService);
}
