"""Where an alert belongs: its service, its severity, the group it shares an incident with, and why."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from tocsin_triage.catalogue import Catalogue, Route, Service
from tocsin_triage.incident import IncidentType, Severity

WORDS: Mapping[str, Severity] = {
    **dict.fromkeys(("critical", "crit", "fatal", "emergency", "disaster", "p1", "sev1"), Severity.SEV1),
    **dict.fromkeys(("error", "err", "high", "major", "p2", "sev2"), Severity.SEV2),
    **dict.fromkeys(("warning", "warn", "average", "moderate", "medium", "none", "p3", "sev3"), Severity.SEV3),
    **dict.fromkeys(("minor", "low", "p4", "sev4"), Severity.SEV4),
    **dict.fromkeys(("info", "informational", "information", "notice", "p5", "sev5"), Severity.SEV5),
}
USUAL_SEVERITY = Severity.SEV3
USUAL_LABELS = ("alertname",)
LONGEST_QUOTE = 120


@dataclass(frozen=True, slots=True)
class Alert:
    """What triage needs to know of an alert. `ended_because` says why it ended, and is empty while it is open.

    `taken_by` is who takes care of it, as its sender or detection says; empty if nobody does. `aside` says whether it is put aside,
    `put_aside_by` who has just done so.
    """

    id: str
    version: int
    title: str
    description: str
    integration: str
    labels: Mapping[str, str]
    sender_severity: str
    sender_service: str
    source_url: str
    open: bool
    ended_because: str = ""
    taken_by: str = ""
    aside: bool = False
    put_aside_by: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert belongs. `reason` says in words why; `group` names what the alerts of one incident share."""

    service: Service
    severity: Severity
    group_key: str
    group: str
    severity_reason: str
    reason: str
    incident_type: IncidentType = IncidentType.OPERATIONAL


def place(alert: Alert, catalogue: Catalogue) -> Place:
    """Every alert has a place: what nothing is known of goes to the default service."""
    route = next((route for route in catalogue.routes if matches(route, alert)), None)
    service, service_reason = _service(alert, catalogue, route)
    severity, severity_reason = _severity(alert, route)
    key, group = _group(alert, service)
    reason = f"Service {service.name}: {service_reason}. {severity.name}: {severity_reason}. Alerts are together by {group}."
    kind = IncidentType.OPERATIONAL
    if route is not None and route.incident_type is not None:
        kind = route.incident_type
        reason += f" {kind.value.replace('_', ' ').capitalize()}: the route {route.name} says so."
    return Place(service, severity, key, group, f"{severity.name}: {severity_reason}", reason, kind)


def matches(route: Route, alert: Alert) -> bool:
    """Whether the alert has every label of the route. The integration counts as a label, and its name cannot be forged by one."""
    known = {**alert.labels, "integration": alert.integration}
    return all(known.get(name) == value for name, value in route.match.items())


def declared_place(named: str, catalogue: Catalogue) -> tuple[Service, str]:
    """The service of an incident that a person declares, and why."""
    if not named:
        return catalogue.default, f"Service {catalogue.default.name}: the declaration names none."
    found = catalogue.service(named)
    if found is not None:
        return found, f"Service {found.name}: named in the declaration."
    return catalogue.default, f"Service {catalogue.default.name}: {quoted(named)} is not in the catalogue."


def _service(alert: Alert, catalogue: Catalogue, route: Route | None) -> tuple[Service, str]:
    if route is not None and (routed := catalogue.service(route.service)) is not None:
        return routed, f"the route {route.name} leads there"
    named = [name for name in (alert.sender_service, alert.labels.get("service", "")) if name]
    for name in named:
        if (found := catalogue.service(name)) is not None:
            return found, f"named by the sender through the integration {alert.integration}"
    default = catalogue.default
    return default, f"no route matches, and {quoted(named[0])} is not in the catalogue" if named else "no route matches, and none was named"


def _severity(alert: Alert, route: Route | None) -> tuple[Severity, str]:
    if route is not None and route.severity is not None:
        return route.severity, f"the route {route.name} says so"
    word = alert.sender_severity.strip().lower()
    if not word:
        return USUAL_SEVERITY, "the sender does not say how bad it is"
    if word in WORDS:
        return WORDS[word], f"the sender says {quoted(word)}"
    return USUAL_SEVERITY, f"the sender's word {quoted(word)} is not known"


def _group(alert: Alert, service: Service) -> tuple[str, str]:
    """The group's key (a hash: labels may be long) and its name.

    Without any of the labels the title decides: otherwise all such alerts would be one group.
    """
    names = service.group_by or USUAL_LABELS
    if any(alert.labels.get(name) for name in names):
        parts = [(name, alert.labels.get(name, "")) for name in names]
    else:
        parts = [("", alert.title)]
    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
    return key, ", ".join(f"{name}={shortened(value)}" if name else f"the title {quoted(value)}" for name, value in parts)


def quoted(text: str) -> str:
    return f"“{shortened(text)}”"


def shortened(text: str) -> str:
    """One line, not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_QUOTE else line[: LONGEST_QUOTE - 1] + "…"
