"""Who is on call for the service of an incident, for whatever else wants to ask them something."""

from dataclasses import dataclass
from datetime import datetime

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_oncall.stand import WORST
from tocsin_response.escalation.book import Book, book
from tocsin_response.escalation.candidates import roster_of
from tocsin_response.escalation.definition import PLATFORM, Kind
from tocsin_response.escalation.escalation import Candidate


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom a policy asks in any of its steps now, and by which schedules."""

    exists: bool
    people: frozenset[str]
    schedules: frozenset[str]


def asked_for(known: Book, policy: str, team: str, now: datetime) -> Asked:
    """What the policy of a service comes to; one that is not there asks the platform's fallback."""
    named = known.named(policy, team)
    targets = [target for step in (named.steps if named is not None else ()) for target in step.targets] or [PLATFORM]
    people = frozenset(each.responder for found in roster_of(known, targets, now, WORST).values() for each in found if each.responder)
    return Asked(named is not None, people, frozenset(target.name for target in targets if target.kind is Kind.SCHEDULE))


async def on_call_for(tx: Tx, incident: Incident | None, now: datetime) -> list[Candidate]:
    """Whom the first step of its policy that has anybody asks, else the platform's fallback; without an incident the fallback."""
    known = await book(tx, now)
    named = known.named(incident.escalation_policy, incident.team) if incident is not None else None
    severity = incident.severity if incident is not None else 0
    policy = known.to_run(named, incident.team if incident is not None else "", severity, now)
    for targets in (*(step.targets for step in policy.steps), policy.fallback, (PLATFORM,)):
        asked = roster_of(known, targets, now, severity or WORST)
        if found := [each for target in targets for each in asked[target] if each.responder]:
            return found
    return []
