"""Responders, teams, schedules and overrides in the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

from tocsin_chassis.postgres.database import Tx
from tocsin_response.oncall.rotation import Rotation, Unit
from tocsin_response.oncall.schedule import Override, Schedule


@dataclass(frozen=True, slots=True)
class _ScheduleRow:
    name: str
    time_zone: str
    unit: str | None
    length: int | None
    starts_on: date | None
    handoff_time: time | None
    responders: list[str] | None

    def to_domain(self) -> Schedule:
        if self.unit is None or self.length is None or self.starts_on is None or self.handoff_time is None or self.responders is None:
            return Schedule(self.name, None)
        unit = Unit[self.unit.upper()]
        return Schedule(self.name, Rotation(unit, self.length, self.starts_on, self.handoff_time, tuple(self.responders), self.time_zone))


@dataclass(frozen=True, slots=True)
class _NamedRow:
    name: str
    display_name: str


@dataclass(frozen=True, slots=True)
class _TeamRow:
    name: str
    members: list[str]


async def load_schedules(tx: Tx, names: Sequence[str] | None = None) -> list[Schedule]:
    """The schedules with these names, or all, by name."""
    rows = await tx.many(
        _ScheduleRow,
        """SELECT name, time_zone, unit, length, starts_on, handoff_time, responders FROM schedule
           WHERE %(names)s::text[] IS NULL OR name = ANY(%(names)s) ORDER BY name""",
        {"names": list(names) if names is not None else None},
    )
    return [row.to_domain() for row in rows]


async def load_overrides(tx: Tx, ranges: Mapping[str, tuple[datetime, datetime]]) -> list[Override]:
    """The overrides that touch each schedule's range, its ends included."""
    return await tx.many(
        Override,
        """SELECT o.id::text, o.schedule, o.responder, o.starts_at, o.ends_at, o.created_by, o.created_at, o.reason
           FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[]) AS wanted (schedule, since, until)
           JOIN duty_override AS o ON o.schedule = wanted.schedule AND o.ends_at >= wanted.since AND o.starts_at <= wanted.until""",
        (list(ranges), [since for since, _ in ranges.values()], [until for _, until in ranges.values()]),
    )


async def load_coming_overrides(tx: Tx, schedule: str, now: datetime) -> list[Override]:
    """The overrides of a schedule (empty: of all) that have not ended, by start."""
    return await tx.many(
        Override,
        """SELECT id::text, schedule, responder, starts_at, ends_at, created_by, created_at, reason FROM duty_override
           WHERE ends_at > %(now)s AND (%(schedule)s = '' OR schedule = %(schedule)s) ORDER BY starts_at, id""",
        {"now": now, "schedule": schedule},
    )


async def insert_override(tx: Tx, override: Override) -> None:
    await tx.execute(
        """INSERT INTO duty_override (id, schedule, responder, starts_at, ends_at, created_by, created_at, reason)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            override.id,
            override.schedule,
            override.responder,
            override.starts_at,
            override.ends_at,
            override.created_by,
            override.created_at,
            override.reason,
        ),
    )


async def delete_override(tx: Tx, override_id: str) -> None:
    """Delete it, if it is there."""
    await tx.execute("DELETE FROM duty_override WHERE id = %s", (override_id,))


async def keep_configuration_still(tx: Tx) -> None:
    """Until the transaction ends nobody applies a configuration."""
    await tx.execute("SELECT pg_advisory_xact_lock_shared(hashtext('configuration:' || current_schema()))")


async def responder_exists(tx: Tx, name: str) -> bool:
    return bool(await tx.value(bool, "SELECT EXISTS (SELECT FROM responder WHERE name = %s)", (name,)))


async def display_names(tx: Tx, names: Iterable[str] | None = None) -> dict[str, str]:
    """Display names (they may be empty) of the responders with these names, or of all."""
    rows = await tx.many(
        _NamedRow,
        "SELECT name, display_name FROM responder WHERE %(names)s::text[] IS NULL OR name = ANY(%(names)s)",
        {"names": list(names) if names is not None else None},
    )
    return {row.name: row.display_name for row in rows}


async def load_members(tx: Tx, teams: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The members of these teams."""
    rows = await tx.many(_TeamRow, "SELECT name, members FROM team WHERE name = ANY(%s)", (list(teams),))
    return {row.name: tuple(row.members) for row in rows}


async def load_fallback(tx: Tx) -> tuple[str, ...]:
    """The responders of the platform's fallback; none if it is not set."""
    return tuple(await tx.values(str, "SELECT unnest(responders) FROM platform_fallback"))
