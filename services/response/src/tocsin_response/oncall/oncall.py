"""Questions about who is on call, and the overrides that change the answer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid, NotFound
from tocsin_kernel.ids import Ids
from tocsin_response.oncall import store
from tocsin_response.oncall.schedule import Duty, Override, Schedule, duty_at, neighbourhood, shifts

LONGEST_RANGE = timedelta(days=366)


class ScheduleNotFound(NotFound):
    reason = "SCHEDULE_NOT_FOUND"
    message = "there is no schedule {schedule}"


class ResponderNotFound(NotFound):
    reason = "RESPONDER_NOT_FOUND"
    message = "there is no responder {responder}"


class Turn(Enum):
    """Whose turn is meant: of those on call at an instant, of those after them, of those before them."""

    CURRENT = "current"
    NEXT = "next"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class OnDuty:
    """A responder whom a schedule puts on call, and why, for people."""

    responder: str
    why: str


@dataclass(frozen=True, slots=True)
class OverrideWish:
    """An override to make; without `starts_at` it begins now."""

    schedule: str
    responder: str
    starts_at: datetime | None
    ends_at: datetime
    created_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class NamedDuty:
    """A duty, with its schedule and the display name of who has it."""

    schedule: str
    display_name: str
    duty: Duty


class Oncall:
    """Who is on call."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def now(self, schedule: str, at: datetime | None) -> list[NamedDuty]:
        """The duty of one schedule, or of all, at an instant (None: now). Raises ScheduleNotFound."""
        async with self._database.transaction() as tx:
            schedules = await store.load_schedules(tx, [schedule] if schedule else None)
            if schedule and not schedules:
                raise ScheduleNotFound(schedule=schedule)
            duties = await duties_at(tx, schedules, at or self._clock.now())
            names = await store.display_names(tx, {duty.responder for duty in duties.values()})
        return [NamedDuty(name, names.get(duty.responder) or duty.responder, duty) for name, duty in duties.items()]

    async def shifts(self, schedule: str, since: datetime, until: datetime) -> list[NamedDuty]:
        """Who is on call over a range, gaps included. Raises ScheduleNotFound, Invalid."""
        if until <= since:
            raise Invalid(field="until", detail="must be later than from")
        if until - since > LONGEST_RANGE:
            raise Invalid(field="until", detail=f"must be at most {LONGEST_RANGE.days} days after from")
        async with self._database.transaction() as tx:
            found = await _schedule(tx, schedule)
            overrides = await store.load_overrides(tx, {schedule: (since, until)})
            duties = shifts(found, overrides, since, until)
            names = await store.display_names(tx, {duty.responder for duty in duties})
        return [NamedDuty(schedule, names.get(duty.responder) or duty.responder, duty) for duty in duties]

    async def override(self, tx: Tx, wish: OverrideWish) -> Override:
        """Put somebody on call for a while. Raises ScheduleNotFound, ResponderNotFound, Invalid."""
        now = self._clock.now()
        starts_at = wish.starts_at or now
        if wish.ends_at <= starts_at:
            raise Invalid(field="ends_at", detail="must be later than starts_at")
        await store.keep_configuration_still(tx)
        await _schedule(tx, wish.schedule)
        if not await store.responder_exists(tx, wish.responder):
            raise ResponderNotFound(responder=wish.responder)
        made = Override(self._ids.new(), wish.schedule, wish.responder, starts_at, wish.ends_at, wish.created_by, now, wish.reason)
        await store.insert_override(tx, made)
        return made

    async def remove_override(self, override_id: str) -> None:
        """End an override at once and for good, if it is there."""
        async with self._database.transaction() as tx:
            await store.delete_override(tx, override_id)

    async def overrides(self, schedule: str) -> list[Override]:
        """Those that have not ended, by start."""
        async with self._database.transaction() as tx:
            return await store.load_coming_overrides(tx, schedule, self._clock.now())


async def people(tx: Tx, schedules: Sequence[str], at: datetime, turn: Turn = Turn.CURRENT) -> Mapping[str, tuple[OnDuty, ...]]:
    """Who has the duty of each schedule, by its name; one without anybody, or that does not exist, has an empty answer."""
    known = await store.load_schedules(tx, list(schedules))
    duties = await duties_at(tx, known, at)
    if turn is not Turn.CURRENT:
        duties = {schedule.name: await _neighbour(tx, schedule, duties[schedule.name], turn) for schedule in known}
    found = {name: (OnDuty(duty.responder, _why(duty, turn)),) for name, duty in duties.items() if duty.responder}
    return {name: found.get(name, ()) for name in schedules}


async def _neighbour(tx: Tx, schedule: Schedule, duty: Duty, turn: Turn) -> Duty:
    edge = duty.until if turn is Turn.NEXT else duty.since
    if edge is None:
        return Duty("", None, None, "")
    at = edge if turn is Turn.NEXT else edge - timedelta(microseconds=1)
    return (await duties_at(tx, [schedule], at))[schedule.name]


def _why(duty: Duty, turn: Turn) -> str:
    is_on_call = {Turn.CURRENT: "is on call", Turn.NEXT: "is next on call", Turn.PREVIOUS: "was on call before"}[turn]
    since = f" from {duty.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if duty.since is not None else ""
    until = f" until {duty.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if duty.until is not None else ""
    return f"{is_on_call}{since}{until} as {duty.reason}"


async def duties_at(tx: Tx, schedules: Sequence[Schedule], at: datetime) -> dict[str, Duty]:
    """The duty of each schedule, by its name."""
    overrides: dict[str, list[Override]] = defaultdict(list)
    for override in await store.load_overrides(tx, {schedule.name: neighbourhood(schedule, at) for schedule in schedules}):
        overrides[override.schedule].append(override)
    return {schedule.name: duty_at(schedule, overrides[schedule.name], at) for schedule in schedules}


async def _schedule(tx: Tx, name: str) -> Schedule:
    found = await store.load_schedules(tx, [name])
    if not found:
        raise ScheduleNotFound(schedule=name)
    return found[0]
