"""Every schedule in memory, as long as nothing has changed: who is on call now is asked all the time, and changes seldom."""

import logging
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tocsin_chassis.postgres.database import Tx
from tocsin_oncall import chains
from tocsin_oncall.plain import Known, read
from tocsin_oncall.render import Duty, Plan
from tocsin_oncall.schedule import Schedule
from tocsin_oncall.stand import WORST
from tocsin_oncall.standing import ALONE, Around, around, graph
from tocsin_oncall.wall import FUTURE
from tocsin_response.escalation import definition_store as definitions
from tocsin_response.oncall import store
from tocsin_response.oncall.store import Definition, Person, Revision

log = logging.getLogger(__name__)

# What went over the layers so long ago is not in memory: a question about it asks the database.
MEMORY = timedelta(days=35)
# Several installations share a process in tests only.
MOST_INSTALLATIONS = 4


@dataclass(eq=False)
class Kept:
    """A plan, and the last answer about it: it holds until somebody else comes on call."""

    plan: Plan
    plain: Mapping[str, Any]
    duties: tuple[Duty, ...] = ()
    since: datetime = FUTURE
    until: datetime = FUTURE
    by_severity: dict[int, "Kept"] = field(default_factory=dict)

    def duties_at(self, at: datetime, severity: int = WORST) -> tuple[Duty, ...]:
        """Who is on call at an instant, for an incident of this severity."""
        asked = self.plan.at_severity(severity)
        if asked is not self.plan:
            return self.by_severity.setdefault(severity, Kept(asked, self.plain)).duties_at(at, severity)
        if not self.since <= at < self.until:
            self.duties = self.plan.duties_at(at)
            self.since, self.until = at, self._holds_until(at)
        return self.duties

    def next_change(self, at: datetime) -> datetime:
        """When other people are on call than at `at`, as far as one can see."""
        if self.plan.schedule.policies:
            return self.plan.next_change(at) or at + MEMORY
        self.duties_at(at)
        return self.until

    def _holds_until(self, at: datetime) -> datetime:
        """Policies may ask the same people for other reasons, and are not looked at farther ahead."""
        if self.plan.schedule.policies:
            return self.plan.holds_until(at) or at + MEMORY
        return self.plan.next_change(at) or FUTURE


@dataclass(frozen=True)
class Rota:
    """All schedules at one revision, with what goes over their layers from `since` on."""

    revision: Revision
    since: datetime
    known: Known
    kept: Mapping[str, Kept]
    people: Mapping[str, Person]
    definitions: Mapping[str, Definition] = field(repr=False)
    around: Around = ALONE

    def behind(self, names: Iterable[str]) -> list[str]:
        """The schedules to which these lead by way of policies, beside themselves."""
        given = list(names)
        if not any(schedule is not None and schedule.policies for schedule in map(self.schedule, given)):
            return []
        leads = graph(self.known, [kept.plan.schedule for kept in self.kept.values()])
        found = chains.reached(leads, [chains.schedule(name) for name in given])
        return sorted({node.name for node in found if node.kind == chains.SCHEDULE} - set(given))

    def with_schedule(self, schedule: Schedule) -> "Rota":
        """As if this were one of the schedules."""
        kept = {**self.kept, schedule.name: Kept(Plan(schedule), {})}
        return replace(self, kept=kept, around=around(self.known, {}, [each.plan.schedule for each in kept.values()]))

    def called(self, responder: str) -> str:
        """The name that people read."""
        person = self.people.get(responder)
        return person.display_name if person is not None and person.display_name else responder

    def schedule(self, name: str) -> Schedule | None:
        found = self.kept.get(name)
        return found.plan.schedule if found is not None else None


_rotas: dict[str, Rota] = {}


async def rota(tx: Tx, now: datetime, revision: Revision | None = None) -> Rota:
    """All schedules as they are now, or were at a revision that was just asked for: one small question, unless something changed."""
    current = revision or await store.revision(tx)
    held = _rotas.get(current.installation)
    if held is None or held.revision != current or held.since > now - MEMORY / 2 or held.since < now - 3 * MEMORY:
        held = await _read(tx, current, now, held)
        _rotas.pop(current.installation, None)
        _rotas[current.installation] = held
        while len(_rotas) > MOST_INSTALLATIONS:
            _rotas.pop(next(iter(_rotas)))
    return held


async def _read(tx: Tx, revision: Revision, now: datetime, before: Rota | None) -> Rota:
    """Everything anew; what did not change keeps its answers."""
    since = now - MEMORY
    people = {person.name: person for person in await store.load_people(tx)}
    known = await _known(tx, people)
    stored = {each.name: each for each in await store.load_schedules(tx)}
    overrides = store.grouped(await store.load_overrides(tx, None, since, FUTURE))
    temporaries = store.grouped(await store.load_temporaries(tx, None, since, FUTURE))
    same = before if before is not None and before.known == known else None
    schedules = {name: _schedule(definition, known, same) for name, definition in stored.items()}
    plans: dict[str, Plan] = {}
    there = around(known, plans, schedules.values())
    for name, schedule in schedules.items():
        plans[name] = Plan(schedule, overrides.get(name, ()), temporaries.get(name, ()), there)
    changed = {name for name, plan in plans.items() if not _stays(plan, same)}
    kept = {name: _keep(plan, stored[name], changed, same) for name, plan in plans.items()}
    return Rota(revision, since, known, kept, people, stored, there)


def _schedule(definition: Definition, known: Known, same: Rota | None) -> Schedule:
    if same is not None and same.definitions.get(definition.name) == definition:
        return same.kept[definition.name].plan.schedule
    return _understood(definition, known)


def _stays(plan: Plan, same: Rota | None) -> bool:
    held = same.kept.get(plan.schedule.name) if same is not None else None
    return held is not None and held.plan == plan


def _keep(plan: Plan, definition: Definition, changed: Set[str], same: Rota | None) -> Kept:
    """What did not change keeps its answers; what a policy has a slot of, only if no schedule has changed that it may lead to."""
    name = plan.schedule.name
    if same is not None and name not in changed and not (changed and plan.schedule.policies):
        return same.kept[name]
    return Kept(plan, definition.plain)


def _understood(definition: Definition, known: Known) -> Schedule:
    """The schedule, as far as it can be understood: a zone that tzdata does not know any more must not leave everybody without duty."""
    schedule, problems = read({**definition.plain, "name": definition.name}, known)
    for path, detail in problems:
        log.warning("schedule %s is not understood at %s: %s", definition.name, path, detail)
    return schedule


async def _known(tx: Tx, people: Mapping[str, Person]) -> Known:
    """What names in schedules stand for."""
    teams = await store.load_members(tx, None)
    policies = {each.name: each.definition for each in await definitions.load_policies(tx)}
    hours = {each.name: each.definition for each in await definitions.load_hours(tx)}
    managers = {each.name: tuple(each.managers) for each in await definitions.load_teams(tx)}
    calendars = {each.name: (each.text, each.time_zone) for each in await store.load_calendars(tx) if each.kind == "DUTY" and each.text}
    written = {person.display_name.lower(): person.name for person in people.values() if person.display_name}
    return Known(teams, policies, calendars, {**written, **{name: name for name in people}}, hours, managers)
