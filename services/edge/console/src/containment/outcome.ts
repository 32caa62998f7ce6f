import { ContainmentService } from "../gen/tocsin/response/v1/containment_service_pb";
import { useOutcome } from "../ui/useOutcome";

/** What follows a change of containment: a notice, and everything about it is loaded again. */
export function useContainmentOutcome(done: string, undone: string) {
  return useOutcome(done, undone, ContainmentService);
}
