"""The weekly check: can everybody who may be woken be reached on two channels? What fails is known before the shift begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin.communication.v1.contact_pb2 import Reachability as ReachabilityMessage
from tocsin.communication.v1.events_pb2 import ReachabilityChecked, ReachabilityInDoubt

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication import wire
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.contacts import reachability_store, store
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.contacts.knowledge import Contact, problem
from tocsin_communication.sending.failures import Failures
from tocsin_kernel.clock import Clock

EVERY = timedelta(days=7)
AT_ONCE = 50
MOST_CONTACTS = 100


@dataclass(frozen=True, slots=True)
class Reachable:
    """A responder, how they can be reached, and what is missing."""

    responder: str
    contacts: tuple[Contact, ...]
    problem: str
    on_call: bool
    checked_at: datetime | None = None


class Reachability:
    """Looks whether responders can be reached."""

    def __init__(self, database: Database, clock: Clock, channels: Channels, failures: Failures) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._failures = failures

    async def check(self) -> None:
        """Look at everybody whose week is over, and tell of those who are in doubt. Contact methods that work again are good again."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            for name in await store.healed(tx):
                await self._failures.tell_contact(tx, name)
            names = await reachability_store.to_check(tx, now - EVERY, AT_ONCE)
            for each in await self._look(tx, names):
                await reachability_store.note_check(tx, each.responder, now, each.problem)
                looked = ReachabilityChecked(responder=each.responder, problem=each.problem, at=wire.maybe_instant(now))
                tx.emit(looked, aggregate=each.responder, version=int(now.timestamp()))
                if each.problem:
                    fact = ReachabilityInDoubt(reachability=to_proto(each, now))
                    tx.emit(fact, aggregate=each.responder, version=int(now.timestamp()))

    async def look(self, after: str, limit: int) -> list[Reachable]:
        """Responders after this one, by name."""
        async with self._database.transaction() as tx:
            return await self._look(tx, await reachability_store.responders(tx, after, limit))

    async def _look(self, tx: Tx, names: Sequence[str]) -> list[Reachable]:
        if not names:
            return []
        duty, checks = await reachability_store.on_duty(tx, self._clock.now()), await reachability_store.checks(tx, names)
        found = []
        for name in names:
            rows = await store.contacts(tx, name, ("", ""), MOST_CONTACTS)
            contacts = tuple(row.to_domain(self._channels.off(Channel(row.channel))) for row in rows)
            checked_at = checks[name].checked_at if name in checks else None
            found.append(Reachable(name, contacts, problem(name, contacts), name in duty, checked_at))
        return found


def to_proto(each: Reachable, checked_at: datetime | None) -> ReachabilityMessage:
    """The responder as a message."""
    return ReachabilityMessage(
        responder=each.responder,
        reachable=not each.problem,
        problem=each.problem,
        contacts=[wire.contact_to_proto(contact) for contact in each.contacts],
        checked_at=wire.maybe_instant(checked_at),
        on_call=each.on_call,
    )
