"""Secret links at which calendar programs read duties."""

import hashlib
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Database
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid, NotFound
from tocsin_kernel.ids import Ids
from tocsin_oncall.duties import Span, spans
from tocsin_oncall.ical import Entry, feed
from tocsin_response.oncall import store
from tocsin_response.oncall.oncall import plans_over, require_responders, require_schedule
from tocsin_response.oncall.rota import Rota, rota

BACK, AHEAD = timedelta(days=14), timedelta(days=180)
MOST_LISTED = 500
PATH = "/calendar/{secret}.ics"


class CalendarFeedNotFound(NotFound):
    reason = "CALENDAR_FEED_NOT_FOUND"
    message = "there is no calendar behind this link"


class Feeds:
    """The links, and what is behind them."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def create(self, schedule: str, responder: str, created_by: str) -> tuple[store.Feed, str]:
        """A new link to the duties of a schedule or a person, and its path. Raises ScheduleNotFound, ResponderNotFound, Invalid."""
        if bool(schedule) == bool(responder):
            raise Invalid(field="schedule", detail="give either a schedule or a responder")
        secret, now = self._ids.secret(), self._clock.now()
        made = store.Feed(self._ids.new(), schedule, responder, created_by, now)
        async with self._database.transaction() as tx:
            if schedule:
                await require_schedule(tx, now, schedule)
            else:
                await require_responders(tx, [responder])
            await store.insert_feed(tx, made, _hash(secret))
        return made, PATH.format(secret=secret)

    async def delete(self, feed_id: str) -> None:
        """End a link at once and for good, if it is there."""
        async with self._database.transaction() as tx:
            await store.delete_feed(tx, feed_id)

    async def listed(self) -> list[store.Feed]:
        """All links, newest first."""
        async with self._database.transaction() as tx:
            return await store.list_feeds(tx, MOST_LISTED)

    async def read(self, secret: str) -> bytes:
        """The calendar behind a secret. Raises CalendarFeedNotFound."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            found = await store.load_feed(tx, _hash(secret))
            if found is None:
                raise CalendarFeedNotFound()
            current = await rota(tx, now)
            names = [found.schedule] if found.schedule else list(current.kept)
            since, until = _window(now)
            plans = await plans_over(tx, current, [name for name in names if name in current.kept], since, until)
        listed = spans({name: plan.shifts(since, until) for name, plan in plans.items()})
        wanted = [span for span in listed if found.responder in ("", span.responder)]
        title = f"On call: {found.schedule or current.called(found.responder)}"
        return feed(title, [_entry(span, current, found, since) for span in wanted], now)


def _window(now: datetime) -> tuple[datetime, datetime]:
    """What a calendar shows. It moves once a day, so that what was read meanwhile stays the same."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return today - BACK, today + AHEAD


def _entry(span: Span, current: Rota, found: store.Feed, since: datetime) -> Entry:
    # A duty keeps its uid as long as it begins when it did, so that calendars move it instead of showing it twice. One that began before
    # what the calendar shows is cut there, every day at another place.
    begins = f"{span.start:%Y%m%dT%H%M%SZ}" if span.start > since else "earlier"
    uid = f"{span.schedule}-{begins}-{span.responder}@tocsin"
    person = current.called(span.responder)
    summary = f"On call: {span.schedule}" if found.responder else person
    return Entry(uid, span.start, span.end, summary, f"{person} is on call for {span.schedule}.")


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
