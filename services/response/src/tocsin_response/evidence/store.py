"""Items of evidence and the custody ledger, in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_response.evidence.item import Collected, Evidence, State
from tocsin_response.evidence.ledger import Action, Deed, Entry, Head, Ledger
from tocsin_response.evidence.merkle import Peaks


@dataclass(frozen=True, slots=True)
class Count:
    """How many items of a kind an incident has."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class _StateRow:
    size: int
    last: bytes
    peaks: list[bytes]

    def to_domain(self) -> Ledger:
        return Ledger(Peaks(self.size, tuple(self.peaks)), self.last)


@dataclass(frozen=True, slots=True)
class _EntryRow:
    index: int
    action: str
    actor: str
    at: datetime
    evidence_id: str
    incident_id: str
    reason: str
    payload: str
    previous: bytes
    hash: bytes

    def to_domain(self) -> Entry:
        action = Action(self.action) if self.action in set(Action) else Action.VERIFY
        deed = Deed(action, self.actor, self.at, self.incident_id, self.evidence_id, self.reason, self.payload)
        return Entry(self.index, deed, self.previous, self.hash)


@dataclass(frozen=True, slots=True)
class _ItemRow:
    id: str
    incident_id: str
    collected: dict[str, Any]
    sha256: str
    size: int
    added_at: datetime
    added_by: str
    custodian: str
    state: str
    legal_hold: bool
    release_asked_by: str
    release_reason: str
    entry: int

    def to_domain(self) -> Evidence:
        return Evidence(
            self.id,
            _collected(self.incident_id, self.collected),
            self.sha256,
            self.size,
            self.added_at,
            self.added_by,
            self.custodian,
            self.legal_hold,
            State[self.state],
            self.release_asked_by,
            self.release_reason,
            self.entry,
        )


async def lock_ledger(tx: Tx) -> Ledger:
    """Where the ledger goes on; whoever else appends waits until this transaction ends."""
    return (await tx.one(_StateRow, "SELECT size, last, peaks FROM custody_state FOR UPDATE")).to_domain()


async def load_ledger(tx: Tx) -> Ledger:
    return (await tx.one(_StateRow, "SELECT size, last, peaks FROM custody_state")).to_domain()


async def save_ledger(tx: Tx, ledger: Ledger, entries: Sequence[Entry]) -> None:
    """Keep the entries, and where the ledger goes on."""
    await tx.execute(
        "UPDATE custody_state SET size = %s, last = %s, peaks = %s::bytea[]", (ledger.peaks.size, ledger.last, list(ledger.peaks.roots))
    )
    await tx.execute_set(
        """INSERT INTO custody_entry (index, action, actor, at, evidence_id, incident_id, reason, payload, previous, hash)
           SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[],
               %s::bytea[], %s::bytea[])""",
        [_columns(entry) for entry in entries],
    )


async def list_entries(tx: Tx, since: int, until: int, limit: int) -> list[Entry]:
    """The entries from one index on, in order."""
    rows = await tx.many(
        _EntryRow,
        """SELECT index, action, actor, at, evidence_id, incident_id, reason, payload, previous, hash FROM custody_entry
           WHERE index >= %s AND index < %s ORDER BY index LIMIT %s""",
        (since, until, limit),
    )
    return [row.to_domain() for row in rows]


async def entries_of_item(tx: Tx, evidence_id: str, limit: int) -> list[Entry]:
    """The newest entries of an item, the oldest of them first."""
    rows = await tx.many(
        _EntryRow,
        """SELECT index, action, actor, at, evidence_id, incident_id, reason, payload, previous, hash FROM custody_entry
           WHERE evidence_id = %s AND evidence_id <> '' ORDER BY index DESC LIMIT %s""",
        (evidence_id, limit),
    )
    return [row.to_domain() for row in reversed(rows)]


async def entries_of_incident(tx: Tx, incident_id: str, until: int) -> list[Entry]:
    """All entries of an incident below an index, in order."""
    rows = await tx.many(
        _EntryRow,
        """SELECT index, action, actor, at, evidence_id, incident_id, reason, payload, previous, hash FROM custody_entry
           WHERE incident_id = %s AND index < %s ORDER BY index""",
        (incident_id, until),
    )
    return [row.to_domain() for row in rows]


async def payload_of(tx: Tx, index: int) -> str | None:
    """What an entry says exactly; None if it is gone."""
    return await tx.value(str, "SELECT payload FROM custody_entry WHERE index = %s", (index,))


async def leaf_hashes(tx: Tx, until: int) -> list[bytes]:
    """The hashes of the first entries."""
    return await tx.values(bytes, "SELECT hash FROM custody_entry WHERE index < %s ORDER BY index", (until,))


async def insert_head(tx: Tx, head: Head) -> bool:
    """Keep a signed head; False if there is one of this size already."""
    return bool(
        await tx.execute(
            "INSERT INTO custody_head (size, root, signed_at, signature, public_key) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (head.size, head.root, head.signed_at, head.signature, head.public_key),
        )
    )


async def head_of(tx: Tx, size: int) -> Head | None:
    return await tx.maybe(Head, "SELECT size, root, signed_at, signature, public_key FROM custody_head WHERE size = %s", (size,))


async def list_heads(tx: Tx, below: int | None, limit: int) -> list[Head]:
    """Signed heads, newest first."""
    return await tx.many(
        Head,
        """SELECT size, root, signed_at, signature, public_key FROM custody_head
           WHERE %(below)s::bigint IS NULL OR size < %(below)s ORDER BY size DESC LIMIT %(limit)s""",
        {"below": below, "limit": limit},
    )


async def insert_item(tx: Tx, item: Evidence) -> None:
    await tx.execute(
        """INSERT INTO evidence (id, incident_id, parent_id, kind, collected, sha256, size, added_at, added_by, custodian, state,
               legal_hold, release_asked_by, release_reason, entry)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            item.id,
            item.collected.incident_id,
            item.collected.parent_id or None,
            item.collected.kind,
            Jsonb(item.collected.plain),
            item.sha256,
            item.size,
            item.added_at,
            item.added_by,
            item.custodian,
            item.state.name,
            item.legal_hold,
            item.release_asked_by,
            item.release_reason,
            item.entry,
        ),
    )


async def save_item(tx: Tx, item: Evidence) -> None:
    """What may change of an item."""
    await tx.execute(
        "UPDATE evidence SET custodian = %s, state = %s, legal_hold = %s, release_asked_by = %s, release_reason = %s WHERE id = %s",
        (item.custodian, item.state.name, item.legal_hold, item.release_asked_by, item.release_reason, item.id),
    )


async def load_item(tx: Tx, evidence_id: str) -> Evidence | None:
    row = await tx.maybe(
        _ItemRow,
        """SELECT id::text, incident_id::text, collected, sha256, size, added_at, added_by, custodian, state, legal_hold,
               release_asked_by, release_reason, entry FROM evidence WHERE id = %s""",
        (evidence_id,),
    )
    return row.to_domain() if row is not None else None


async def lock_item(tx: Tx, evidence_id: str) -> Evidence | None:
    """The item, locked for the rest of the transaction."""
    row = await tx.maybe(
        _ItemRow,
        """SELECT id::text, incident_id::text, collected, sha256, size, added_at, added_by, custodian, state, legal_hold,
               release_asked_by, release_reason, entry FROM evidence WHERE id = %s FOR UPDATE""",
        (evidence_id,),
    )
    return row.to_domain() if row is not None else None


async def item_by_hash(tx: Tx, incident_id: str, sha256: str) -> Evidence | None:
    """An item of an incident with these bytes."""
    row = await tx.maybe(
        _ItemRow,
        """SELECT id::text, incident_id::text, collected, sha256, size, added_at, added_by, custodian, state, legal_hold,
               release_asked_by, release_reason, entry FROM evidence WHERE sha256 = %s AND incident_id = %s ORDER BY evidence.id LIMIT 1""",
        (sha256, incident_id),
    )
    return row.to_domain() if row is not None else None


async def list_items(tx: Tx, incident_id: str | None, after: str | None, limit: int) -> list[Evidence]:
    """The items of an incident (None: of all), oldest first."""
    rows = await tx.many(
        _ItemRow,
        """SELECT id::text, incident_id::text, collected, sha256, size, added_at, added_by, custodian, state, legal_hold,
               release_asked_by, release_reason, entry FROM evidence
           WHERE (%(incident)s::uuid IS NULL OR incident_id = %(incident)s) AND (%(after)s::uuid IS NULL OR id > %(after)s)
           ORDER BY evidence.id LIMIT %(limit)s""",
        {"incident": incident_id, "after": after, "limit": limit},
    )
    return [row.to_domain() for row in rows]


async def derived_from(tx: Tx, evidence_id: str, limit: int) -> list[Evidence]:
    rows = await tx.many(
        _ItemRow,
        """SELECT id::text, incident_id::text, collected, sha256, size, added_at, added_by, custodian, state, legal_hold,
               release_asked_by, release_reason, entry FROM evidence WHERE parent_id = %s ORDER BY evidence.id LIMIT %s""",
        (evidence_id, limit),
    )
    return [row.to_domain() for row in rows]


async def other_holds(tx: Tx, sha256: str, evidence_id: str) -> bool:
    """Whether another item with the same bytes is on legal hold."""
    return bool(
        await tx.value(bool, "SELECT EXISTS (SELECT FROM evidence WHERE sha256 = %s AND id <> %s AND legal_hold)", (sha256, evidence_id))
    )


async def count_kinds(tx: Tx, incident_id: str) -> list[Count]:
    """How many items an incident has, by kind."""
    return await tx.many(
        Count, "SELECT kind, count(*) AS count FROM evidence WHERE incident_id = %s GROUP BY kind ORDER BY kind", (incident_id,)
    )


def _columns(entry: Entry) -> tuple[object, ...]:
    deed = entry.deed
    said = (deed.action.value, deed.actor, deed.at, deed.evidence_id, deed.incident_id, deed.reason, deed.payload)
    return (entry.index, *said, entry.previous, entry.hash)


def _collected(incident_id: str, plain: dict[str, Any]) -> Collected:
    said = {word: text for word, text in plain.items() if word not in ("incident_id", "started_at", "ended_at", "clock_offset")}
    offset = plain.get("clock_offset")
    return Collected(
        incident_id=incident_id,
        started_at=_instant(plain.get("started_at")),
        ended_at=_instant(plain.get("ended_at")),
        clock_offset=timedelta(microseconds=float(offset)) if offset else None,
        **said,
    )


def _instant(said: Any) -> datetime | None:
    return datetime.fromisoformat(said) if said else None
