"""Every policy in memory, as long as nothing has changed: policies are asked for at each opening, and change seldom."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from google.protobuf import json_format
from tocsin.response.v1.escalation_pb2 import BusinessHours, EscalationPolicy

from tocsin_chassis.postgres.database import Tx
from tocsin_oncall.hours import Hours
from tocsin_response.escalation import definition_store as store
from tocsin_response.escalation.definition import PLATFORM_POLICY, Policy
from tocsin_response.escalation.definition_store import Team
from tocsin_response.escalation.definition_wire import hours_of, policy_of
from tocsin_response.glance.store import glance
from tocsin_response.oncall.rota import Rota, rota
from tocsin_response.oncall.store import Revision

# Several installations share a process in tests only.
MOST_INSTALLATIONS = 4


@dataclass(frozen=True)
class Book:
    """All that escalations are begun by, at one revision, with who is on call."""

    current: Rota
    definitions: Mapping[str, dict[str, Any]] = field(repr=False)
    hours: Mapping[str, Hours]
    teams: Mapping[str, Team]
    fallback: tuple[str, ...]
    understood: dict[tuple[str, str], Policy] = field(default_factory=dict)

    def named(self, name: str, team: str) -> Policy | None:
        """The policy with this name as it is for a team, whatever its rules say."""
        definition = self.definitions.get(name)
        if definition is None:
            return None
        policy = self.understood.get((name, team))
        if policy is None:
            policy = self.filled(json_format.ParseDict(definition, EscalationPolicy(), ignore_unknown_fields=True), team)
            self.understood[name, team] = policy
        return policy

    def filled(self, given: EscalationPolicy, team: str) -> Policy:
        """The policy with its calendars and zones."""
        owner = self.teams.get(team)
        return policy_of(given, self.hours, owner.time_zone if owner is not None and owner.time_zone else "UTC")

    def to_run(self, policy: Policy | None, team: str, severity: int, now: datetime) -> Policy:
        """This policy, or the one that its rules choose for this severity and hour; the platform's own if there is none."""
        if policy is None:
            return PLATFORM_POLICY
        rule = policy.rule_at(severity, now)
        other = self.named(rule.policy, team) if rule is not None and rule.policy else None
        return replace(other, urgency=rule.urgency) if other is not None and rule is not None else policy


_books: dict[str, Book] = {}


async def book(tx: Tx, now: datetime) -> Book:
    """Everything as it is now: one small question, asked once where many incidents open together, unless something changed."""
    return await tx.read_once("book", lambda: _book(tx, now))


async def _book(tx: Tx, now: datetime) -> Book:
    revision = (await glance(tx, now)).oncall
    current = await tx.read_once("rota", lambda: rota(tx, now, revision))
    held = _books.get(current.revision.installation)
    if held is None or held.current.revision != current.revision:
        held = await _read(tx, current)
        _remember(current.revision, held)
    elif held.current is not current:
        held = replace(held, current=current)
        _remember(current.revision, held)
    return held


def _remember(revision: Revision, read: Book) -> None:
    _books.pop(revision.installation, None)
    _books[revision.installation] = read
    while len(_books) > MOST_INSTALLATIONS:
        _books.pop(next(iter(_books)))


async def _read(tx: Tx, current: Rota) -> Book:
    calendars = [json_format.ParseDict(each.definition, BusinessHours(), ignore_unknown_fields=True) for each in await store.load_hours(tx)]
    return Book(
        current,
        {each.name: each.definition for each in await store.load_policies(tx)},
        {calendar.name: hours_of(calendar) for calendar in calendars},
        {team.name: team for team in await store.load_teams(tx)},
        tuple(await store.load_fallback(tx)),
    )
