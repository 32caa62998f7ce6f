/** What an answer will look like after an action, shown before the server has said so. Pure. */

import { clone, create, isMessage } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { InfiniteData } from "@tanstack/react-query";
import { type Incident, Incident_State, IncidentSchema, type Severity } from "../gen/tocsin/triage/v1/incident_pb";
import { GetIncidentResponseSchema, type ListIncidentsResponse, ListIncidentsResponseSchema } from "../gen/tocsin/triage/v1/triage_service_pb";

export type Change = (incident: Incident) => Incident;

function changed(incident: Incident, fields: Partial<Incident>): Incident {
  return Object.assign(clone(IncidentSchema, incident), fields);
}

export function acknowledged(by: string, at: number): Change {
  return (incident) =>
    changed(incident, {
      state: Incident_State.ACKNOWLEDGED,
      acknowledgedBy: by,
      acknowledgedAt: incident.acknowledgedAt ?? timestampFromMs(at),
    });
}

export function resolved(by: string, reason: string, at: number): Change {
  return (incident) =>
    changed(incident, { state: Incident_State.RESOLVED, resolvedBy: by, resolveReason: reason, resolvedAt: timestampFromMs(at) });
}

export function reopened(at: number): Change {
  return (incident) =>
    changed(incident, {
      state: Incident_State.OPEN,
      openedAt: timestampFromMs(at),
      acknowledgedBy: "",
      acknowledgedAt: undefined,
      resolvedBy: "",
      resolvedAt: undefined,
      resolveReason: "",
    });
}

export function withSeverity(severity: Severity): Change {
  return (incident) => changed(incident, { severity });
}

/** The cached answer with the change made to one incident; the same object if the incident is not in it. */
export function patchAnswer(answer: unknown, id: string, change: Change): unknown {
  if (isMessage(answer, GetIncidentResponseSchema)) {
    return answer.incident?.id === id ? create(GetIncidentResponseSchema, { ...answer, incident: change(answer.incident) }) : answer;
  }
  if (isMessage(answer, ListIncidentsResponseSchema)) return patchList(answer, id, change);
  if (isPaged(answer)) return { ...answer, pages: answer.pages.map((page) => patchList(page, id, change)) };
  return answer;
}

function patchList(list: ListIncidentsResponse, id: string, change: Change): ListIncidentsResponse {
  if (!list.incidents.some((incident) => incident.id === id)) return list;
  const incidents = list.incidents.map((incident) => (incident.id === id ? change(incident) : incident));
  return create(ListIncidentsResponseSchema, { ...list, incidents });
}

function isPaged(answer: unknown): answer is InfiniteData<ListIncidentsResponse> {
  return typeof answer === "object" && answer !== null && "pages" in answer && Array.isArray(answer.pages);
}
