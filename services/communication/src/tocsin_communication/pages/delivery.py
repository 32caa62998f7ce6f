"""Whether a page is still to be sent: the rules in their order. Why a page was not sent is the reason of the rule that stopped it."""

from collections.abc import Callable
from dataclasses import dataclass

from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import MOST_ATTEMPTS, Kind, Page


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
    """Nobody is woken for an incident that somebody has taken, unless their answer is needed all the same and they gave none since."""
    if incident is None or incident.state is not IncidentState.ACKNOWLEDGED or page.kind is not Kind.SUMMONS:
        return Continue()
    theirs = incident.acknowledged_by == page.responder and incident.turn > page.turn
    return Continue() if page.stands and not theirs else Stop(f"taken by {incident.acknowledged_by}")


def stop_if_answered(page: Page, incident: Incident | None) -> Verdict:
    """Who has answered is not asked again by another way."""
    return Stop(f"{page.responder} has answered") if page.used_at is not None else Continue()


def stop_if_overtaken(page: Page, incident: Incident | None) -> Verdict:
    """What was true when the page was made is not any more: somebody else took the incident, or it was opened again."""
    if incident is None or page.opening is None:
        return Continue()
    if page.kind is Kind.DIRECT:
        moved = incident.turn > page.turn and incident.state is not IncidentState.OPEN
        return Stop(_ended(incident)) if moved else Continue()
    if incident.opened_at > page.opening:
        return Stop("the incident was opened again meanwhile")
    if page.kind in (Kind.TAKEN, Kind.RESOLVED) and incident.turn > page.turn:
        return Stop("the incident went on meanwhile")
    return Continue()


def _ended(incident: Incident) -> str:
    return "the incident is resolved" if incident.state is IncidentState.RESOLVED else f"taken by {incident.acknowledged_by}"


def stop_if_tried_too_often(page: Page, incident: Incident | None) -> Verdict:
    """A page that kills its sender must not do so for ever."""
    return Stop(f"given up after {page.attempts} attempts", failed=True) if page.attempts >= MOST_ATTEMPTS else Continue()


DELIVERY: tuple[Stage, ...] = (
    stop_if_incident_closed,
    stop_if_acknowledged,
    stop_if_answered,
    stop_if_overtaken,
    stop_if_tried_too_often,
)


def verdict(page: Page, incident: Incident | None) -> Verdict:
    """The first rule that stops the page, or Continue."""
    return next((found for stage in DELIVERY if isinstance(found := stage(page, incident), Stop)), Continue())
