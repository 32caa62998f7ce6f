import type { DescService } from "@bufbuild/protobuf";
import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useNotices } from "./Notices";

/** What follows a change: a notice, and all answers of the service are loaded again. `done` and `undone` are sentences without a full stop. */
export function useOutcome(done: string, undone: string, service: DescService) {
  const notices = useNotices();
  const queries = useQueryClient();
  return {
    onSuccess: () => notices.done(done),
    onError: (error: unknown) => notices.failed(undone, error),
    onSettled: () => queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema: service, cardinality: undefined }) }),
  };
}
