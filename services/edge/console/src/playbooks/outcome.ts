import { PlaybookService } from "../gen/tocsin/response/v1/playbook_service_pb";
import { useOutcome } from "../ui/useOutcome";

/** What follows a change of a run: a notice, and everything about runs is loaded again. */
export function useRunOutcome(done: string, undone: string) {
  return useOutcome(done, undone, PlaybookService);
}
