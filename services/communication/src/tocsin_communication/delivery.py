"""Whether a page is still to be sent: the rules in their order. Why a page was not sent is the reason of the rule that stopped it."""

from collections.abc import Callable
from dataclasses import dataclass

from tocsin_communication.incident import Incident, IncidentState
from tocsin_communication.page import MOST_ATTEMPTS, Kind, Page


@dataclass(frozen=True, slots=True)
class Continue:
    """The rule has nothing against it."""


@dataclass(frozen=True, slots=True)
class Stop:
    """The page is not needed any more, and why. `failed`: it would be needed, but cannot be sent."""

    reason: str
    failed: bool = False


Verdict = Continue | Stop
Stage = Callable[[Page, Incident | None], Verdict]


def stop_if_incident_closed(page: Page, incident: Incident | None) -> Verdict:
    """Nobody is asked to respond to an incident that is over, or told who took it."""
    if incident is not None and incident.state is IncidentState.RESOLVED and page.kind in (Kind.SUMMONS, Kind.TAKEN):
        return Stop("the incident is resolved")
    return Continue()


def stop_if_acknowledged(page: Page, incident: Incident | None) -> Verdict:
    """Nobody is woken for an incident that somebody has taken."""
    if incident is not None and incident.state is IncidentState.ACKNOWLEDGED and page.kind is Kind.SUMMONS:
        return Stop(f"taken by {incident.acknowledged_by}")
    return Continue()


def stop_if_overtaken(page: Page, incident: Incident | None) -> Verdict:
    """What was true when the page was made is not any more: somebody else took the incident, or it was opened again."""
    if incident is None or page.kind is Kind.DIRECT:
        return Continue()
    if page.opening is not None and incident.opened_at > page.opening:
        return Stop("the incident was opened again meanwhile")
    if page.kind in (Kind.TAKEN, Kind.RESOLVED) and incident.turn > page.turn:
        return Stop("the incident went on meanwhile")
    return Continue()


def stop_if_tried_too_often(page: Page, incident: Incident | None) -> Verdict:
    """A page that kills its sender must not do so for ever."""
    return Stop(f"given up after {page.attempts} attempts", failed=True) if page.attempts >= MOST_ATTEMPTS else Continue()


DELIVERY: tuple[Stage, ...] = (stop_if_incident_closed, stop_if_acknowledged, stop_if_overtaken, stop_if_tried_too_often)


def verdict(page: Page, incident: Incident | None) -> Verdict:
    """The first rule that stops the page, or Continue."""
    return next((found for stage in DELIVERY if isinstance(found := stage(page, incident), Stop)), Continue())
