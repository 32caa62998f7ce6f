/** What a responder does to an alert. */

import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { useMutation } from "@connectrpc/connect-query";
import type { Alert } from "../gen/tocsin/detection/v1/alert_pb";
import { DetectionService } from "../gen/tocsin/detection/v1/detection_service_pb";
import { isTransient } from "../platform/errors";
import { newRequestId } from "../platform/requestId";
import { useOutcome } from "../ui/useOutcome";

export interface AlertActions {
  acknowledge: (alert: Alert) => void;
  /** `until` in milliseconds since 1970; an instant that has passed ends a snooze. */
  snooze: (alert: Alert, until: number) => void;
  resolve: (alert: Alert) => void;
  busy: boolean;
}

export function useAlertActions(): AlertActions {
  const acknowledge = useMutation(DetectionService.method.acknowledgeAlert, useRepeatable("taken"));
  const snooze = useMutation(DetectionService.method.snoozeAlert, useRepeatable("put aside"));
  const resolve = useMutation(DetectionService.method.resolveAlert, useRepeatable("ended"));
  return {
    acknowledge: (alert) => acknowledge.mutate({ requestId: newRequestId(), alertId: alert.id }),
    snooze: (alert, until) => snooze.mutate({ requestId: newRequestId(), alertId: alert.id, until: timestampFromMs(until) }),
    resolve: (alert) => resolve.mutate({ requestId: newRequestId(), alertId: alert.id }),
    busy: acknowledge.isPending || snooze.isPending || resolve.isPending,
  };
}

/** The request id stays the same, so a repeat is harmless. `done` is past tense. */
function useRepeatable(done: string) {
  const outcome = useOutcome(`The alert is ${done}`, `The alert is not ${done}`, DetectionService);
  return { ...outcome, retry: (failures: number, error: unknown) => failures < 2 && isTransient(error), retryDelay: 400 };
}
