"""Looking over a range: shifts of a schedule as it is or would be, gaps, conflicts, and how the load is shared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tocsin_chassis.grpc.errors import ManyInvalid
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_oncall import duties, wall
from tocsin_oncall.carry import with_positions
from tocsin_oncall.duties import Away, Conflict, Load
from tocsin_oncall.ical import Events
from tocsin_oncall.plain import read
from tocsin_oncall.render import Plan, Shift
from tocsin_response.oncall import store
from tocsin_response.oncall.oncall import check_range, gaps_of, names_of, plans_over
from tocsin_response.oncall.rota import Rota, rota

USUAL_RANGE = timedelta(days=30)
MOST_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Range:
    """From an instant (None: now) until another (None: 30 days later)."""

    since: datetime | None
    until: datetime | None

    def resolved(self, now: datetime) -> tuple[datetime, datetime]:
        """Raises Invalid."""
        since = self.since or now
        until = self.until or since + USUAL_RANGE
        check_range(since, until)
        return since, until


class Outlook:
    """What schedules say about a range. Nothing is changed."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def plan(self, schedule: str, since: datetime, until: datetime) -> Plan:
        """A stored schedule, with what goes over it in a range. Raises ScheduleNotFound, Invalid."""
        check_range(since, until)
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            plans = await plans_over(tx, current, names_of(current, schedule), since, until)
        return plans[schedule]

    async def preview(self, given: Mapping[str, Any], since: datetime, until: datetime) -> Plan:
        """The same as it would be after applying a schedule. Raises ManyInvalid naming every field that is wrong."""
        check_range(since, until)
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            name = str(given.get("name", ""))
            held = current.kept.get(name)
            plain = with_positions(held.plain, given, self._clock.now(), current.known) if held is not None else given
            schedule, problems = read(plain, current.known)
            if problems:
                raise ManyInvalid([(f"schedule.{path}", detail) for path, detail in problems])
            plans = await plans_over(tx, current.with_schedule(schedule), [schedule.name], since, until)
        return plans[schedule.name]

    async def gaps(self, schedule: str, range: Range) -> list[tuple[str, Shift]]:
        """The times at which nobody is on call, by start. Raises ScheduleNotFound, Invalid."""
        since, until = range.resolved(self._clock.now())
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            plans = await plans_over(tx, current, names_of(current, schedule), since, until)
        return gaps_of(plans, since, until)[:MOST_LISTED]

    async def conflicts(self, schedule: str, range: Range) -> list[Conflict]:
        """Duties that clash with absences, holidays, other duties or rest; of one schedule's people, all their duties count."""
        since, until = range.resolved(self._clock.now())
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            names_of(current, schedule)
            spans = await _spans(tx, current, list(current.kept), since, until)
            away = _away(await store.load_calendars(tx), since, until)
        rest = {name: timedelta(hours=kept.plan.schedule.rest) for name, kept in current.kept.items()}
        found = duties.conflicts(spans, away, rest)
        return [each for each in found if not schedule or schedule in each.schedules][:MOST_LISTED]

    async def fairness(self, schedules: Sequence[str], since: datetime, until: datetime) -> list[Load]:
        """The load of each person, most hours first. Raises ScheduleNotFound, Invalid."""
        check_range(since, until)
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            names = [name for each in schedules or [""] for name in names_of(current, each)]
            spans = await _spans(tx, current, names, since, until)
        zones = {name: ZoneInfo(person.time_zone or "UTC") for name, person in current.people.items()}
        return duties.fairness(spans, zones)


async def _spans(tx: Tx, current: Rota, names: Sequence[str], since: datetime, until: datetime) -> list[duties.Span]:
    plans = await plans_over(tx, current, names, since, until)
    return duties.spans({name: plan.shifts(since, until) for name, plan in plans.items()})


def _away(calendars: Sequence[store.Calendar], since: datetime, until: datetime) -> list[Away]:
    found = []
    for each in calendars:
        if each.kind in ("ABSENCE", "HOLIDAY") and each.text:
            events = Events(each.text, wall.zone_named(each.time_zone or "UTC")).between(since, until)
            found.append(Away(each.responder or None, tuple(events)))
    return found
