"""Who is on call: questions about now, ahead and back, and the overrides that change the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid, NotFound
from tocsin_kernel.ids import Ids
from tocsin_oncall.render import FARTHEST, Duty, Plan, Shift
from tocsin_oncall.schedule import Kind, Override
from tocsin_response.oncall import store
from tocsin_response.oncall.rota import Kept, Rota, rota

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
    """Whom a schedule puts on call, and why, for people: a responder or, by way of a policy, a contact that is nobody's own.

    Of those with the same `turn` one is asked. `gap` has nobody, and its policy's fallback is asked instead.
    """

    responder: str
    why: str
    contact: str = ""
    turn: str = ""
    gap: str = ""


@dataclass(frozen=True, slots=True)
class OverrideWish:
    """An override to make; without `starts_at` it begins now."""

    schedule: str
    responder: str
    starts_at: datetime | None
    ends_at: datetime
    created_by: str
    reason: str
    kind: Kind = Kind.COVER_ALL
    instead_of: str = ""
    layer: str = ""


@dataclass(frozen=True, slots=True)
class NamedDuty:
    """A duty, with its schedule and the display name of who has it."""

    schedule: str
    display_name: str
    duty: Duty


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why these people are on call: a line for each layer and for each thing that goes over them, and who is around them."""

    duties: list[NamedDuty]
    lines: tuple[str, ...]
    next: list[NamedDuty]
    previous: list[NamedDuty]


class Oncall:
    """Who is on call."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def now(self, schedule: str, at: datetime | None) -> list[NamedDuty]:
        """The duties of one schedule, or of all, at an instant (None: now). Raises ScheduleNotFound."""
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            if at is not None and at < self._clock.now():
                plans = await plans_over(tx, current, names_of(current, schedule), at - FARTHEST, at + FARTHEST)
                return [
                    NamedDuty(name, current.called(duty.responder), duty) for name, plan in plans.items() for duty in plan.duties_at(at)
                ]
            when = at or self._clock.now()
            return [
                NamedDuty(name, current.called(duty.responder), duty)
                for name in names_of(current, schedule)
                for duty in current.kept[name].duties_at(when)
            ]

    async def shifts(self, schedule: str, since: datetime, until: datetime) -> list[NamedDuty]:
        """Who is on call over a range, gaps included: one entry for each person. Raises ScheduleNotFound, Invalid."""
        check_range(since, until)
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            plans = await plans_over(tx, current, names_of(current, schedule), since, until)
        return [
            NamedDuty(schedule, current.called(name), Duty(name, shift.start, shift.end, shift.reason))
            for shift in plans[schedule].shifts(since, until)
            for name in shift.responders or ("",)
        ]

    async def explain(self, schedule: str, at: datetime | None) -> Explanation:
        """Why these people, and nobody else, are on call. Raises ScheduleNotFound."""
        when = at or self._clock.now()
        async with self._database.transaction() as tx:
            current = await rota(tx, self._clock.now())
            plans = await plans_over(tx, current, names_of(current, schedule), when - FARTHEST, when + FARTHEST)
        plan = plans[schedule]

        def named(duties: Sequence[Duty]) -> list[NamedDuty]:
            return [NamedDuty(schedule, current.called(duty.responder), duty) for duty in duties]

        return Explanation(named(plan.duties_at(when)), plan.explain(when), named(plan.after(when)), named(plan.before(when)))

    async def override(self, tx: Tx, wish: OverrideWish) -> Override:
        """Change who is on call for a while. Raises ScheduleNotFound, ResponderNotFound, Invalid."""
        now = self._clock.now()
        starts_at = wish.starts_at or now
        if wish.ends_at <= starts_at:
            raise Invalid(field="ends_at", detail="must be later than starts_at")
        check_kind(wish)
        await store.keep_configuration_still(tx)
        await require_schedule(tx, now, wish.schedule, wish.layer)
        await require_responders(tx, [name for name in (wish.responder, wish.instead_of) if name])
        made = Override(
            self._ids.new(),
            wish.schedule,
            wish.responder,
            starts_at,
            wish.ends_at,
            wish.created_by,
            now,
            wish.reason,
            wish.kind,
            wish.instead_of,
            wish.layer,
        )
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


def on_duty(current: Rota, target: tuple[str, str], at: datetime, turn: Turn, severity: int) -> tuple[OnDuty, ...]:
    """Who has the duty of a schedule, or of one layer of it alone (`target`), at an instant that is now or later, by what is in memory.

    Empty for a schedule without anybody, or that is none. `severity` is that of the incident they are asked about.
    """
    kept = current.kept.get(target[0])
    if kept is not None and target[1]:
        kept = Kept(kept.plan.of_layer(target[1]), kept.plain)
    return tuple(_on_duty(kept, at, turn, severity))


def why_nobody(current: Rota, target: tuple[str, str], at: datetime, turn: Turn, severity: int) -> str:
    """Why a schedule, or one layer of it, has nobody; empty if there is nothing to say."""
    kept = current.kept.get(target[0])
    if kept is None or turn is not Turn.CURRENT:
        return ""
    plan = kept.plan.of_layer(target[1]) if target[1] else kept.plan
    duties = plan.at_severity(severity).duties_at(at)
    return duties[0].reason if not duties[0].responder else ""


async def plans_over(tx: Tx, current: Rota, names: Sequence[str], since: datetime, until: datetime) -> dict[str, Plan]:
    """The schedules with everything that goes over them in a range, by name."""
    schedules = {name: schedule for name in (*names, *current.behind(names)) if (schedule := current.schedule(name)) is not None}
    overrides = store.grouped(await store.load_overrides(tx, list(schedules), since, until))
    temporaries = store.grouped(await store.load_temporaries(tx, list(schedules), since, until))
    plans: dict[str, Plan] = {}
    there = replace(current.around, plans=plans)
    for name, schedule in schedules.items():
        plans[name] = Plan(schedule, overrides.get(name, ()), temporaries.get(name, ()), there)
    return {name: plans[name] for name in names if name in plans}


async def require_schedule(tx: Tx, now: datetime, name: str, layer: str = "") -> None:
    """Raises ScheduleNotFound, and Invalid for a layer that the schedule does not have."""
    schedule = (await rota(tx, now)).schedule(name)
    if schedule is None:
        raise ScheduleNotFound(schedule=name)
    layers = [each.name for each in schedule.layers]
    if layer and layer not in layers:
        raise Invalid(field="layer", detail=f"schedule {name} has no layer {layer}; it has {', '.join(layers) or 'none'}")


async def require_responders(tx: Tx, names: Sequence[str]) -> None:
    """Raises ResponderNotFound for the first who is none."""
    for missing in await store.missing_responders(tx, names) if names else ():
        raise ResponderNotFound(responder=missing)


def check_range(since: datetime, until: datetime) -> None:
    """Raises Invalid."""
    if until <= since:
        raise Invalid(field="until", detail="must be later than from")
    if until - since > LONGEST_RANGE:
        raise Invalid(field="until", detail=f"must be at most {LONGEST_RANGE.days} days after from")


def check_kind(wish: OverrideWish) -> None:
    """Raises Invalid unless the override names whom its kind needs."""
    if wish.kind in (Kind.REPLACE, Kind.ADD) and not wish.responder:
        raise Invalid(field="responder", detail=f"{wish.kind.name} needs who comes")
    if wish.kind in (Kind.REPLACE, Kind.REMOVE) and not wish.instead_of:
        raise Invalid(field="instead_of", detail=f"{wish.kind.name} needs who goes")
    if wish.kind is Kind.REMOVE and wish.responder:
        raise Invalid(field="responder", detail="REMOVE puts nobody on call; leave it out, or use REPLACE")


def gaps_of(plans: Mapping[str, Plan], since: datetime, until: datetime) -> list[tuple[str, Shift]]:
    """The times at which nobody is on call, by schedule, by start."""
    found = [(name, gap) for name, plan in plans.items() for gap in plan.gaps(since, until)]
    return sorted(found, key=lambda each: (each[1].start, each[0]))


def names_of(current: Rota, schedule: str) -> list[str]:
    """One schedule, or all. Raises ScheduleNotFound."""
    if schedule and schedule not in current.kept:
        raise ScheduleNotFound(schedule=schedule)
    return [schedule] if schedule else list(current.kept)


def _on_duty(kept: Kept | None, at: datetime, turn: Turn, severity: int) -> list[OnDuty]:
    if kept is None:
        return []
    match turn:
        case Turn.CURRENT:
            duties = kept.duties_at(at, severity)
        case Turn.NEXT:
            duties = kept.plan.at_severity(severity).after(at)
        case Turn.PREVIOUS:
            duties = kept.plan.at_severity(severity).before(at)
    return [_asked(duty, _why(duty, turn)) for duty in duties if duty.responder]


def _asked(duty: Duty, why: str) -> OnDuty:
    return OnDuty("" if duty.contact else duty.responder, why, duty.contact, duty.turn, duty.gap)


def _why(duty: Duty, turn: Turn) -> str:
    is_on_call = {Turn.CURRENT: "is on call", Turn.NEXT: "is next on call", Turn.PREVIOUS: "was on call before"}[turn]
    since = f" from {duty.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if duty.since is not None else ""
    until = f" until {duty.until.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if duty.until is not None else ""
    return f"{is_on_call}{since}{until} as {duty.reason}"
