import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { useNotices } from "../ui/Notices";

/** What follows a change of an escalation by hand: a notice, and the incident and its escalations are loaded again. */
export function useEscalationOutcome(done: string, undone: string, onDone: () => void = () => {}) {
  const notices = useNotices();
  const queries = useQueryClient();
  return {
    onSuccess: () => {
      notices.done(done);
      onDone();
    },
    onError: (error: unknown) => notices.failed(undone, error),
    onSettled: () =>
      Promise.all([ResponseService, TriageService].map((schema) => queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) }))),
  };
}
