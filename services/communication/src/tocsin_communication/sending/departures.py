"""The places for pages that are being sent, so that one slow provider holds up only its own pages, and one storm only its own."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tocsin_chassis.events.hearing import Hearing
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.postgres.presence import Presence
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages.page import LEASE, Page
from tocsin_communication.rules.tallies import Tallies
from tocsin_communication.sending.store import UnderWay

AT_ONCE = 64
EACH_PROVIDER = 16
# What one queue (the pages of one service) may take of a provider's places, and of all: somebody else always finds one.
EACH_QUEUE = 12
QUEUE_AT_ONCE = 48
# A provider that has not answered within this time is waited for, but no longer in the way of other pages: of so many at once.
LINGERS_AFTER_SECONDS = 0.5
# One that leaves a fifth of fifty messages a second without an answer, each for ten seconds, has a hundred of them.
EACH_LINGERING = 160
LINGERING_AT_ONCE = 240
# One that has not left within this time of its marking is judged once more: its incident may have been taken meanwhile.
JUDGED_FOR_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Leaving:
    """A page whose attempt has begun, with the incident as of that moment (monotonic seconds)."""

    page: Page
    incident: Incident | None
    begun_at: float = field(default_factory=time.monotonic)

    @property
    def is_too_late(self) -> bool:
        """This process stood still until another one may have gone on with the page."""
        return self._waited > LEASE.total_seconds()

    @property
    def is_to_be_judged_again(self) -> bool:
        """The database was slow to commit, or this process busy."""
        return self._waited > JUDGED_FOR_SECONDS

    @property
    def _waited(self) -> float:
        return time.monotonic() - self.begun_at


class Departures:
    """Counts the pages under way. One that is made while there is a place leaves with the commit that keeps it: nobody looks for it.

    `start` hands over a page whose place is taken; None while nobody sends. `wake` says that a page may have waited for a place.
    `tallies` knows who may get another page without looking into the past; `stopped`: no page leaves at all. `presence` is who sends.
    `hearing`: what calls a page off may have been said already and not be heard yet, so pages wait for that.
    """

    def __init__(self, wake: Callable[[], None], tallies: Tallies, presence: Presence, hearing: Hearing) -> None:
        self.start: Callable[[Leaving], None] | None = None
        # Until the switch has been read: what is made before is looked for, and whoever looks sees the switch.
        self.stopped = True
        self.tallies = tallies
        self.presence = presence
        self.hearing = hearing
        self._by_provider: Counter[str] = Counter()
        self._by_queue: Counter[tuple[str, str]] = Counter()
        self._of_queue: Counter[str] = Counter()
        # By attempt: whose provider does not answer.
        self._lingering: dict[tuple[str, int], str] = {}
        self._wake = wake

    @property
    def room(self) -> int:
        """How many more may be sent at once, over all providers."""
        return AT_ONCE - self._by_provider.total()

    @property
    def crowded(self) -> bool:
        """So many are under way that others probably wait."""
        return self._by_provider.total() >= EACH_QUEUE

    @property
    def under_way(self) -> UnderWay:
        """What is being sent, and how much may be."""
        return UnderWay(self._by_provider, self._by_queue, EACH_PROVIDER, EACH_QUEUE)

    def take(self, page: Page) -> None:
        """Take a place."""
        self._by_provider[page.provider] += 1
        self._by_queue[page.provider, page.queue] += 1
        self._of_queue[page.queue] += 1
        self.tallies.note(page)

    def linger(self, page: Page) -> None:
        """Its provider does not answer: its place is another's, unless too many are waited for like that already."""
        waited_for = sum(provider == page.provider for provider in self._lingering.values())
        if waited_for < EACH_LINGERING and len(self._lingering) < LINGERING_AT_ONCE:
            self._free(page)
            self._lingering[page.id, page.fence] = page.provider

    def leave(self, page: Page) -> None:
        """It has left, or will not; its place is free, if it still had one."""
        if self._lingering.pop((page.id, page.fence), None) is None:
            self._free(page)

    def _free(self, page: Page) -> None:
        """Give a place back. Only where all were taken something may wait for it; otherwise looking would only cost a transaction."""
        was_full = self.is_full(page)
        self._by_provider -= Counter((page.provider,))
        self._by_queue -= Counter(((page.provider, page.queue),))
        self._of_queue -= Counter((page.queue,))
        if was_full:
            self._wake()

    def is_full(self, page: Page) -> bool:
        """There is no place for this page."""
        return (
            self.room <= 0
            or self._by_provider[page.provider] >= EACH_PROVIDER
            or self._by_queue[page.provider, page.queue] >= EACH_QUEUE
            or self._of_queue[page.queue] >= QUEUE_AT_ONCE
        )

    def reserve(self, tx: Tx, page: Page) -> bool:
        """Take a place for a page that this transaction makes; False if there is none, or if it must be looked at how much its responder
        got already. Rolled back, the place is free again."""
        held_back = self.start is None or self.stopped or not self.hearing.is_clear
        if held_back or self.is_full(page) or not self.tallies.admits(page):
            return False
        self.take(page)
        tx.after_rollback(lambda: self.leave(page))
        return True

    def depart(self, leaving: Leaving) -> None:
        """Send a page whose place was reserved. If nobody sends any more it is found by its lease."""
        if self.start is not None:
            self.start(leaving)
