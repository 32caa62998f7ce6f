"""How much this process sent lately, in memory: far below a limit nobody has to look into the past. Pure."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.rules.limits import UNCOUNTED, Allowance, Limits
from tocsin_kernel.clock import Clock

# Replicas do not see each other's pages: up to this share of a limit none of two can break it.
SHARE = 2
# Whoever asked for these is waiting for them; they have a limit of their own.
UNLIMITED = (Kind.TEST, Kind.CONFIRMATION)
ALL = "all"


class Tallies:
    """Counts what leaves, by responder and kind of channel. `limits` may be replaced at any time."""

    def __init__(self, clock: Clock) -> None:
        self.limits = Limits({})
        self._clock = clock
        self._sent: dict[tuple[str, str], deque[datetime]] = {}

    def admits(self, page: Page) -> bool:
        """Another page is far below every limit."""
        if page.kind in UNLIMITED or not self.limits.limited(page.channel):
            return True
        own = self._below(page.responder, page.channel.value, self.limits.of(page.channel))
        return own and (page.channel in UNCOUNTED or self._below(page.responder, ALL, self.limits.of_all))

    def note(self, page: Page) -> None:
        """It leaves."""
        if page.kind in UNLIMITED or not self.limits.limited(page.channel):
            return
        now = self._clock.now()
        for name in (page.channel.value, *(() if page.channel in UNCOUNTED else (ALL,))):
            sent = self._sent.setdefault((page.responder, name), deque())
            sent.append(now)
            while sent and sent[0] < now - self.limits.longest:
                sent.popleft()

    def _below(self, responder: str, name: str, allowances: Sequence[Allowance]) -> bool:
        sent, now = self._sent.get((responder, name), ()), self._clock.now()
        return all(sum(at > now - allowance.within for at in sent) < allowance.count // SHARE for allowance in allowances)
