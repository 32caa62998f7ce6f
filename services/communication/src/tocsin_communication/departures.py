"""The places for pages that are being sent, so that one slow provider holds up only its own pages."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.incident import Incident
from tocsin_communication.page import Page

AT_ONCE = 64
EACH_PROVIDER = 16


@dataclass(frozen=True, slots=True)
class Leaving:
    """A page whose attempt has begun, with the incident as of that moment."""

    page: Page
    incident: Incident | None


class Departures:
    """Counts the pages under way. One that is made while there is a place leaves with the commit that keeps it: nobody looks for it.

    `start` hands over a page whose place is taken; None while nobody sends. `wake` says that a page may have waited for a place.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.start: Callable[[Leaving], None] | None = None
        self.under_way: Counter[str] = Counter()
        self._wake = wake

    @property
    def room(self) -> int:
        """How many more may be sent at once, over all providers."""
        return AT_ONCE - self.under_way.total()

    def take(self, provider: str) -> None:
        """Take a place."""
        self.under_way[provider] += 1

    def leave(self, provider: str) -> None:
        """Give a place back. Only where all were taken something may wait for it; otherwise looking would only cost a transaction."""
        was_full = self.is_full(provider)
        self.under_way -= Counter((provider,))
        if was_full:
            self._wake()

    def is_full(self, provider: str) -> bool:
        return self.room <= 0 or self.under_way[provider] >= EACH_PROVIDER

    def reserve(self, tx: Tx, provider: str) -> bool:
        """Take a place for a page that this transaction makes; False if there is none. Rolled back, the place is free again."""
        if self.start is None or self.is_full(provider):
            return False
        self.take(provider)
        tx.after_rollback(lambda: self.leave(provider))
        return True

    def depart(self, leaving: Leaving) -> None:
        """Send a page whose place was reserved. If nobody sends any more it is found by its lease."""
        if self.start is not None:
            self.start(leaving)
