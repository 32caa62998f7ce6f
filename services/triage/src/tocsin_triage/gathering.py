"""Alerts that open at once: which incident each of them joins or opens. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tocsin_kernel.decision import Decision
from tocsin_triage.correlation import Alert, Place
from tocsin_triage.incident import AttachedAlert, Incident, opened

Group = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Arrival:
    """An alert that opened, and where it belongs."""

    alert: Alert
    place: Place
    attached: AttachedAlert

    @property
    def group(self) -> Group:
        """What the alerts of one incident share: service and key."""
        return self.place.service.name, self.place.group_key


def first_of_groups(arrivals: Sequence[Arrival]) -> dict[Group, Arrival]:
    """The first alert of each group, in their order."""
    first: dict[Group, Arrival] = {}
    for arrival in arrivals:
        first.setdefault(arrival.group, arrival)
    return first


def gather(arrivals: Sequence[Arrival], gathering: Mapping[Group, Incident], new: Mapping[Group, Incident]) -> list[Decision[Incident]]:
    """What each alert does, one after the other: it joins the incident that is `gathering` its group, or opens the `new` one."""
    incidents = dict(gathering)
    decisions: list[Decision[Incident]] = []
    for arrival in arrivals:
        incident = incidents.get(arrival.group)
        decision = opened(new[arrival.group], arrival.attached) if incident is None else join(incident, arrival)
        incidents[arrival.group] = decision.state
        decisions.append(decision)
    return decisions


def join(incident: Incident, arrival: Arrival) -> Decision[Incident]:
    """One more alert of the group; it may make the incident worse."""
    attached, place = arrival.attached, arrival.place
    joined = incident.attach(attached)
    worse = joined.state.worsen(place.severity, f"the alert “{attached.title}” is worse. {place.severity_reason}", attached.attached_at)
    return Decision(worse.state, (*joined.facts, *worse.facts))
