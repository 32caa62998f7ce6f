"""Block lists in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_response.blocklist.entry import BlockEntry
from tocsin_response.containment.measure import TargetKind

ENTRIES_DUE = "SELECT min(until) FROM block_entry"


@dataclass(frozen=True, slots=True)
class List:
    """A list without its lines."""

    name: str
    kind: int
    version: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Reader:
    """Who read which version of a list when."""

    list: str
    address: str
    read_at: datetime
    version: int


@dataclass(frozen=True, slots=True)
class Size:
    """How many lines a list has."""

    name: str
    entries: int


@dataclass(frozen=True, slots=True)
class _EntryRow:
    list: str
    kind: int
    value: str
    comment: str
    incident_id: str
    since: datetime
    until: datetime | None
    added_by: str

    def to_domain(self) -> BlockEntry:
        return BlockEntry(
            self.list, TargetKind(self.kind), self.value, self.comment, self.incident_id, self.since, self.until, self.added_by
        )


async def open_list(tx: Tx, name: str, kind: TargetKind, now: datetime) -> List:
    """The list, made if there is none; locked for the rest of the transaction."""
    return await tx.one(
        List,
        """INSERT INTO block_list AS known (name, kind, version, changed_at) VALUES (%s, %s, 1, %s)
           ON CONFLICT (name) DO UPDATE SET version = known.version RETURNING name, kind, version, changed_at""",
        (name, int(kind), now),
    )


async def load_list(tx: Tx, name: str) -> List | None:
    return await tx.maybe(List, "SELECT name, kind, version, changed_at FROM block_list WHERE name = %s", (name,))


async def load_lists(tx: Tx, limit: int) -> list[List]:
    return await tx.many(List, "SELECT name, kind, version, changed_at FROM block_list ORDER BY name LIMIT %s", (limit,))


async def load_sizes(tx: Tx) -> list[Size]:
    return await tx.many(Size, "SELECT list AS name, count(*)::integer AS entries FROM block_entry GROUP BY list")


async def changed(tx: Tx, names: Sequence[str], now: datetime) -> None:
    """These lists are not what their readers have any more."""
    await tx.execute("UPDATE block_list SET version = version + 1, changed_at = %s WHERE name = ANY(%s)", (now, list(names)))


async def put_entry(tx: Tx, entry: BlockEntry) -> bool:
    """Put a line, or replace its comment and end; returns whether it was there."""
    return bool(
        await tx.value(
            bool,
            """INSERT INTO block_entry (list, value, kind, comment, incident_id, since, until, added_by)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT (list, value) DO UPDATE SET comment = excluded.comment, until = excluded.until,
                   incident_id = excluded.incident_id
               RETURNING xmax <> 0""",
            (
                entry.list,
                entry.value,
                int(entry.kind),
                entry.comment,
                entry.incident_id or None,
                entry.since,
                entry.until,
                entry.added_by,
            ),
        )
    )


async def prolong(tx: Tx, incident_id: str, kind: TargetKind, value: str, until: datetime | None) -> None:
    """Give the lines of an incident with an end another one, on whichever list they are."""
    await tx.execute(
        "UPDATE block_entry SET until = %s WHERE incident_id = %s AND kind = %s AND value = %s AND until IS NOT NULL",
        (until, incident_id, int(kind), value),
    )


async def load_entry(tx: Tx, name: str, value: str) -> BlockEntry | None:
    row = await tx.maybe(
        _EntryRow,
        """SELECT list, kind, value, comment, coalesce(incident_id::text, '') AS incident_id, since, until, added_by FROM block_entry
           WHERE list = %s AND value = %s""",
        (name, value),
    )
    return row.to_domain() if row is not None else None


async def delete_entry(tx: Tx, name: str, value: str) -> bool:
    return bool(await tx.execute("DELETE FROM block_entry WHERE list = %s AND value = %s", (name, value)))


async def delete_expired(tx: Tx, now: datetime) -> list[str]:
    """Take off what has had its time; returns the lists that changed."""
    return sorted(set(await tx.values(str, "DELETE FROM block_entry WHERE until <= %s RETURNING list", (now,))))


async def list_entries(tx: Tx, name: str, after: str, limit: int) -> list[BlockEntry]:
    rows = await tx.many(
        _EntryRow,
        """SELECT list, kind, value, comment, coalesce(incident_id::text, '') AS incident_id, since, until, added_by FROM block_entry
           WHERE list = %s AND value > %s ORDER BY value LIMIT %s""",
        (name, after, limit),
    )
    return [row.to_domain() for row in rows]


async def values_of(tx: Tx, name: str) -> list[str]:
    return await tx.values(str, "SELECT value FROM block_entry WHERE list = %s ORDER BY value", (name,))


async def insert_link(tx: Tx, secret_sha256: bytes, name: str, by: str, now: datetime) -> None:
    await tx.execute(
        "INSERT INTO block_list_link (secret_sha256, list, created_by, created_at) VALUES (%s, %s, %s, %s)", (secret_sha256, name, by, now)
    )


async def delete_links(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM block_list_link WHERE list = %s", (name,))


async def has_link(tx: Tx, secret_sha256: bytes, name: str) -> bool:
    return bool(
        await tx.value(bool, "SELECT EXISTS (SELECT FROM block_list_link WHERE secret_sha256 = %s AND list = %s)", (secret_sha256, name))
    )


async def note_reader(tx: Tx, reader: Reader) -> None:
    await tx.execute(
        """INSERT INTO block_list_reader (list, address, read_at, version) VALUES (%s, %s, %s, %s)
           ON CONFLICT (list, address) DO UPDATE SET read_at = excluded.read_at, version = excluded.version""",
        (reader.list, reader.address, reader.read_at, reader.version),
    )


async def load_readers(tx: Tx, each: int) -> list[Reader]:
    """Of each list who read it last, the newest first, at most so many."""
    return await tx.many(
        Reader,
        """SELECT list, address, read_at, version FROM (
               SELECT *, row_number() OVER (PARTITION BY list ORDER BY read_at DESC) AS place FROM block_list_reader
           ) AS numbered WHERE place <= %s ORDER BY list, read_at DESC""",
        (each,),
    )
