import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { CommunicationService } from "../gen/tocsin/communication/v1/communication_service_pb";
import { ContactService } from "../gen/tocsin/communication/v1/contact_service_pb";
import { PagingService } from "../gen/tocsin/communication/v1/paging_service_pb";
import { useNotices } from "../ui/Notices";

const SERVICES = [CommunicationService, ContactService, PagingService];

/** What follows a change of how people are paged: a notice, and everything about pages is loaded again. */
export function usePagingOutcome(done: string, undone: string, onDone: () => void = () => {}) {
  const notices = useNotices();
  const queries = useQueryClient();
  return {
    onSuccess: () => {
      notices.done(done);
      onDone();
    },
    onError: (error: unknown) => notices.failed(undone, error),
    onSettled: () => Promise.all(SERVICES.map((schema) => queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) }))),
  };
}
