import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { OncallService } from "../gen/tocsin/response/v1/oncall_service_pb";
import { ResponseService } from "../gen/tocsin/response/v1/response_service_pb";
import { useNotices } from "../ui/Notices";

/** What follows a change of who is on call: a notice, and everything about duties is loaded again. */
export function useDutyOutcome(done: string, undone: string, onDone: () => void = () => {}) {
  const notices = useNotices();
  const queries = useQueryClient();
  return {
    onSuccess: () => {
      notices.done(done);
      onDone();
    },
    onError: (error: unknown) => notices.failed(undone, error),
    onSettled: () =>
      Promise.all([OncallService, ResponseService].map((schema) => queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) }))),
  };
}
