"""How much may be sent to one responder over one kind of channel. What is more waits, and is told together. Pure.

The figures for SMS and voice are those that GoAlert arrived at in years of operation; the rest keep a loop from paging somebody for
ever. Webhooks reach programs, which can count for themselves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_communication.contacts.contact import Channel

ALL = "all"


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many pages in so much time."""

    count: int
    within: timedelta


def _allowances(*figures: tuple[int, int]) -> tuple[Allowance, ...]:
    return tuple(Allowance(count, timedelta(seconds=seconds)) for count, seconds in figures)


MINUTE, HOUR = 60, 3600
# What the limit over all kinds leaves out.
UNCOUNTED = (Channel.WEBHOOK, Channel.NONE)
CHAT = _allowances((20, 5 * MINUTE), (60, HOUR))
DEFAULTS: Mapping[str, tuple[Allowance, ...]] = {
    "sms": _allowances((1, MINUTE), (5, 15 * MINUTE), (11, HOUR), (21, 3 * HOUR)),
    "voice": _allowances((1, MINUTE), (3, 15 * MINUTE), (7, HOUR), (15, 3 * HOUR)),
    "email": _allowances((30, 10 * MINUTE)),
    **{channel.value.lower(): CHAT for channel in Channel if channel.value.lower() not in ("sms", "voice", "email", "webhook", "none")},
    # The loop breaker: over all kinds together, webhooks not counted.
    ALL: _allowances((60, 10 * MINUTE)),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """The figures that hold here: the given ones, and the usual ones where none are given."""

    given: Mapping[str, tuple[Allowance, ...]]

    def of(self, channel: Channel) -> tuple[Allowance, ...]:
        """The allowances of one kind of channel."""
        return self._named(channel.value.lower())

    @property
    def of_all(self) -> tuple[Allowance, ...]:
        """The allowances over all kinds together."""
        return self._named(ALL)

    def limited(self, channel: Channel) -> bool:
        """Pages over this kind are counted."""
        return bool(self.of(channel)) or (channel not in UNCOUNTED and bool(self.of_all))

    def _named(self, name: str) -> tuple[Allowance, ...]:
        return self.given[name] if name in self.given else DEFAULTS.get(name, ())

    @property
    def longest(self) -> timedelta:
        """How far back has to be counted."""
        figures = {**DEFAULTS, **self.given}
        return max((allowance.within for allowances in figures.values() for allowance in allowances), default=timedelta())


@dataclass(frozen=True, slots=True)
class Room:
    """How many more may go now, and, if that is none, when the next one may, and which figure stands against it."""

    free: int
    next_at: datetime | None = None
    why: str = ""


def room(sent: Sequence[datetime], allowances: Sequence[Allowance], now: datetime) -> Room:
    """What may go now after those that were sent; `sent` in the order of time. Without allowances there is always room."""
    tightest = Room(1_000_000)
    for allowance in allowances:
        recent = [at for at in sent if at > now - allowance.within]
        free = max(0, allowance.count - len(recent))
        next_at = None if free else recent[len(recent) - allowance.count] + allowance.within
        if free < tightest.free or (free == 0 and next_at is not None and (tightest.next_at is None or next_at > tightest.next_at)):
            tightest = Room(free, next_at, f"at most {allowance.count} in {_spoken(allowance.within)}" if not free else "")
    return tightest


def _spoken(span: timedelta) -> str:
    minutes = int(span.total_seconds()) // MINUTE
    return f"{minutes} min" if minutes else f"{int(span.total_seconds())} s"
