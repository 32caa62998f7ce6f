"""Puts lines on block lists and takes them off, and hands the lists to the devices that read them."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.paging import decode, encode, page_size
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid
from tocsin_kernel.ids import Ids
from tocsin_response.blocklist import store
from tocsin_response.blocklist.entry import BlockEntry, BlockListNotFound, lines, spelled
from tocsin_response.blocklist.store import List, Reader
from tocsin_response.containment.measure import Measure, TargetKind
from tocsin_response.guard.guards import Guards
from tocsin_response.guard.rails import Act

MOST_LISTS = 500
MOST_READERS = 20
BLOCK_ACTIONS = {TargetKind.ADDRESS: "block-address", TargetKind.DOMAIN: "block-domain", TargetKind.HASH: "block-hash"}


@dataclass(frozen=True, slots=True)
class EntryWish:
    """A line to put on a list."""

    list: str
    kind: TargetKind
    value: str
    comment: str
    incident_id: str
    until: datetime | None
    by: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A list with its size and readers."""

    list: List
    entries: int
    readers: tuple[Reader, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A list as devices read it."""

    text: str
    version: int
    changed_at: datetime


class BlockLists:
    """The lists."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, guards: Guards) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._guards = guards

    async def add(self, wish: EntryWish) -> tuple[BlockEntry, bool]:
        """Put a line; returns it as it is now, and whether it was there. Raises Invalid."""
        now = self._clock.now()
        value = spelled(wish.kind, wish.value)
        if wish.until is not None and wish.until <= now:
            raise Invalid(field="until", detail="must be later than now")
        if refused := await self._guards.look(Act(BLOCK_ACTIONS[wish.kind], wish.kind, value)):
            raise Invalid(field="value", detail=refused)
        async with self._database.transaction() as tx:
            known = await store.open_list(tx, wish.list, wish.kind, now)
            if known.kind != wish.kind:
                raise Invalid(field="kind", detail=f"list {wish.list} holds {TargetKind(known.kind).name.lower()} entries")
            entry = BlockEntry(wish.list, wish.kind, value, wish.comment, wish.incident_id, now, wish.until, wish.by)
            was_there = await store.put_entry(tx, entry)
            if not was_there:
                await store.changed(tx, [wish.list], now)
            kept = await store.load_entry(tx, wish.list, value)
        return kept or entry, was_there

    async def remove(self, name: str, value: str) -> bool:
        """Take a line off; returns whether it was there."""
        async with self._database.transaction() as tx:
            known = await store.load_list(tx, name)
            if known is None:
                return False
            there = await store.delete_entry(tx, name, spelled(TargetKind(known.kind), value))
            if there:
                await store.changed(tx, [name], self._clock.now())
        return there

    async def prolonged(self, tx: Tx, measure: Measure) -> None:
        """A line that a playbook put for as long as its measure was to hold gets the measure's new end."""
        if measure.action not in BLOCK_ACTIONS.values() or not measure.incident_id:
            return
        value = spelled(measure.target_kind, measure.target)
        await store.prolong(tx, measure.incident_id, measure.target_kind, value, measure.until)

    async def expire_due(self) -> int:
        """Take off what has had its time; returns how many lists changed."""
        async with self._database.transaction() as tx:
            names = await store.delete_expired(tx, self._clock.now())
            if names:
                await store.changed(tx, names, self._clock.now())
        return len(names)

    async def entries(self, name: str, value: str, size: int, token: str) -> tuple[list[BlockEntry], str]:
        """A page of a list by value (or only the one value), and the token of the next one."""
        async with self._database.transaction() as tx:
            if value:
                known = await store.load_list(tx, name)
                found = await store.load_entry(tx, name, spelled(TargetKind(known.kind), value)) if known is not None else None
                return [found] if found is not None else [], ""
            limit = page_size(size)
            listed = await store.list_entries(tx, name, decode(token, 1)[0] if token else "", limit + 1)
        return listed[:limit], encode(listed[limit - 1].value) if len(listed) > limit else ""

    async def lists(self) -> list[Shown]:
        """All lists by name, with who reads them."""
        async with self._database.transaction() as tx:
            known = await store.load_lists(tx, MOST_LISTS)
            sizes = {each.name: each.entries for each in await store.load_sizes(tx)}
            readers = await store.load_readers(tx, MOST_READERS)
        return [Shown(each, sizes.get(each.name, 0), tuple(reader for reader in readers if reader.list == each.name)) for each in known]

    async def create_link(self, name: str, replace: bool, by: str) -> str:
        """The secret path at which devices read the list; shown once. Raises BlockListNotFound."""
        secret = self._ids.secret()
        async with self._database.transaction() as tx:
            if await store.load_list(tx, name) is None:
                raise BlockListNotFound()
            if replace:
                await store.delete_links(tx, name)
            await store.insert_link(tx, _sha256(secret), name, by, self._clock.now())
        return f"/edl/{secret}/{name}.txt"

    async def read(self, token: str, name: str, reader: str) -> Document:
        """The list for a device, which is remembered. Raises BlockListNotFound."""
        async with self._database.transaction() as tx:
            known = await store.load_list(tx, name)
            if known is None or not await store.has_link(tx, _sha256(token), name):
                raise BlockListNotFound()
            await store.note_reader(tx, Reader(name, reader, self._clock.now(), known.version))
            values = await store.values_of(tx, name)
        return Document(lines(TargetKind(known.kind), values), known.version, known.changed_at)


def _sha256(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
