"""Computes the ledger, its signed heads and the bytes of evidence anew, and names what is not as it should be."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from tocsin_chassis.grpc.caller import Identity, is_signed
from tocsin_chassis.postgres.database import Database
from tocsin_kernel.clock import Clock
from tocsin_response.evidence import store
from tocsin_response.evidence.blobs import Blobs, hash_of
from tocsin_response.evidence.custody import Custody
from tocsin_response.evidence.item import BytesMissing, Evidence
from tocsin_response.evidence.ledger import Action, Deed, Entry, Head, Ledger, compact
from tocsin_response.evidence.merkle import Peaks

BATCH = 500
MOST_FINDINGS = 200


class Flaw(Enum):
    """What is wrong."""

    BYTES_CHANGED = "BYTES_CHANGED"
    BYTES_MISSING = "BYTES_MISSING"
    ENTRY_CHANGED = "ENTRY_CHANGED"
    ENTRY_MISSING = "ENTRY_MISSING"
    ENTRY_REPLACED = "ENTRY_REPLACED"
    HEAD_DIFFERS = "HEAD_DIFFERS"
    HEAD_FORGED = "HEAD_FORGED"
    ITEM_CHANGED = "ITEM_CHANGED"


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that is not as it should be."""

    flaw: Flaw
    text: str
    index: int = -1
    evidence_id: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was looked at, and what was found."""

    findings: list[Found]
    entries: int
    items: int
    heads: int
    root: bytes


@dataclass(slots=True)
class Reading:
    """The ledger as it is read from its first entry; pure. Heads are compared where their sizes are passed."""

    heads: Sequence[Head]
    peaks: Peaks = Peaks()
    last: bytes = b""
    complete: bool = True
    findings: list[Found] = field(default_factory=list)
    _at: dict[int, list[Head]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for head in self.heads:
            self._at.setdefault(head.size, []).append(head)

    def read(self, entry: Entry) -> None:
        """The next entry that is there."""
        self._missing_until(entry.index)
        if entry.computed != entry.hash:
            said = f"entry {entry.index} ({entry.deed.action} by {entry.deed.actor}) is not what was entered: its hash differs"
            self._find(Flaw.ENTRY_CHANGED, said, entry)
        elif entry.previous != self.last and self.complete:
            said = f"entry {entry.index} follows another entry than the one before it: entry {entry.index - 1} was replaced"
            self.findings.append(Found(Flaw.ENTRY_REPLACED, said, entry.index - 1))
        self.complete, self.last = True, entry.hash
        self.peaks = self.peaks.append(entry.hash)
        self._compare()

    def end(self, state: Ledger) -> None:
        """No more entries are there; that many should be."""
        furthest = max([state.peaks.size, *self._at])
        self._missing_until(furthest)
        if self.peaks.size == state.peaks.size and self.complete and state.peaks.size and state.last != self.last:
            said = f"entry {self.peaks.size - 1}, the last one, was replaced: the ledger ended with another"
            self.findings.append(Found(Flaw.ENTRY_REPLACED, said, self.peaks.size - 1))

    def _missing_until(self, index: int) -> None:
        """What is missing counts as an empty hash, so that the entries after it keep their places."""
        while self.peaks.size < index:
            if len(self.findings) < MOST_FINDINGS:
                self.findings.append(Found(Flaw.ENTRY_MISSING, f"entry {self.peaks.size} is gone", self.peaks.size))
            self.peaks, self.complete = self.peaks.append(b""), False

    def _compare(self) -> None:
        gone = any(found.flaw is Flaw.ENTRY_MISSING for found in self.findings)
        for head in [] if gone else self._at.get(self.peaks.size, ()):
            if head.root != self.peaks.root:
                said = f"the head signed at {head.signed_at:%Y-%m-%d %H:%M:%S}Z differs: something before entry {head.size} was rewritten"
                self.findings.append(Found(Flaw.HEAD_DIFFERS, said, head.size - 1))

    def _find(self, flaw: Flaw, text: str, entry: Entry) -> None:
        self.findings.append(Found(flaw, text, entry.index, entry.deed.evidence_id))


class Verification:
    """Verifies on demand. Reading changes nothing; that it was verified is entered."""

    def __init__(self, database: Database, clock: Clock, identity: Identity, custody: Custody, blobs: Blobs) -> None:
        self._database = database
        self._clock = clock
        self._identity = identity
        self._custody = custody
        self._blobs = blobs

    async def verify(self, incident_id: str, given: Sequence[Head], by: str, *, ledger_only: bool) -> Verdict:
        """Everything anew. Raises StoreUnavailable."""
        async with self._database.transaction() as tx:
            state, own = await store.load_ledger(tx), await store.list_heads(tx, None, 100_000)
        findings = self._forged([*own, *given], own)
        forged = {found.text for found in findings}
        heads = [head for head in [*own, *given] if _forgery(head) not in forged]
        reading = await self._read(state, heads)
        findings += reading.findings
        items, flaws = (0, list[Found]()) if ledger_only else await self._items(incident_id or None)
        verdict = Verdict([*findings, *flaws][:MOST_FINDINGS], state.peaks.size, items, len(own) + len(given), reading.peaks.root)
        if not ledger_only:
            payload = compact({"entries": verdict.entries, "items": items, "findings": [found.text for found in verdict.findings]})
            async with self._database.transaction() as tx:
                await self._custody.enter(tx, [Deed(Action.VERIFY, by, self._clock.now(), incident_id, "", "", payload)])
        return verdict

    async def _read(self, state: Ledger, heads: Sequence[Head]) -> Reading:
        reading, since = Reading(heads), 0
        while True:
            async with self._database.transaction() as tx:
                entries = await store.list_entries(tx, since, state.peaks.size, BATCH)
            for entry in entries:
                reading.read(entry)
            if not entries:
                reading.end(state)
                return reading
            since = entries[-1].index + 1

    def _forged(self, heads: Iterable[Head], own: Sequence[Head]) -> list[Found]:
        known = {self._identity.public_key, *(head.public_key for head in own)}
        return [
            Found(Flaw.HEAD_FORGED, _forgery(head), head.size - 1)
            for head in heads
            if head.public_key not in known or not is_signed(head.public_key, head.signature, head.text.encode())
        ]

    async def _items(self, incident_id: str | None) -> tuple[int, list[Found]]:
        count, findings, after = 0, list[Found](), None
        while True:
            async with self._database.transaction() as tx:
                items = await store.list_items(tx, incident_id, after, BATCH)
                said = {item.id: await store.payload_of(tx, item.entry) for item in items}
            for item in items:
                if said[item.id] != item.payload:
                    text = f"what is kept of {item.collected.name} is not what its entry says"
                    findings.append(Found(Flaw.ITEM_CHANGED, text, item.entry, item.id))
                findings += await self._bytes(item)
            count += len(items)
            if len(items) < BATCH:
                return count, findings
            after = items[-1].id

    async def _bytes(self, item: Evidence) -> list[Found]:
        try:
            found = await hash_of(self._blobs, item.sha256)
        except BytesMissing:
            return [Found(Flaw.BYTES_MISSING, f"the bytes of {item.collected.name} are gone", item.entry, item.id)]
        if found == item.sha256:
            return []
        text = f"the bytes of {item.collected.name} were changed: they have the hash {found}, and had {item.sha256}"
        return [Found(Flaw.BYTES_CHANGED, text, item.entry, item.id)]


def _forgery(head: Head) -> str:
    return f"the signature of the head of {head.size} entries ({head.root.hex()[:16]}…) is not response's"
