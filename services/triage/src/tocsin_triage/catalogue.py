"""The service catalogue and the routes that lead alerts to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tocsin_triage.incident import IncidentType, Severity

UNROUTED = "unrouted"
# The platform's check of itself: its incidents are numbered apart, stand in no list that does not name it, and are forgotten.
WATCHDOG = "tocsin-watchdog"


@dataclass(frozen=True, slots=True)
class Service:
    """Something that can break and that somebody is responsible for."""

    name: str
    display_name: str = ""
    description: str = ""
    team: str = ""
    escalation_policy: str = ""
    runbook_url: str = ""
    depends_on: tuple[str, ...] = ()
    group_by: tuple[str, ...] = ()


# The default service as migrations make it: where everything goes that belongs nowhere else.
BUILT_IN = Service(UNROUTED, "Unrouted", "Takes what names no service of the catalogue. Built in; give it a policy, or add a route.")


@dataclass(frozen=True, slots=True)
class Route:
    """Sends alerts that have these labels to a service, and may set the severity and type of their incidents."""

    name: str
    position: int
    match: Mapping[str, str]
    service: str
    severity: Severity | None
    incident_type: IncidentType | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All services by name, and all routes in the order in which they are tried."""

    services: Mapping[str, Service]
    routes: Sequence[Route]

    def service(self, name: str) -> Service | None:
        """The catalogued service that somebody means: by its name, whatever its capitals."""
        return self.services.get(name) or self.services.get(name.strip().lower())

    @property
    def default(self) -> Service:
        return self.services.get(UNROUTED, BUILT_IN)


def in_order(routes: Sequence[Route]) -> tuple[Route, ...]:
    """By position, then name."""
    return tuple(sorted(routes, key=lambda route: (route.position, route.name)))
