"""ReviewService: requests become questions, answers become messages."""

from datetime import UTC

from tocsin.review.v1 import review_service_pb2 as pb
from tocsin.review.v1.review_pb2 import Figures
from tocsin.review.v1.review_service_pb2_grpc import ReviewServiceServicer

from tocsin_chassis import paging
from tocsin_chassis.grpc.caller import reader
from tocsin_chassis.grpc.wrapping import Context
from tocsin_review.reviews import MOST_ENTRIES, Reviews, page_start, page_token
from tocsin_review.wire import entry_message, figures_message, means_message, review_message

USUAL_ENTRIES = 500


class ReviewApi(ReviewServiceServicer):
    """The RPCs of review."""

    def __init__(self, reviews: Reviews) -> None:
        self._reviews = reviews

    async def GetTimeline(self, request: pb.GetTimelineRequest, context: Context) -> pb.GetTimelineResponse:
        limit = paging.page_size(request.page_size, USUAL_ENTRIES, MOST_ENTRIES)
        page = await self._reviews.timeline(request.incident_id, page_start(request.page_token), limit)
        every = [entry_message(request.incident_id, entry) for entry in page.entries]
        entries, token = paging.fitted(every, page.next_page_token, lambda last: page_token(page.entries[last]))
        return pb.GetTimelineResponse(
            entries=entries,
            next_page_token=token,
            figures=figures_message(page.figures),
        )

    async def GetReview(self, request: pb.GetReviewRequest, context: Context) -> pb.GetReviewResponse:
        review, figures = await self._reviews.review(request.incident_id)
        return pb.GetReviewResponse(review=review_message(review, figures))

    async def GetFigures(self, request: pb.GetFiguresRequest, context: Context) -> pb.GetFiguresResponse:
        since = getattr(request, "from").ToDatetime(UTC) if request.HasField("from") else None
        until = request.until.ToDatetime(UTC) if request.HasField("until") else None
        means = await self._reviews.means(since, until, reader())
        total = next((means_message(each) for each in means if each.service is None and each.severity is None), Figures())
        return pb.GetFiguresResponse(
            total=total,
            by_service=[means_message(each) for each in means if each.service is not None],
            by_severity=[means_message(each) for each in means if each.severity is not None],
        )

    async def ListCustodyHeads(self, request: pb.ListCustodyHeadsRequest, context: Context) -> pb.ListCustodyHeadsResponse:
        heads, token = await self._reviews.custody_heads(request.page_size, request.page_token)
        return pb.ListCustodyHeadsResponse(heads=heads, next_page_token=token)
