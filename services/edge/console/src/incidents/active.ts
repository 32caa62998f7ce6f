/** The incidents that are not over: for the counts, the tab's title and the announcement of new ones. */

import { useQuery } from "@connectrpc/connect-query";
import { useEffect, useRef, useState } from "react";
import { type Incident, Incident_State } from "../gen/tocsin/triage/v1/incident_pb";
import { TriageService } from "../gen/tocsin/triage/v1/triage_service_pb";
import { announcement, newcomers, statesOf } from "./words";

export interface ActiveIncidents {
  /** undefined until the first answer. */
  open: number | undefined;
  acknowledged: number | undefined;
  /** True if there are more than could be counted. */
  more: boolean;
  /** Ids of incidents that came while the page was open. */
  fresh: ReadonlySet<string>;
  /** What to tell a screen reader; empty if nothing. */
  news: string;
}

const NONE: readonly Incident[] = [];

export function useActiveIncidents(): ActiveIncidents {
  const answer = useQuery(TriageService.method.listIncidents, { states: statesOf("active"), pageSize: 500 }).data;
  const incidents = answer?.incidents ?? NONE;
  const known = useRef<Set<string>>(undefined);
  const [fresh, setFresh] = useState<ReadonlySet<string>>(new Set());
  const [news, setNews] = useState("");
  useEffect(() => {
    if (answer === undefined) return;
    const came = newcomers(known.current, answer.incidents);
    known.current = new Set([...(known.current ?? []), ...answer.incidents.map((incident) => incident.id)]);
    if (came.length > 0) {
      setFresh((before) => new Set([...before, ...came.map((incident) => incident.id)]));
      setNews(announcement(came));
    }
  }, [answer]);
  const count = (state: Incident_State) => (answer ? incidents.filter((incident) => incident.state === state).length : undefined);
  const open = count(Incident_State.OPEN);
  return { open, acknowledged: count(Incident_State.ACKNOWLEDGED), more: Boolean(answer?.nextPageToken), fresh, news };
}
