"""Responders, teams, schedules and what goes over them, in the database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_oncall.schedule import FixedShift, Kind, Override, Temporary
from tocsin_response.oncall.swap import State, Swap


@dataclass(frozen=True, slots=True)
class Definition:
    """A schedule as it is kept: its contract's JSON, or the columns that the version before wrote."""

    name: str
    time_zone: str
    unit: str | None
    length: int | None
    starts_on: date | None
    handoff_time: time | None
    responders: list[str] | None
    definition: dict[str, Any] | None

    @property
    def plain(self) -> dict[str, Any]:
        """The JSON, whoever wrote it."""
        if self.definition is not None:
            return self.definition
        made: dict[str, Any] = {"name": self.name, "time_zone": self.time_zone}
        if self.unit is not None and self.starts_on is not None and self.handoff_time is not None:
            made["rotation"] = {
                "unit": self.unit.upper(),
                "length": self.length or 1,
                "starts_on": self.starts_on.isoformat(),
                "handoff_time": self.handoff_time.isoformat(),
                "responders": self.responders or [],
            }
        return made


@dataclass(frozen=True, slots=True)
class Revision:
    """What the copy of schedules in memory was read at. `written_by` is the transaction that wrote it: a rolled back number comes again."""

    installation: str
    revision: int
    written_by: str


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar of others. `text` is what it holds: as it was given, or as it was read last from its address."""

    name: str
    display_name: str
    kind: str
    responder: str
    time_zone: str
    text: str
    from_file: bool
    url: str = ""


@dataclass(frozen=True, slots=True)
class Fetch:
    """A calendar that is to be read from its address, and what was read last."""

    name: str
    url: str
    fetched: str


@dataclass(frozen=True, slots=True)
class Feed:
    """A secret link at which duties are read."""

    id: str
    schedule: str
    responder: str
    created_by: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """A responder as calendars, pictures and figures need to know them."""

    name: str
    display_name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class _OverrideRow:
    id: str
    schedule: str
    responder: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    created_at: datetime
    reason: str
    kind: str
    instead_of: str
    layer: str

    def to_domain(self) -> Override:
        return Override(
            self.id,
            self.schedule,
            self.responder,
            self.starts_at,
            self.ends_at,
            self.created_by,
            self.created_at,
            self.reason,
            Kind[self.kind],
            self.instead_of,
            self.layer,
        )


@dataclass(frozen=True, slots=True)
class _TemporaryRow:
    id: str
    schedule: str
    starts_at: datetime
    ends_at: datetime
    shifts: list[dict[str, Any]]
    created_by: str
    created_at: datetime
    reason: str

    def to_domain(self) -> Temporary:
        shifts = tuple(FixedShift(_read(each["start"]), _read(each["end"]), tuple(each["people"])) for each in self.shifts)
        return Temporary(self.id, self.schedule, self.starts_at, self.ends_at, shifts, self.created_by, self.created_at, self.reason)


@dataclass(frozen=True, slots=True)
class _SwapRow:
    id: str
    schedule: str
    responder: str
    asked: str
    starts_at: datetime
    ends_at: datetime
    return_starts_at: datetime | None
    return_ends_at: datetime | None
    state: str
    taken_by: str
    created_by: str
    created_at: datetime
    reason: str

    def to_domain(self) -> Swap:
        given = (self.return_starts_at, self.return_ends_at) if self.return_starts_at and self.return_ends_at else None
        return Swap(
            self.id,
            self.schedule,
            self.responder,
            self.asked,
            (self.starts_at, self.ends_at),
            given,
            State[self.state],
            self.taken_by,
            self.created_by,
            self.created_at,
            self.reason,
        )


@dataclass(frozen=True, slots=True)
class _TeamRow:
    name: str
    members: list[str]


async def revision(tx: Tx) -> Revision:
    """The present revision of everything that says who is on call."""
    return await tx.one(Revision, "SELECT installation::text, revision, xmin::text AS written_by FROM oncall_revision")


async def load_schedules(tx: Tx, names: Sequence[str] | None = None) -> list[Definition]:
    """The schedules with these names, or all, by name."""
    return await tx.many(
        Definition,
        """SELECT name, time_zone, unit, length, starts_on, handoff_time, responders, definition FROM schedule
           WHERE %(names)s::text[] IS NULL OR name = ANY(%(names)s) ORDER BY name""",
        {"names": list(names) if names is not None else None},
    )


async def load_overrides(tx: Tx, schedules: Sequence[str] | None, since: datetime, until: datetime) -> list[Override]:
    """The overrides of these schedules (None: of all) that touch a range."""
    rows = await tx.many(
        _OverrideRow,
        """SELECT id::text, schedule, responder, starts_at, ends_at, created_by, created_at, reason, kind, instead_of, layer
           FROM duty_override WHERE ends_at > %(since)s AND starts_at < %(until)s
               AND (%(schedules)s::text[] IS NULL OR schedule = ANY(%(schedules)s))""",
        {"schedules": list(schedules) if schedules is not None else None, "since": since, "until": until},
    )
    return [row.to_domain() for row in rows]


async def load_coming_overrides(tx: Tx, schedule: str, now: datetime) -> list[Override]:
    """The overrides of a schedule (empty: of all) that have not ended, by start."""
    rows = await tx.many(
        _OverrideRow,
        """SELECT id::text, schedule, responder, starts_at, ends_at, created_by, created_at, reason, kind, instead_of, layer
           FROM duty_override WHERE ends_at > %(now)s AND (%(schedule)s = '' OR schedule = %(schedule)s)
           ORDER BY starts_at, duty_override.id""",
        {"now": now, "schedule": schedule},
    )
    return [row.to_domain() for row in rows]


async def insert_override(tx: Tx, override: Override) -> None:
    await tx.execute(
        """INSERT INTO duty_override (id, schedule, responder, starts_at, ends_at, created_by, created_at, reason, kind, instead_of, layer)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            override.id,
            override.schedule,
            override.responder,
            override.starts_at,
            override.ends_at,
            override.created_by,
            override.created_at,
            override.reason,
            override.kind.name,
            override.instead_of,
            override.layer,
        ),
    )


async def delete_override(tx: Tx, override_id: str) -> None:
    """Delete it, if it is there."""
    await tx.execute("DELETE FROM duty_override WHERE id = %s", (override_id,))


async def load_temporaries(tx: Tx, schedules: Sequence[str] | None, since: datetime, until: datetime) -> list[Temporary]:
    """The temporary schedules of these schedules (None: of all) that touch a range."""
    rows = await tx.many(
        _TemporaryRow,
        """SELECT id::text, schedule, starts_at, ends_at, shifts, created_by, created_at, reason FROM temporary_schedule
           WHERE ends_at > %(since)s AND starts_at < %(until)s AND (%(schedules)s::text[] IS NULL OR schedule = ANY(%(schedules)s))""",
        {"schedules": list(schedules) if schedules is not None else None, "since": since, "until": until},
    )
    return [row.to_domain() for row in rows]


async def list_temporaries(tx: Tx, schedule: str, now: datetime, limit: int) -> list[Temporary]:
    """Those of a schedule (empty: of all) that have not ended, by start."""
    rows = await tx.many(
        _TemporaryRow,
        """SELECT id::text, schedule, starts_at, ends_at, shifts, created_by, created_at, reason FROM temporary_schedule
           WHERE ends_at > %(now)s AND (%(schedule)s = '' OR schedule = %(schedule)s)
           ORDER BY starts_at, temporary_schedule.id LIMIT %(limit)s""",
        {"now": now, "schedule": schedule, "limit": limit},
    )
    return [row.to_domain() for row in rows]


async def insert_temporary(tx: Tx, temporary: Temporary) -> None:
    shifts = [{"start": each.start.isoformat(), "end": each.end.isoformat(), "people": each.people} for each in temporary.shifts]
    await tx.execute(
        """INSERT INTO temporary_schedule (id, schedule, starts_at, ends_at, shifts, created_by, created_at, reason)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            temporary.id,
            temporary.schedule,
            temporary.starts_at,
            temporary.ends_at,
            Jsonb(shifts),
            temporary.created_by,
            temporary.created_at,
            temporary.reason,
        ),
    )


async def delete_temporary(tx: Tx, temporary_id: str) -> None:
    """Delete it, if it is there."""
    await tx.execute("DELETE FROM temporary_schedule WHERE id = %s", (temporary_id,))


async def insert_swap(tx: Tx, swap: Swap) -> None:
    given = swap.in_return or (None, None)
    await tx.execute(
        """INSERT INTO swap (id, schedule, responder, asked, starts_at, ends_at, return_starts_at, return_ends_at, state, taken_by,
               created_by, created_at, reason) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            swap.id,
            swap.schedule,
            swap.responder,
            swap.asked,
            *swap.range,
            *given,
            swap.state.name,
            swap.taken_by,
            swap.created_by,
            swap.created_at,
            swap.reason,
        ),
    )


async def load_swap(tx: Tx, swap_id: str) -> Swap | None:
    """Lock the swap for the rest of the transaction."""
    row = await tx.maybe(
        _SwapRow,
        """SELECT id::text, schedule, responder, asked, starts_at, ends_at, return_starts_at, return_ends_at, state, taken_by,
               created_by, created_at, reason FROM swap WHERE id = %s FOR UPDATE""",
        (swap_id,),
    )
    return row.to_domain() if row is not None else None


async def save_swap(tx: Tx, swap: Swap) -> None:
    await tx.execute("UPDATE swap SET state = %s, taken_by = %s WHERE id = %s", (swap.state.name, swap.taken_by, swap.id))


async def list_swaps(tx: Tx, schedule: str, open_at: datetime | None, before: str | None, limit: int) -> list[Swap]:
    """Newest first, those of one schedule (empty: of all), those that are still open at an instant (None: any), before an id."""
    rows = await tx.many(
        _SwapRow,
        """SELECT id::text, schedule, responder, asked, starts_at, ends_at, return_starts_at, return_ends_at, state, taken_by,
               created_by, created_at, reason FROM swap
           WHERE (%(schedule)s = '' OR schedule = %(schedule)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)
               AND (%(open_at)s::timestamptz IS NULL OR state = 'OPEN' AND ends_at > %(open_at)s)
           ORDER BY swap.id DESC LIMIT %(limit)s""",
        {"schedule": schedule, "open_at": open_at, "before": before, "limit": limit},
    )
    return [row.to_domain() for row in rows]


async def load_calendars(tx: Tx) -> list[Calendar]:
    """All calendars, by name."""
    return await tx.many(
        Calendar,
        """SELECT name, display_name, kind, responder, time_zone, CASE WHEN url = '' THEN text ELSE fetched END AS text, from_file, url
           FROM calendar ORDER BY name""",
    )


async def load_calendar(tx: Tx, name: str) -> Calendar | None:
    return await tx.maybe(
        Calendar,
        """SELECT name, display_name, kind, responder, time_zone, CASE WHEN url = '' THEN text ELSE fetched END AS text, from_file, url
           FROM calendar WHERE name = %s""",
        (name,),
    )


async def save_calendar(tx: Tx, calendar: Calendar) -> None:
    """Insert it, or replace the one with its name. From another address than before it is read anew."""
    await tx.execute(
        """INSERT INTO calendar (name, display_name, kind, responder, time_zone, text, from_file, url)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, kind = excluded.kind, responder = excluded.responder,
               time_zone = excluded.time_zone, text = excluded.text, from_file = excluded.from_file, url = excluded.url,
               fetched = CASE WHEN calendar.url = excluded.url THEN calendar.fetched ELSE '' END,
               fetch_at = CASE WHEN calendar.url = excluded.url THEN calendar.fetch_at ELSE '-infinity' END""",
        (
            calendar.name,
            calendar.display_name,
            calendar.kind,
            calendar.responder,
            calendar.time_zone,
            calendar.text,
            calendar.from_file,
            calendar.url,
        ),
    )


async def claim_fetches(tx: Tx, now: datetime, again_at: datetime, limit: int) -> list[Fetch]:
    """The calendars that are to be read from their addresses now; they come again at `again_at` unless somebody says otherwise."""
    return await tx.many(
        Fetch,
        """UPDATE calendar SET fetch_at = %s WHERE name IN (
               SELECT name FROM calendar WHERE url <> '' AND fetch_at <= %s ORDER BY fetch_at LIMIT %s FOR UPDATE SKIP LOCKED
           ) RETURNING name, url, fetched""",
        (again_at, now, limit),
    )


async def keep_fetched(tx: Tx, fetch: Fetch, text: str) -> None:
    """What was read, unless the calendar has another address by now."""
    await tx.execute("UPDATE calendar SET fetched = %s WHERE name = %s AND url = %s", (text, fetch.name, fetch.url))


async def plan_fetch(tx: Tx, fetch: Fetch, at: datetime, error: str) -> None:
    """When it is read again, and what went wrong; unless the calendar has another address by now."""
    await tx.execute("UPDATE calendar SET fetch_at = %s, fetch_error = %s WHERE name = %s AND url = %s", (at, error, fetch.name, fetch.url))


async def delete_calendar(tx: Tx, name: str) -> None:
    """Delete it, if it is there."""
    await tx.execute("DELETE FROM calendar WHERE name = %s", (name,))


async def insert_feed(tx: Tx, feed: Feed, secret_hash: bytes) -> None:
    await tx.execute(
        "INSERT INTO calendar_feed (id, secret_hash, schedule, responder, created_by, created_at) VALUES (%s, %s, %s, %s, %s, %s)",
        (feed.id, secret_hash, feed.schedule, feed.responder, feed.created_by, feed.created_at),
    )


async def load_feed(tx: Tx, secret_hash: bytes) -> Feed | None:
    return await tx.maybe(
        Feed, "SELECT id::text, schedule, responder, created_by, created_at FROM calendar_feed WHERE secret_hash = %s", (secret_hash,)
    )


async def list_feeds(tx: Tx, limit: int) -> list[Feed]:
    return await tx.many(
        Feed,
        """SELECT id::text, schedule, responder, created_by, created_at FROM calendar_feed
           ORDER BY calendar_feed.id DESC LIMIT %s""",
        (limit,),
    )


async def delete_feed(tx: Tx, feed_id: str) -> None:
    await tx.execute("DELETE FROM calendar_feed WHERE id = %s", (feed_id,))


async def keep_configuration_still(tx: Tx) -> None:
    """Until the transaction ends nobody applies a configuration."""
    await tx.execute("SELECT pg_advisory_xact_lock_shared(hashtext('configuration:' || current_schema()))")


async def responder_exists(tx: Tx, name: str) -> bool:
    return bool(await tx.value(bool, "SELECT EXISTS (SELECT FROM responder WHERE name = %s)", (name,)))


async def missing_responders(tx: Tx, names: Iterable[str]) -> list[str]:
    """Those of the names that are no responder's."""
    return await tx.values(
        str,
        "SELECT wanted.name FROM unnest(%s::text[]) AS wanted (name) LEFT JOIN responder USING (name) WHERE responder.name IS NULL",
        (list(names),),
    )


async def load_people(tx: Tx) -> list[Person]:
    """All responders, by name."""
    return await tx.many(Person, "SELECT name, display_name, time_zone FROM responder ORDER BY name")


async def display_names(tx: Tx, names: Iterable[str] | None = None) -> dict[str, str]:
    """Display names (they may be empty) of the responders with these names, or of all."""
    rows = await tx.many(
        Person,
        "SELECT name, display_name, time_zone FROM responder WHERE %(names)s::text[] IS NULL OR name = ANY(%(names)s)",
        {"names": list(names) if names is not None else None},
    )
    return {row.name: row.display_name for row in rows}


async def load_members(tx: Tx, teams: Sequence[str] | None) -> dict[str, tuple[str, ...]]:
    """The members of these teams, or of all."""
    rows = await tx.many(
        _TeamRow,
        "SELECT name, members FROM team WHERE %(teams)s::text[] IS NULL OR name = ANY(%(teams)s)",
        {"teams": list(teams) if teams is not None else None},
    )
    return {row.name: tuple(row.members) for row in rows}


async def load_fallback(tx: Tx) -> tuple[str, ...]:
    """The responders of the platform's fallback; none if it is not set."""
    return tuple(await tx.values(str, "SELECT unnest(responders) FROM platform_fallback"))


def grouped(items: Iterable[Any]) -> Mapping[str, tuple[Any, ...]]:
    """Overrides or temporary schedules by the name of their schedule."""
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(item.schedule, []).append(item)
    return {schedule: tuple(listed) for schedule, listed in found.items()}


def _read(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
