"""Delegation: somebody's pages go to somebody else for a while. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST = timedelta(days=90)
# A longer chain is a mistake that nobody overlooks.
LONGEST_CHAIN = 5


@dataclass(frozen=True, slots=True)
class Delegation:
    """Pages of `from_responder` go to `to_responder` from `starts_at` until before `ends_at`, or until it is ended early."""

    id: str
    from_responder: str
    to_responder: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    made_by: str
    ended_at: datetime | None = None

    @property
    def over_at(self) -> datetime:
        """When it is over, early or not."""
        return min(self.ends_at, self.ended_at) if self.ended_at is not None else self.ends_at

    def holds(self, at: datetime) -> bool:
        """It says where pages go at this instant."""
        return self.starts_at <= at < self.over_at


def closes_circle(new: Delegation, others: Iterable[Delegation]) -> bool:
    """At some instant the pages would come back to where they were."""
    together = [other for other in others if other.starts_at < new.over_at and new.starts_at < other.over_at]
    reached, looked = {new.to_responder}, set[str]()
    while reached - looked:
        name = (reached - looked).pop()
        looked.add(name)
        reached |= {other.to_responder for other in together if other.from_responder == name}
    return new.from_responder in reached
