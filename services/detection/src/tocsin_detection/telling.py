"""What the others are told of an alert, and when. Pure: the alert before and after, what holds it back; facts and log lines out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from tocsin_detection.alert import Alert, Decision, Verdict
from tocsin_detection.hold import Hold, HoldKind

# A hold without an end of its own depends on what happens elsewhere: it is looked at again that soon.
LOOK_AGAIN = timedelta(seconds=5)
SAID_OTHERWISE = (HoldKind.STORM, HoldKind.THRESHOLD)


class Telling(StrEnum):
    """What the others hear."""

    OPENED = "OPENED"
    CHANGED = "CHANGED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    SUPPRESSED = "SUPPRESSED"
    RESOLVED = "RESOLVED"


class Told(Struct, frozen=True):
    """An alert as it is to be kept, and what the others hear of it: nothing where `telling` is None. `reason` is for people.

    `put_aside_by` is who has just put aside an alert that the others know.
    """

    alert: Alert
    telling: Telling | None
    reason: str
    put_aside_by: str = ""


def tell(before: Alert | None, decisions: Sequence[Decision], holds: Sequence[Hold], now: datetime) -> Told:
    """What is told after all that was decided about one alert at once. `before` is None where it has just opened.

    Whoever was told that an alert fires is told that it has ended, whatever held it back meanwhile. An alert that opened and
    ended at once woke nobody and is told to nobody.
    """
    decision = next((item for item in reversed(decisions) if item.verdict is not Verdict.REPEATED), decisions[-1])
    alert = decision.alert if decision is decisions[-1] else decisions[-1].alert
    assert alert is not None
    if not alert.open:
        known = before is not None and (before.told or _shown(before.holds))
        # What held it to its end is in no other line of the log: a flood leaves none as it opens.
        held = f"; it woke nobody: {in_words(before.holds)}" if before is not None and before.holds and not before.told else ""
        return Told(replace(alert, holds=(), reconsider_at=None), Telling.RESOLVED if known else None, decision.reason + held)
    if alert.told:
        return Told(alert, _telling_of_known(decisions), decision.reason, _put_aside_by(before, alert, decision))
    return _judged(before, alert, tuple(holds), decision.reason, now)


def reconsidered(alert: Alert, holds: Sequence[Hold], now: datetime) -> Told:
    """What is told of an alert that was judged again: it is held, or its snooze has ended, or something explains it by now."""
    if alert.told and alert.snoozed_until is not None:
        return Told(replace(alert, snoozed_until=None, reconsider_at=None), Telling.OPENED, "it was put aside until now")
    if alert.told:
        return _explained(alert, tuple(holds), now)
    return _judged(alert, alert, tuple(holds), "", now)


def _explained(alert: Alert, holds: tuple[Hold, ...], now: datetime) -> Told:
    """An alert that was told is put aside while another one explains it, and told again when that has ended."""
    kept = _since_they_began(holds, alert.holds)
    after = replace(alert, holds=kept, reconsider_at=_next_look(kept, now))
    if bool(kept) == bool(alert.holds):
        return Told(after, None, "")
    after = replace(after, version=alert.version + 1)
    if not kept:
        return Told(after, Telling.OPENED, f"what explained it has ended: {in_words(alert.holds)}")
    return Told(after, Telling.CHANGED, in_words(kept), f"inhibition {kept[0].named}")


def snoozed(alert: Alert, now: datetime) -> tuple[Hold, ...]:
    """The hold of a snooze that has not ended."""
    if alert.snoozed_until is None or alert.snoozed_until <= now:
        return ()
    return (Hold(HoldKind.SNOOZE, alert.id, "", f"it is put aside until {alert.snoozed_until:%H:%M:%S}Z", now, alert.snoozed_until),)


def _judged(before: Alert | None, alert: Alert, holds: tuple[Hold, ...], reason: str, now: datetime) -> Told:
    if before is None and holds:
        return _held_from_the_start(alert, _first_verdict(holds, now))
    earlier = before.holds if before is not None else ()
    if before is not None:
        # Only what opens within a flood belongs to it: the others heard of this one before.
        holds = tuple(hold for hold in holds if hold.kind is not HoldKind.STORM or (hold.kind, hold.rule) in _rules(earlier))
    holds = _floods_first(holds)
    if not holds:
        why = f"what held it back has ended: {in_words(earlier)}" if earlier else reason
        return Told(replace(alert, told=True, holds=(), reconsider_at=None, snoozed_until=None), Telling.OPENED, why)
    kept = _since_they_began(holds, earlier) if earlier else holds
    held = replace(alert, told=False, holds=kept, reconsider_at=_next_look(kept, now))
    news = _shown(kept) and _rules(kept) != _rules(earlier)
    return Told(held, Telling.SUPPRESSED if news else None, in_words(kept))


@dataclass(frozen=True, slots=True)
class _First:
    """What is told of alerts that open with the same holds, which a flood has by the hundred."""

    holds: tuple[Hold, ...]
    reconsider_at: datetime | None
    telling: Telling | None
    reason: str


@lru_cache(maxsize=64)
def _first_verdict(holds: tuple[Hold, ...], now: datetime) -> _First:
    kept = _floods_first(holds)
    return _First(kept, _next_look(kept, now), Telling.SUPPRESSED if _shown(kept) else None, in_words(kept))


def _held_from_the_start(alert: Alert, first: _First) -> Told:
    held = replace(alert, told=False, holds=first.holds, reconsider_at=first.reconsider_at)
    return Told(held, first.telling, first.reason)


def _floods_first(holds: tuple[Hold, ...]) -> tuple[Hold, ...]:
    """What floods needs no other reason, and nobody heard of it: as long as the flood lasts nothing else is told of it."""
    return tuple(hold for hold in holds if hold.kind is HoldKind.STORM) or holds


def _since_they_began(holds: Sequence[Hold], earlier: Sequence[Hold]) -> tuple[Hold, ...]:
    began = {(hold.kind, hold.rule): hold.since for hold in earlier}
    return tuple(hold.since_then(began.get((hold.kind, hold.rule), hold.since)) for hold in holds)


def in_words(holds: Sequence[Hold]) -> str:
    """The holds as a person reads them."""
    return "; ".join(hold.reason for hold in holds)


def _put_aside_by(before: Alert | None, alert: Alert, decision: Decision) -> str:
    if alert.snoozed_until is None or (before is not None and before.snoozed_until == alert.snoozed_until):
        return ""
    return decision.by or alert.integration


def _telling_of_known(decisions: Sequence[Decision]) -> Telling | None:
    verdicts = {decision.verdict for decision in decisions}
    if Verdict.ACKNOWLEDGED in verdicts:
        return Telling.ACKNOWLEDGED
    return Telling.CHANGED if Verdict.CHANGED in verdicts else None


def _next_look(holds: Sequence[Hold], now: datetime) -> datetime | None:
    """When to judge again: not by time where only another signal, or the end of a flood, says that a hold is over."""
    ends = [hold.until or now + LOOK_AGAIN for hold in holds if hold.kind not in SAID_OTHERWISE or hold.until is not None]
    return min(ends, default=None)


def _shown(holds: Sequence[Hold]) -> bool:
    """Whether the others heard of these holds: a flood is told by the one alert that stands for it."""
    return not {hold.kind for hold in holds} <= {HoldKind.STORM}


def _rules(holds: Sequence[Hold]) -> set[tuple[HoldKind, str]]:
    return {(hold.kind, hold.rule) for hold in holds}
