/** Which answers a fact makes stale. */

import type { Fact } from "./watch";

/** An RPC as "Service/Method", without package. */
export type Topic = string;

const NOISE: Topic[] = ["NoiseService/ListSilences", "NoiseService/ListMaintenanceWindows", "NoiseService/ExplainAlert", "NoiseService/CountMatches"];

const DUTIES: Topic[] = [
  "ResponseService/GetOncall",
  "ResponseService/ListOverrides",
  "OncallService/RenderSchedule",
  "OncallService/ExplainOncall",
  "OncallService/ListGaps",
  "OncallService/ListConflicts",
  "OncallService/ListSwaps",
];

const PAGING: Topic[] = [
  "CommunicationService/ListPages",
  "PagingService/GetPage",
  "PagingService/GetPagingStatus",
  "ContactService/ListContacts",
  "ContactService/GetPersonalRules",
  "ContactService/ListReachability",
  "ContactService/ListDelegations",
];

const RUNS: Topic[] = ["PlaybookService/ListRuns", "PlaybookService/GetRun", "PlaybookService/ListQuestions"];

const COMMAND: Topic[] = ["CommandService/GetCommand", "EvidenceService/ListEvidence", "ObligationService/ListObligations"];

const CONTAINMENT: Topic[] = [
  "ContainmentService/ListMeasures",
  "ContainmentService/ListProposals",
  "ContainmentService/ListRecoveryWatches",
  "ContainmentService/ListBlockLists",
];

const BY_SOURCE: Record<string, Topic[]> = {
  detection: ["DetectionService/ListAlerts", "DetectionService/GetAlert", "HeartbeatService/ListHeartbeats", ...NOISE],
  triage: ["TriageService/ListIncidents", "TriageService/GetIncident", "ReviewService/GetFigures"],
  response: ["ResponseService/ListEscalations", ...DUTIES, ...RUNS, ...CONTAINMENT, ...COMMAND],
  communication: PAGING,
  review: ["ReviewService/GetReview", "ReviewService/GetFigures"],
};

const CONFIGURATION: Topic[] = [
  "TriageService/ListServices",
  "PlaybookService/ListPlaybooks",
  "ResponseService/ExportConfiguration",
  "EscalationService/SimulateEscalation",
  "CommunicationService/ExportConfiguration",
  "PagingService/PreviewPages",
  "ContactService/ListContacts",
  "ContactService/GetPersonalRules",
  ...DUTIES,
  "DetectionService/ListIntegrations",
  "HeartbeatService/ListHeartbeats",
  "NoiseService/ListMaintenanceWindows",
];

/** Answers of review: a projection of the facts, so it may be written a moment after the fact is heard here. */
export const PROJECTED: Topic[] = ["ReviewService/GetTimeline", "ReviewService/GetFigures", "ReviewService/GetReview"];

/** The RPCs whose answers may have changed. Facts about an incident are on its timeline too. */
export function topicsOf(fact: Fact): Topic[] {
  if (fact.fact === "ConfigurationChanged") return CONFIGURATION;
  const topics = BY_SOURCE[fact.source] ?? [];
  return fact.incidentId === "" ? topics : [...topics, "ReviewService/GetTimeline"];
}

/** Collects what is stale while a refresh is under way, so that a storm of facts becomes few requests and none is forgotten. */
export class Refresher {
  #stale = new Set<Topic>();
  #everything = false;
  #running: Promise<void> | undefined;
  readonly #refresh: (stale: ReadonlySet<Topic> | "everything") => Promise<void>;
  readonly #pause: () => Promise<void>;

  /** `refresh` loads again; `pause` lets facts gather for a moment before it. */
  constructor(refresh: (stale: ReadonlySet<Topic> | "everything") => Promise<void>, pause: () => Promise<void>) {
    this.#refresh = refresh;
    this.#pause = pause;
  }

  add(topics: Iterable<Topic>): Promise<void> {
    for (const topic of topics) this.#stale.add(topic);
    return this.#run();
  }

  addEverything(): Promise<void> {
    this.#everything = true;
    return this.#run();
  }

  #run(): Promise<void> {
    this.#running ??= this.#drain().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#everything || this.#stale.size > 0) {
      await this.#pause();
      const stale = this.#everything ? "everything" : this.#stale;
      this.#everything = false;
      this.#stale = new Set();
      await this.#refresh(stale);
    }
  }
}
