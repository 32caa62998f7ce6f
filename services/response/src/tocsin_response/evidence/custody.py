"""What people and playbooks do with evidence; each deed is entered in the ledger, in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tocsin_chassis.paging import decode, encode, page_size
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.ids import Ids
from tocsin_response.evidence import store, wire
from tocsin_response.evidence.blobs import Blobs
from tocsin_response.evidence.item import Collected, Evidence, EvidenceNotFound
from tocsin_response.evidence.ledger import Action, Deed, Entry, compact
from tocsin_response.evidence.spool import Arrived, Spool

MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a step of a playbook brought home: its bytes, or the hash of what was sent by AddEvidence before."""

    collected: Collected
    content: bytes = b""
    sha256: str = ""
    legal_hold: bool = False


@dataclass(frozen=True, slots=True)
class Gathered:
    """What evidence an incident has: for criteria of phases."""

    count: int
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Shown:
    """An item with its custody and what was derived from it."""

    item: Evidence
    custody: list[Entry]
    derived: list[Evidence]


class Custody:
    """The items and their ledger."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, blobs: Blobs, spool: Spool) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._blobs = blobs
        self._spool = spool

    async def keep(self, arrived: Arrived) -> None:
        """Put the bytes into the store, before anything is entered: bytes without an entry are harmless. Raises StoreUnavailable."""
        await self._blobs.put(arrived.file, arrived.sha256, arrived.size)

    async def add(self, tx: Tx, said: Collected, arrived: Arrived, by: str, *, legal_hold: bool = False) -> Evidence:
        """Enter an item whose bytes are in the store. Raises EvidenceNotFound for its parent, StoreUnavailable."""
        if said.parent_id and await store.load_item(tx, said.parent_id) is None:
            raise EvidenceNotFound(evidence=said.parent_id)
        said = replace(said, collector=said.collector or by)
        item = Evidence(self._ids.new(), said, arrived.sha256, arrived.size, self._clock.now(), by, said.collector, legal_hold)
        if legal_hold:
            await self._blobs.hold(item.sha256, True)
        deeds = [Deed(item.came_by, by, item.added_at, said.incident_id, item.id, said.note, item.payload)]
        if legal_hold:
            deeds.append(Deed(Action.HOLD, by, item.added_at, said.incident_id, item.id, "from the beginning"))
        entered = await self.enter(tx, deeds)
        item = replace(item, entry=entered[0].index)
        await store.insert_item(tx, item)
        tx.emit(wire.collected_fact(item), aggregate=said.incident_id, version=item.entry + 1)
        return item

    async def collect(self, tx: Tx, finding: Finding, by: str) -> Evidence:
        """Enter what a step of a playbook found, in the step's own transaction; call it late, since the ledger stays locked until the end.

        What was sent by AddEvidence before is named by its hash: its item is returned. Raises EvidenceNotFound, StoreUnavailable.
        """
        if not finding.content and finding.sha256:
            there = await store.item_by_hash(tx, finding.collected.incident_id, finding.sha256)
            if there is None:
                raise EvidenceNotFound(evidence=finding.sha256)
            return there
        arrived = await self._spool.stage(self._ids.new(), finding.content)
        await self.keep(arrived)
        return await self.add(tx, finding.collected, arrived, by, legal_hold=finding.legal_hold)

    async def enter(self, tx: Tx, deeds: Sequence[Deed]) -> list[Entry]:
        """Append to the ledger. One transaction at a time does: others wait, so that it stays one chain."""
        ledger = await store.lock_ledger(tx)
        entries: list[Entry] = []
        for deed in deeds:
            ledger, entry = ledger.append(deed)
            entries.append(entry)
        await store.save_ledger(tx, ledger, entries)
        return entries

    async def listed(self, incident_id: str, size: int, token: str) -> tuple[list[Evidence], str]:
        """A page of an incident's items, oldest first, and the token of the next one."""
        limit = page_size(size)
        after = wire.id_of(decode(token, 1)[0]) if token else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_items(tx, incident_id, after, limit + 1)
        return found[:limit], encode(found[limit - 1].id) if len(found) > limit else ""

    async def shown(self, evidence_id: str) -> Shown:
        """Raises EvidenceNotFound."""
        async with self._database.transaction() as tx:
            item = await store.load_item(tx, evidence_id)
            if item is None:
                raise EvidenceNotFound(evidence=evidence_id)
            custody = await store.entries_of_item(tx, evidence_id, MOST_SHOWN)
            return Shown(item, custody, await store.derived_from(tx, evidence_id, MOST_SHOWN))

    async def access(self, evidence_id: str, by: str, reason: str) -> Evidence:
        """Enter that somebody looks at the bytes; only then they may. Raises EvidenceNotFound."""
        async with self._database.transaction() as tx:
            item = await store.load_item(tx, evidence_id)
            if item is None:
                raise EvidenceNotFound(evidence=evidence_id)
            await self.enter(tx, [Deed(Action.ACCESS, by, self._clock.now(), item.collected.incident_id, item.id, reason)])
        return item

    async def transfer(self, tx: Tx, evidence_id: str, to: str, by: str, reason: str) -> Evidence:
        """Raises EvidenceNotFound, Released."""
        item = await _locked(tx, evidence_id)
        payload = compact({"from": item.custodian, "to": to})
        return await self._do(tx, item, item.transfer(to), Deed(Action.TRANSFER, by, self._clock.now(), "", "", reason, payload))

    async def hold(self, tx: Tx, evidence_id: str, on: bool, by: str, reason: str) -> Evidence:
        """Raises EvidenceNotFound, Released, StoreUnavailable."""
        item = await _locked(tx, evidence_id)
        decision = item.hold(on)
        if decision.facts and (on or not await store.other_holds(tx, item.sha256, item.id)):
            await self._blobs.hold(item.sha256, on)
        return await self._do(tx, item, decision, Deed(Action.HOLD, by, self._clock.now(), "", "", reason))

    async def release(self, tx: Tx, evidence_id: str, by: str, reason: str) -> Evidence:
        """Raises EvidenceNotFound, OnHold."""
        item = await _locked(tx, evidence_id)
        return await self._do(tx, item, item.release(by, reason), Deed(Action.RELEASE, by, self._clock.now(), "", "", reason))

    async def item(self, tx: Tx, incident_id: str, evidence_id: str) -> Evidence:
        """One item of an incident. Raises EvidenceNotFound."""
        found = await store.load_item(tx, evidence_id)
        if found is None or found.collected.incident_id != incident_id:
            raise EvidenceNotFound(evidence=evidence_id)
        return found

    async def gathered(self, tx: Tx, incident_id: str) -> Gathered:
        """What evidence an incident has: how many items, and of which kinds."""
        kinds = {each.kind: each.count for each in await store.count_kinds(tx, incident_id)}
        return Gathered(sum(kinds.values()), kinds)

    async def _do(self, tx: Tx, before: Evidence, decision: Decision[Evidence], deed: Deed) -> Evidence:
        """Keep what was decided, enter it, and tell it. `deed` says who and why; what and of which item, the decision."""
        after = decision.state
        for action in decision.facts:
            assert isinstance(action, Action)
            done = replace(deed, action=action, incident_id=after.collected.incident_id, evidence_id=after.id)
            [entry] = await self.enter(tx, [done])
            await store.save_item(tx, after)
            tx.emit(wire.deed_fact(done, before, after), aggregate=after.collected.incident_id, version=entry.index + 1)
        return after


async def _locked(tx: Tx, evidence_id: str) -> Evidence:
    found = await store.lock_item(tx, evidence_id)
    if found is None:
        raise EvidenceNotFound(evidence=evidence_id)
    return found
