import { createConnectQueryKey } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { DetectionService } from "../gen/tocsin/detection/v1/detection_service_pb";
import { NoiseService } from "../gen/tocsin/detection/v1/noise_service_pb";
import { useNotices } from "../ui/Notices";

/** What follows a change of silences or windows: a notice, and they are loaded again, as are the alerts that they hold back. */
export function useNoiseOutcome(done: string, onDone: () => void = () => {}) {
  const notices = useNotices();
  const queries = useQueryClient();
  return {
    onSuccess: () => {
      notices.done(done);
      onDone();
    },
    onSettled: () =>
      Promise.all([NoiseService, DetectionService].map((schema) => queries.invalidateQueries({ queryKey: createConnectQueryKey({ schema, cardinality: undefined }) }))),
  };
}
