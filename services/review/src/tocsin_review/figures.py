"""The times of an incident, each by one definition."""

from dataclasses import dataclass
from datetime import datetime, timedelta

NONE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Instants:
    """What the facts say about when. What was reopened keeps its first opening and its first acknowledgement."""

    opened_at: datetime | None = None
    acknowledged_at: datetime | None = None
    resolved_at: datetime | None = None
    first_alert_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """The times of one incident; None where there is none yet. `pages_sent` counts the pages that asked for a response."""

    time_to_detect: timedelta | None = None
    time_to_acknowledge: timedelta | None = None
    time_to_resolve: timedelta | None = None
    pages_sent: int = 0
    responders_paged: int = 0


def figures(instants: Instants, pages_sent: int, responders_paged: int) -> Figures:
    """Detect: start of the first alert by its sender's clock to the opening. Acknowledge and resolve: from the opening on."""
    return Figures(
        time_to_detect=_between(instants.first_alert_at, instants.opened_at),
        time_to_acknowledge=_between(instants.opened_at, instants.acknowledged_at),
        time_to_resolve=_between(instants.opened_at, instants.resolved_at),
        pages_sent=pages_sent,
        responders_paged=responders_paged,
    )


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    """Never negative: a sender's clock may be ahead of ours."""
    return None if start is None or end is None else max(NONE, end - start)
