import { useQuery } from "@connectrpc/connect-query";
import { Code } from "@connectrpc/connect";
import { lazy, Suspense } from "react";
import { ReviewService } from "../gen/tocsin/review/v1/review_service_pb";
import { hasCode, isTransient } from "../platform/errors";
import { toDate } from "../platform/time";
import { Panel } from "../ui/Panel";
import { Failure, Loading } from "../ui/States";
import { Ago } from "../ui/Time";

const Markdown = lazy(() => import("../ui/Markdown"));

/** The drafted review; nothing before there is one. */
export function ReviewPanel({ incidentId }: { incidentId: string }) {
  const answer = useQuery(ReviewService.method.getReview, { incidentId }, { retry: (failures, error) => failures < 2 && isTransient(error) });
  const review = answer.data?.review;
  if (hasCode(answer.error, Code.NotFound) || answer.isPending) return null;
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
      <Suspense fallback={<Loading what="the review" />}>
        <Markdown text={review.markdown} />
      </Suspense>
    </Panel>
  );
}
