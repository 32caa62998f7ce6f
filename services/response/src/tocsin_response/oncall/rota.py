"""Every schedule in memory, as long as nothing has changed: who is on call now is asked all the time, and changes seldom."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tocsin_chassis.postgres.database import Tx
from tocsin_oncall.plain import Known, read
from tocsin_oncall.render import Duty, Plan
from tocsin_oncall.schedule import Override, Schedule, Temporary
from tocsin_oncall.wall import FUTURE
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

    def duties_at(self, at: datetime) -> tuple[Duty, ...]:
        """Who is on call at an instant."""
        if not self.since <= at < self.until:
            self.duties = self.plan.duties_at(at)
            self.since, self.until = at, self.plan.next_change(at) or FUTURE
        return self.duties

    def next_change(self, at: datetime) -> datetime:
        """When other people are on call than at `at`, as far as one can see."""
        self.duties_at(at)
        return self.until


@dataclass(frozen=True)
class Rota:
    """All schedules at one revision, with what goes over their layers from `since` on."""

    revision: Revision
    since: datetime
    known: Known
    kept: Mapping[str, Kept]
    people: Mapping[str, Person]
    definitions: Mapping[str, Definition] = field(repr=False)

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
    definitions = {each.name: each for each in await store.load_schedules(tx)}
    overrides = store.grouped(await store.load_overrides(tx, None, since, FUTURE))
    temporaries = store.grouped(await store.load_temporaries(tx, None, since, FUTURE))
    kept = {
        name: _keep(definition, overrides.get(name, ()), temporaries.get(name, ()), known, before)
        for name, definition in definitions.items()
    }
    return Rota(revision, since, known, kept, people, definitions)


def _keep(
    definition: Definition, overrides: tuple[Override, ...], temporaries: tuple[Temporary, ...], known: Known, before: Rota | None
) -> Kept:
    held = before.kept.get(definition.name) if before is not None else None
    same = held is not None and before is not None and before.known == known and before.definitions[definition.name] == definition
    schedule = held.plan.schedule if held is not None and same else _understood(definition, known)
    plan = Plan(schedule, overrides, temporaries)
    if held is not None and same and (held.plan.overrides, held.plan.temporaries) == (plan.overrides, plan.temporaries):
        return held
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
    policies = {name: _first_people(targets, teams) for name, targets in (await store.load_first_targets(tx)).items()}
    calendars = {each.name: (each.text, each.time_zone) for each in await store.load_calendars(tx) if each.kind == "DUTY" and each.text}
    written = {person.display_name.lower(): person.name for person in people.values() if person.display_name}
    return Known(teams, policies, calendars, {**written, **{name: name for name in people}})


def _first_people(targets: list[dict[str, Any]], teams: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The people whom a step names, itself or by a team. A schedule that it names is not followed: it might lead back."""
    found = [
        name for target in targets for name in ([target["responder"]] if "responder" in target else teams.get(target.get("team", ""), ()))
    ]
    return tuple(dict.fromkeys(found))
