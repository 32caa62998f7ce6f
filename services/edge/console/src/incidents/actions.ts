/** What a responder does to an incident. The screen changes at once and goes back if the server refuses. */

import { type Client, createClient } from "@connectrpc/connect";
import { useTransport } from "@connectrpc/connect-query";
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { useMemo } from "react";
import { useCaller } from "../account/caller";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import type { Incident, Severity } from "../gen/tocsin/triage/v1/incident_pb";
import { topicOfKey } from "../live/store";
import { isTransient } from "../platform/errors";
import { newRequestId } from "../platform/requestId";
import { useNotices } from "../ui/Notices";
import { acknowledged, type Change, patchAnswer, reopened, resolved, withSeverity } from "./patch";
import { SEVERITY_WORDS } from "./words";

const TOPICS = new Set(["TriageService/ListIncidents", "TriageService/GetIncident"]);
const holdsIncidents = { predicate: (query: { queryKey: QueryKey }) => TOPICS.has(topicOfKey(query.queryKey) ?? "") };

export interface IncidentActions {
  acknowledge: (incident: Incident) => void;
  resolve: (incident: Incident, reason: string) => void;
  reopen: (incident: Incident, reason: string) => void;
  changeSeverity: (incident: Incident, severity: Severity, reason: string) => void;
}

type Triage = Client<typeof TriageService>;

/** One action under way: what to ask the server, and what the incident will look like. */
interface Action {
  incident: Incident;
  change: Change;
  /** Past tense, for the notice: "acknowledged". */
  done: string;
  ask: (triage: Triage) => Promise<{ incident?: Incident }>;
}

export function useIncidentActions(): IncidentActions {
  const me = useCaller().name;
  const act = useOptimisticAction();
  return {
    acknowledge: (incident) => {
      const request = { requestId: newRequestId(), incidentId: incident.id };
      const change = acknowledged(me, Date.now());
      act({ incident, change, done: "acknowledged", ask: (triage) => triage.acknowledgeIncident(request) });
    },
    resolve: (incident, reason) => {
      const request = { requestId: newRequestId(), incidentId: incident.id, reason };
      const change = resolved(me, reason, Date.now());
      act({ incident, change, done: "resolved", ask: (triage) => triage.resolveIncident(request) });
    },
    reopen: (incident, reason) => {
      const request = { requestId: newRequestId(), incidentId: incident.id, reason };
      act({ incident, change: reopened(Date.now()), done: "open again", ask: (triage) => triage.reopenIncident(request) });
    },
    changeSeverity: (incident, severity, reason) => {
      const request = { requestId: newRequestId(), incidentId: incident.id, severity, reason };
      const done = `now ${SEVERITY_WORDS[severity].name}`;
      act({ incident, change: withSeverity(severity), done, ask: (triage) => triage.changeSeverity(request) });
    },
  };
}

function useOptimisticAction(): (action: Action) => void {
  const transport = useTransport();
  const triage = useMemo(() => createClient(TriageService, transport), [transport]);
  const queries = useQueryClient();
  const notices = useNotices();
  const show = (id: string, change: Change) => queries.setQueriesData(holdsIncidents, (answer: unknown) => patchAnswer(answer, id, change));
  const mutation = useMutation({
    mutationFn: ({ ask }: Action) => ask(triage),
    // The request id stays the same, so a repeat is harmless.
    retry: (failures, error) => failures < 2 && isTransient(error),
    retryDelay: 400,
    onMutate: async ({ incident, change }) => {
      await queries.cancelQueries(holdsIncidents);
      const before = queries.getQueriesData(holdsIncidents);
      show(incident.id, change);
      return { before };
    },
    onSuccess: (answer, { incident, done }) => {
      const after = answer.incident;
      if (after) show(incident.id, () => after);
      notices.done(`Incident #${incident.number} is ${done}`);
    },
    onError: (error, { incident, done }, context) => {
      for (const [key, data] of context?.before ?? []) queries.setQueryData(key, data);
      notices.failed(`Incident #${incident.number} is not ${done}`, error);
    },
    onSettled: () => queries.invalidateQueries(holdsIncidents),
  });
  return mutation.mutate;
}
