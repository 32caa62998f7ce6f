/** What went wrong, in words for the person in front of the screen. */

import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb";

const REASONS: Record<string, string> = {
  INCIDENT_NOT_ACKNOWLEDGEABLE: "The incident is already resolved, so it cannot be acknowledged. Reopen it if it is not over.",
  INCIDENT_NOT_REOPENABLE: "Only a resolved incident can be reopened, and this one is not resolved.",
  INCIDENT_RESOLVED: "The incident is resolved; its severity does not change any more. Reopen it if it is not over.",
  INCIDENT_NOT_FOUND: "There is no such incident.",
  ALERT_NOT_FOUND: "There is no such alert.",
  ALERT_HAS_ENDED: "The alert has ended in the meantime; nothing is left to do.",
  SILENCE_NOT_FOUND: "There is no such silence.",
  MAINTENANCE_WINDOW_EXISTS: "There is a maintenance window of this name already.",
  MAINTENANCE_WINDOW_KEPT_IN_FILES: "This window is kept in files: take it out of them and run tocsin apply --prune.",
  HEARTBEAT_EXISTS: "There is a heartbeat of this name already.",
  HEARTBEAT_NOT_FOUND: "There is no such heartbeat.",
  SCHEDULE_NOT_FOUND: "There is no such schedule.",
  ESCALATION_NOT_FOUND: "Nobody was ever asked about this incident, so there is nothing to change.",
  INCIDENT_CLOSED: "The incident is resolved: nobody is asked about it any more. Reopen it if it is not over.",
  INCIDENT_NOT_ACKNOWLEDGED: "Nobody has acknowledged the incident, so there is nothing to confirm.",
  NOBODY_TO_ASK: "Whoever you named stands for nobody at this moment: nobody is on call for it, or the team is empty.",
  TARGET_NOT_FOUND: "There is nobody and nothing of this name.",
  NOT_ASKED_FOR: "This was a step of the escalation: acknowledge the incident instead.",
  CONTACT_METHOD_NOT_FOUND: "There is no such contact method.",
  WRONG_CODE: "This is not the code, or it is too old, or five wrong ones were tried. Send a new one.",
  TESTED_TOO_OFTEN: "This contact method was tested ten times within an hour. Try again later.",
  RESPONDER_UNREACHABLE: "This responder has no contact method.",
  DELEGATION_CIRCLE: "These pages would come back in a circle, because somebody down the line delegates to the first one.",
  NOTHING_TO_ANSWER: "This page asks nothing.",
  PAGE_NOT_FOUND: "There is no such page.",
  SIGN_IN_LINK_INVALID: "This sign-in link was already used, has expired, or was copied incompletely. Each link works once.",
  TOO_MANY_STREAMS: "Too many tabs of yours are live already. This one looks for news every 15 seconds instead.",
};

const CODES: Partial<Record<Code, string>> = {
  [Code.Unavailable]: "Tocsin cannot be reached, or a part of it is down. Try again in a moment.",
  [Code.DeadlineExceeded]: "Tocsin did not answer in time. It may or may not have happened; look before you try again.",
  [Code.ResourceExhausted]: "Tocsin is busy. Try again in a moment.",
  [Code.PermissionDenied]: "Your role does not allow this.",
  [Code.Unauthenticated]: "You are not signed in any more.",
  [Code.Aborted]: "Somebody changed it at the same moment. Look again, then try again.",
};

const TRANSIENT = new Set([Code.Unavailable, Code.Aborted, Code.ResourceExhausted]);

/** One or two sentences: what happened and what to do. */
export function explain(error: unknown): string {
  const cause = asConnectError(error);
  const reason = reasonOf(cause);
  const known = (reason && REASONS[reason]) || CODES[cause.code];
  if (known) return known;
  return cause.rawMessage || "Something went wrong, and the server did not say what.";
}

/** The machine-readable reason that the server gave ("INCIDENT_NOT_FOUND"), or undefined. */
export function reasonOf(error: unknown): string | undefined {
  return asConnectError(error).findDetails(ErrorInfoSchema)[0]?.reason || undefined;
}

export function hasCode(error: unknown, code: Code): boolean {
  return error != null && asConnectError(error).code === code;
}

/** True if the same call may well succeed in a moment and a repeat does no harm. */
export function isTransient(error: unknown): boolean {
  return error != null && TRANSIENT.has(asConnectError(error).code);
}

/** Errors of fetch itself (no network, connection refused) count as UNAVAILABLE. */
function asConnectError(error: unknown): ConnectError {
  const known = ConnectError.from(error);
  const cause = known.cause ?? error;
  return known.code === Code.Unknown && cause instanceof TypeError ? new ConnectError(known.rawMessage, Code.Unavailable) : known;
}
