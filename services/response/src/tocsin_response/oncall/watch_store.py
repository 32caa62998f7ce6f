"""Who really was on call, and when each schedule is to be looked at again, in the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class Watch:
    """When a schedule is to be looked at, and what was seen the last time."""

    schedule: str
    look_at: datetime
    looked_at: datetime | None
    revision: int
    noticed_handoff: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class Record:
    """Somebody (or nobody) really was on call; without `until` it goes on."""

    id: str
    schedule: str
    responder: str
    since: datetime
    until: datetime | None
    reason: str


async def add_missing(tx: Tx, now: datetime) -> None:
    """Every schedule is watched."""
    await tx.execute(
        """INSERT INTO duty_watch (schedule, look_at, revision)
           SELECT name, %s, 0 FROM schedule WHERE NOT EXISTS (SELECT FROM duty_watch WHERE duty_watch.schedule = schedule.name)
           ON CONFLICT DO NOTHING""",
        (now,),
    )


async def claim(tx: Tx, now: datetime, revision: int, limit: int) -> list[Watch]:
    """The schedules that are to be looked at: something is due, or somebody changed something since."""
    return await tx.many(
        Watch,
        """SELECT schedule, look_at, looked_at, revision, noticed_handoff, version FROM duty_watch
           WHERE look_at <= %s OR revision < %s ORDER BY schedule LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, revision, limit),
    )


async def save(tx: Tx, watches: Sequence[Watch]) -> None:
    """Note what was seen."""
    await tx.execute_set(
        """UPDATE duty_watch SET look_at = seen.look_at, looked_at = seen.looked_at, revision = seen.revision,
               noticed_handoff = seen.noticed_handoff, version = seen.version
           FROM unnest(%s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::timestamptz[], %s::bigint[])
               AS seen (schedule, look_at, looked_at, revision, noticed_handoff, version)
           WHERE duty_watch.schedule = seen.schedule""",
        [(each.schedule, each.look_at, each.looked_at, each.revision, each.noticed_handoff, each.version) for each in watches],
    )


async def load_open(tx: Tx, schedules: Sequence[str]) -> Mapping[str, list[Record]]:
    """The duties that go on, by schedule."""
    rows = await tx.many(
        Record,
        """SELECT id::text, schedule, responder, since, until, reason FROM duty_record
           WHERE schedule = ANY(%s) AND until IS NULL ORDER BY since, duty_record.id""",
        (list(schedules),),
    )
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row.schedule, []).append(row)
    return found


async def close(tx: Tx, records: Sequence[str], at: datetime) -> None:
    """These duties ended then."""
    if records:
        await tx.execute("UPDATE duty_record SET until = greatest(since, %s) WHERE id = ANY(%s::uuid[])", (at, list(records)))


async def insert(tx: Tx, records: Sequence[Record]) -> None:
    await tx.execute_set(
        """INSERT INTO duty_record (id, schedule, responder, since, reason)
           SELECT * FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::timestamptz[], %s::text[])""",
        [(each.id, each.schedule, each.responder, each.since, each.reason) for each in records],
    )


async def list_records(
    tx: Tx,
    schedule: str,
    responder: str,
    since: datetime | None,
    until: datetime | None,
    before: tuple[datetime, str] | None,
    limit: int,
) -> list[Record]:
    """Newest first, those of a schedule and of a person (empty: any) that touch a range, before a row."""
    return await tx.many(
        Record,
        """SELECT id::text, schedule, responder, since, until, reason FROM duty_record
           WHERE (%(schedule)s = '' OR schedule = %(schedule)s) AND (%(responder)s = '' OR responder = %(responder)s)
               AND (%(from)s::timestamptz IS NULL OR until IS NULL OR until > %(from)s)
               AND (%(until)s::timestamptz IS NULL OR since < %(until)s)
               AND (%(at)s::timestamptz IS NULL OR (since, id) < (%(at)s, %(id)s::uuid))
           ORDER BY since DESC, duty_record.id DESC LIMIT %(limit)s""",
        {
            "schedule": schedule,
            "responder": responder,
            "from": since,
            "until": until,
            "at": before[0] if before else None,
            "id": before[1] if before else None,
            "limit": limit,
        },
    )
