"""The composition root of review."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.review.v1.review_service_pb2 import DESCRIPTOR
from tocsin.review.v1.review_service_pb2_grpc import add_ReviewServiceServicer_to_server

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_chassis.events.consumer import Patience
from tocsin_kernel.clock import Clock
from tocsin_review.api import ReviewApi
from tocsin_review.consumers import AllFacts
from tocsin_review.narration import NARRATORS
from tocsin_review.reviews import Reviews
from tocsin_review.settings import ReviewSettings

REDRAFT_SECONDS = 1.0
HOUR_SECONDS = 3600.0
# Nobody waits for a line of the timeline, so that many are written at once, and whoever pages people goes first.
GATHER_SECONDS = 0.4
NICENESS = 5


@asynccontextmanager
async def review(settings: ReviewSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed."""
    async with foundation("review", settings, clock) as base:
        reviews = Reviews(base.database, base.clock, base.ids)
        yield (
            base.app.serves(ReviewApi(reviews), add_ReviewServiceServicer_to_server, DESCRIPTOR.services_by_name["ReviewService"])
            .consumes(AllFacts(reviews).handlers, Patience(tuple(NARRATORS), GATHER_SECONDS))
            .ticks("drafting again", REDRAFT_SECONDS, reviews.redraft)
            .ticks("forgetting of the platform's checks", HOUR_SECONDS, reviews.forget_checks)
        )


def main() -> None:
    """The command tocsin-review."""
    os.nice(NICENESS)
    sys.exit(cli.run("review", ReviewSettings, review))
