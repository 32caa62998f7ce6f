import { useQuery } from "@connectrpc/connect-query";
import { Code } from "@connectrpc/connect";
import { lazy, Suspense, useState } from "react";
import { ReviewService } from "../gen/tocsin/review/v1/review_service_pb";
import { type Incident, Incident_State } from "../gen/tocsin/triage/v1/incident_pb";
import { hasCode } from "../platform/errors";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";

const Markdown = lazy(() => import("../ui/Markdown"));

/** The drafted review of a resolved incident, its beginning until the rest is asked for; nothing before there is one. */
export function ReviewPanel({ incident }: { incident: Incident }) {
  const [whole, setWhole] = useState(false);
  const over = incident.state === Incident_State.RESOLVED;
  const answer = useQuery(ReviewService.method.getReview, { incidentId: incident.id }, { enabled: over });
  const review = answer.data?.review;
  if (hasCode(answer.error, Code.NotFound) || answer.isPending || !over) return null;
  if (review === undefined) {
    return (
      <Panel title="Review">
        <Failure what="The review" error={answer.error} retry={() => void answer.refetch()} />
      </Panel>
    );
  }
  const drafted = toDate(review.draftedAt);
  return (
    <Panel title="Review" className="review" aside={<span className="under">draft{drafted && <>, written <Ago at={drafted} /></>}</span>}>
      <div className={whole ? undefined : "beginning"}>
        <Suspense fallback={<Loading what="the review" />}>
          <Markdown text={review.markdown} />
        </Suspense>
      </div>
      <div className="rest">
        <button type="button" className="button small" aria-expanded={whole} onClick={() => setWhole(!whole)}>
          {whole ? "Show its beginning only" : "Show the whole review"}
        </button>
      </div>
    </Panel>
  );
}
