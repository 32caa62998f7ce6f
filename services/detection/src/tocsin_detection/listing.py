"""Lists of alerts: which ones are wanted, and how far one look at them has got. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tocsin_detection.alert import Alert
from tocsin_detection.noise.matcher import Matchers

# Where an alert stands in a list: when it opened, and its id. Lists begin with the newest.
Position = tuple[datetime, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a list holds; None or empty: any. `before` is where the page before ended."""

    open: bool | None = None
    integration: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    before: Position | None = None
    limit: int = 50
    service: str | None = None
    severity: str | None = None
    held: bool | None = None
    text: str | None = None
    matchers: Matchers = ()


@dataclass(frozen=True, slots=True)
class Look:
    """What was found, the newest first, of the alerts down to `until`, which was looked at too; None: of all that there are."""

    found: Sequence[Alert]
    until: Position | None = None


def position(alert: Alert) -> Position:
    return alert.opened_at, alert.id


def weight(alerts: Sequence[Alert]) -> int:
    """About how many bytes they take: those of the texts that may be long."""
    return sum(
        len(alert.description) + sum(len(name) + len(text) for texts in (alert.labels, alert.annotations) for name, text in texts.items())
        for alert in alerts
    )


def together(looks: Sequence[Look], limit: int) -> Look:
    """At most so many of what looks at different places found, down to where all of them have looked."""
    reached = max((look.until for look in looks if look.until is not None), default=None)
    found = [alert for look in looks for alert in look.found if reached is None or position(alert) >= reached]
    found.sort(key=position, reverse=True)
    return Look(found, reached) if len(found) <= limit else Look(found[:limit], position(found[limit - 1]))
