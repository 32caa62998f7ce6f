"""Turns: who is told at once, and who waits, when one integration opens more than others can follow. Pure, but for the counts it keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise.storm import MOST_SERVICES_PASSING
from tocsin_detection.rate import is_urgent

# What the services behind detection take without a queue that another service's alert would have to wait in.
AT_ONCE = 300
PER_SECOND = 100
APART = timedelta(seconds=1) / PER_SECOND
# A service of which nothing was heard for so long is heard at once.
QUIET = timedelta(minutes=1)
RULE = "turns"


@dataclass(slots=True)
class Lane:
    """A bucket of turns of one integration, and the services that had one lately."""

    # When all turns that are given by now will have been taken.
    taken_until: datetime
    _services: dict[str, datetime] = field(default_factory=dict)

    def turn(self, service: str, now: datetime) -> datetime:
        """When an alert of a service that opens now is told."""
        self.taken_until = max(self.taken_until, now) + APART
        if self._first(service, now):
            return now
        return max(now, self.taken_until - AT_ONCE * APART)

    def _first(self, service: str, now: datetime) -> bool:
        """Whether nothing was heard of the service lately. A sender that names a new one with every alert waits like any other."""
        heard = self._services.get(service)
        if heard is None and len(self._services) >= MOST_SERVICES_PASSING:
            self._services = {name: at for name, at in self._services.items() if now - at < QUIET}
            if len(self._services) >= MOST_SERVICES_PASSING:
                return False
        self._services[service] = now
        return heard is None or now - heard >= QUIET


class Turns:
    """The lanes of all integrations, in this process. What its sender calls urgent does not wait behind the rest."""

    def __init__(self) -> None:
        self._lanes: dict[tuple[str, bool], Lane] = {}

    def waiting(self, alerts: Sequence[Alert], now: datetime) -> dict[str, Hold]:
        """Those alerts, by id, of the ones that open now whose turn comes later."""
        found = {}
        for alert in alerts:
            lane = self._lanes.setdefault((alert.integration, is_urgent(alert.sender_severity)), Lane(now))
            turn = lane.turn(alert.sender_service, now)
            if turn > now:
                found[alert.id] = _hold(alert, turn, now)
        return found


def waits_for_its_turn(hold: Hold) -> bool:
    """Whether it ends by itself in a moment, as no other hold of a flood does."""
    return hold.kind is HoldKind.STORM and hold.until is not None


def _hold(alert: Alert, turn: datetime, now: datetime) -> Hold:
    often = f"{alert.integration} opens more than {PER_SECOND} alerts a second"
    return Hold(HoldKind.STORM, RULE, "", f"{often}; each is told in its turn, the first one of every other service at once", now, turn)
