"""Looking back: drafts a review when an incident is resolved, and again when late facts come; answers what was asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tocsin.response.v1.evidence_pb2 import TreeHead
from tocsin.review.v1.events_pb2 import ReviewOpened

from tocsin_chassis import paging
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid, NotFound
from tocsin_kernel.ids import Ids
from tocsin_review import store
from tocsin_review.draft import Past, draft
from tocsin_review.figures import Figures, Instants, figures
from tocsin_review.store import EntryRow, Means, Position, ReviewRow
from tocsin_review.wire import entry_of, figures_message, page_story, subject_of

USUAL_RANGE = timedelta(days=30)
MOST_DRAFTS = 20
MOST_ENTRIES = 5000
CHECKS_KEPT = timedelta(hours=2)


class ReviewNotFound(NotFound):
    reason = "REVIEW_NOT_FOUND"
    message = "there is no review of incident {incident} yet; it is drafted when the incident is resolved"


@dataclass(frozen=True, slots=True)
class TimelinePage:
    """One page of a timeline; the token is empty on the last one."""

    entries: Sequence[EntryRow]
    next_page_token: str
    figures: Figures


class Reviews:
    """Reviews, timelines and figures."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def open(self, tx: Tx, incident_id: str) -> None:
        """Draft the review of an incident that was resolved, and tell it. An incident has one review, however often it is reopened."""
        review = ReviewRow(self._ids.new(), incident_id, "", self._clock.now())
        if not await store.insert_review(tx, review):
            return
        past = await self._draft(tx, incident_id)
        if past is not None:
            told = ReviewOpened(review_id=review.id, incident_id=incident_id, figures=figures_message(past.figures))
            tx.emit(told, aggregate=incident_id, version=1)

    async def forget_checks(self) -> None:
        """Forget the platform's checks of itself, but for those of the last hours."""
        async with self._database.transaction() as tx:
            await store.forget_checks(tx, self._clock.now() - CHECKS_KEPT)

    async def redraft(self) -> None:
        """Draft again what late facts have made outdated."""
        async with self._database.transaction() as tx:
            outdated = await store.outdated(tx, MOST_DRAFTS)
        for incident_id in outdated:
            async with self._database.transaction() as tx:
                if await store.lock_review(tx, incident_id):
                    await self._draft(tx, incident_id)

    async def timeline(self, incident_id: str, after: Position | None, limit: int) -> TimelinePage:
        """Oldest first; empty for an incident that nothing is known of."""
        async with self._database.transaction(plans_anew=True) as tx:
            entries = await store.timeline(tx, incident_id, after, limit)
            times = await _figures(tx, incident_id)
        last = entries[-1] if len(entries) == limit else None
        return TimelinePage(entries, page_token(last) if last else "", times)

    async def review(self, incident_id: str) -> tuple[ReviewRow, Figures]:
        """Raises ReviewNotFound."""
        async with self._database.transaction() as tx:
            review = await store.review_of(tx, incident_id)
            if review is None:
                raise ReviewNotFound(incident=incident_id)
            return review, await _figures(tx, incident_id)

    async def custody_heads(self, size: int, token: str) -> tuple[list[TreeHead], str]:
        """A page of the heads of response's custody ledger as they were told, newest first, and the token of the next one."""
        limit = paging.page_size(size)
        async with self._database.transaction(plans_anew=True) as tx:
            kept = await store.custody_heads(tx, _head_position(token) if token else None, limit + 1)
        heads = [TreeHead.FromString(each) for each in kept[:limit]]
        return heads, paging.encode(str(heads[-1].size), heads[-1].root) if len(kept) > limit else ""

    async def means(self, since: datetime | None, until: datetime | None, reader: str | None) -> list[Means]:
        """Means over the incidents that opened from `since` (None: 30 days ago) until before `until` (None: now), as far as `reader`
        may know of them (None: of all). Raises Invalid."""
        start = since or self._clock.now() - USUAL_RANGE
        if start >= (until or self._clock.now()):
            raise Invalid(field="until" if until else "from", detail="the range is empty: it ends before it begins")
        async with self._database.transaction() as tx:
            return await store.means(tx, start, until, reader)

    async def _draft(self, tx: Tx, incident_id: str) -> Past | None:
        """None if nothing is known of the incident itself."""
        await store.mark_drafted(tx, incident_id)
        known = await store.incident(tx, incident_id)
        if known is None:
            return None
        past = Past(
            subject_of(known),
            await _figures(tx, incident_id),
            [page_story(page) for page in await store.pages(tx, incident_id)],
            [
                entry_of(row)
                for row in await store.timeline(tx, incident_id, None, MOST_ENTRIES)
                if row.fact != ReviewOpened.DESCRIPTOR.name
            ],
        )
        await store.save_draft(tx, incident_id, draft(past), self._clock.now())
        return past


async def _figures(tx: Tx, incident_id: str) -> Figures:
    counts = await store.page_counts(tx, incident_id)
    return figures(await store.instants(tx, incident_id) or Instants(), counts.pages_sent, counts.responders_paged)


def page_token(last: EntryRow) -> str:
    """The token of the page after this entry."""
    return paging.encode(last.at.isoformat(), str(last.rank), last.id)


def page_start(token: str) -> Position | None:
    """The place in the timeline after which a page starts. Raises PageTokenInvalid."""
    if not token:
        return None
    at, rank, entry_id = paging.decode(token, 3)
    try:
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None or not 0 <= int(rank) < 1000:
            raise ValueError
        return instant, int(rank), str(UUID(entry_id))
    except ValueError as error:
        raise paging.refused() from error


def _head_position(token: str) -> tuple[int, str]:
    size, root = paging.decode(token, 2)
    if not size.isascii() or not size.isdecimal():
        raise paging.refused()
    return int(size), root
