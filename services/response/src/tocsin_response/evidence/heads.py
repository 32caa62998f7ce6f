"""Signed heads of the ledger, their proofs, and what is handed out with them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from tocsin_chassis.grpc.caller import Identity
from tocsin_chassis.paging import decode, encode, page_size, refused
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid
from tocsin_response.evidence import store, wire
from tocsin_response.evidence.custody import Custody
from tocsin_response.evidence.ledger import Action, Deed, Entry, Head, compact
from tocsin_response.evidence.merkle import Tree

AGGREGATE = "custody"
MOST_ITEMS = 100_000


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry with the proof that a head covers it."""

    entry: Entry
    proof: list[bytes]


class Heads:
    """Signs the ledger: from time to time if it has grown, and whenever something of it is handed out."""

    def __init__(self, database: Database, clock: Clock, identity: Identity, custody: Custody) -> None:
        self._database = database
        self._clock = clock
        self._identity = identity
        self._custody = custody

    async def sign_due(self) -> None:
        """Sign the ledger if it has grown since, and tell it, so that others hold what response could not take back."""
        async with self._database.transaction() as tx:
            if (await store.load_ledger(tx)).peaks.size:
                await self._sign(tx)

    async def export(self, incident_id: str, by: str, reason: str) -> tuple[Head, AsyncIterator[Proven]]:
        """Enter that the evidence of an incident is handed out; its entries with proofs that the head of now covers them."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            items = await store.list_items(tx, incident_id, None, MOST_ITEMS)
            payload = compact({"items": [item.id for item in items]})
            [entry] = await self._custody.enter(tx, [Deed(Action.EXPORT, by, now, incident_id, "", reason, payload)])
            head = await self._sign(tx)
            tx.emit(wire.exported_fact(incident_id, by, reason, len(items), now), aggregate=incident_id, version=entry.index + 1)
            tree = Tree(await store.leaf_hashes(tx, head.size))
            entries = await store.entries_of_incident(tx, incident_id, head.size)
        return head, _proven(tree, entries)

    async def listed(self, size: int, token: str) -> tuple[list[Head], str]:
        """A page of heads, newest first, and the token of the next one."""
        limit = page_size(size)
        below = _number(decode(token, 1)[0]) if token else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_heads(tx, below, limit + 1)
        return found[:limit], encode(str(found[limit - 1].size)) if len(found) > limit else ""

    async def consistency(self, first: int, second: int) -> tuple[list[bytes], bytes, bytes]:
        """The proof that the ledger of the first size is the beginning of that of the second, and both roots. Raises Invalid."""
        async with self._database.transaction() as tx:
            tree = Tree(await store.leaf_hashes(tx, second))
        if first > second or second > tree.size:
            raise Invalid(field="second", detail=f"must be at least first, and at most {tree.size}, the size of the ledger")
        return tree.consistency(first, second), tree.root(first), tree.root(second)

    async def _sign(self, tx: Tx) -> Head:
        """The head of now: the one that is signed already, or a new one."""
        ledger = await store.load_ledger(tx)
        known = await store.head_of(tx, ledger.peaks.size)
        if known is not None:
            return known
        head = Head(ledger.peaks.size, ledger.peaks.root, self._clock.now(), b"", self._identity.public_key)
        signed = replace(head, signature=self._identity.sign(head.text.encode()))
        if await store.insert_head(tx, signed):
            tx.emit(wire.head_fact(signed), aggregate=AGGREGATE, version=signed.size)
        return signed


async def _proven(tree: Tree, entries: list[Entry]) -> AsyncIterator[Proven]:
    for entry in entries:
        yield Proven(entry, tree.inclusion(entry.index))


def _number(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise refused()
    return int(text)
