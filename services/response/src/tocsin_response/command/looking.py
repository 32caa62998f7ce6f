"""Looks at everything that readiness depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tocsin.communication.v1.events_pb2 import ReachabilityChecked
from tocsin.response.v1.command_pb2 import IncidentPlan

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import NotFound
from tocsin_response.command import readiness, store
from tocsin_response.command.plan import USUAL_REVIEW_DAYS
from tocsin_response.command.plans import Plans
from tocsin_response.command.readiness import AHEAD, Finding, Held, Reach, Ready, Review
from tocsin_response.command.store import ReachRow
from tocsin_response.escalation.book import book
from tocsin_response.escalation.on_call import Asked, asked_for
from tocsin_response.oncall.oncall import gaps_of, plans_over
from tocsin_response.oncall.rota import Rota
from tocsin_response.oncall.store import load_members
from tocsin_response.oncall.watch import persons
from tocsin_response.playbook.runs import Runs

TRIED = timedelta(days=30)
EXERCISED = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Service:
    """What a caller who knows the catalogue says of a service."""

    name: str
    team: str
    escalation_policy: str


class TeamNotFound(NotFound):
    reason = "TEAM_NOT_FOUND"
    message = "there is no team {team}"


class Looking:
    """Says how ready each team is. Nothing is changed."""

    def __init__(self, database: Database, clock: Clock, plans: Plans, runs: Runs) -> None:
        self._runs = runs
        self._database = database
        self._clock = clock
        self._plans = plans

    async def on_reachability(self, tx: Tx, fact: Fact[ReachabilityChecked]) -> None:
        """Communication looked whether somebody can be reached."""
        told = fact.message
        await store.note_reachability(tx, ReachRow(told.responder, told.problem, told.at.ToDatetime(UTC)))

    async def ready(self, team: str, services: Sequence[Service] = ()) -> list[Ready]:
        """Every team, or the one with this name; then the services. Raises TeamNotFound."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            teams = await load_members(tx, [team] if team else None)
            if team and team not in teams:
                raise TeamNotFound(team=team)
            common = await self._common(tx, now)
            known = await book(tx, now)
            gaps = await _gaps(tx, known.current, now)
            asked = {each: asked_for(known, each.escalation_policy, each.team, now) for each in services}
            named = {name for members in teams.values() for name in members} | {name for one in asked.values() for name in one.people}
            people = await store.reachabilities(tx, sorted(named))
        found = []
        for name, members in sorted(teams.items()):
            own = {schedule: gap for schedule, (on_it, gap) in gaps.items() if on_it & set(members)}
            reached = [_reach(each, people.get(each)) for each in members]
            found.append(Ready(name, (*readiness.schedules(own), *readiness.contacts(reached), *common)))
        return found + [_of_service(each, one, gaps, people, common) for each, one in asked.items()]

    async def _common(self, tx: Tx, now: datetime) -> list[Finding]:
        """What is the same for all teams: plans, their playbooks, exercises."""
        kept = (await self._plans.all(tx)).values()
        used = [each for each in kept if not _overruled(each.message, [other.message for other in kept])]
        reviews = [
            Review(each.message.name, each.reviewed_at, timedelta(days=each.message.review_days or USUAL_REVIEW_DAYS)) for each in used
        ]
        named = [
            name for each in used for phase in each.message.phases for name in (*phase.playbooks, *(run.playbook for run in phase.runs))
        ]
        tried = await self._runs.tried(tx, named, now - TRIED)
        run = await self._runs.exercised(tx, now - EXERCISED)
        held = Held(run.playbook, run.by, run.at) if run is not None else None
        return [*readiness.playbooks(named, tried), *readiness.plans(reviews, now), *readiness.exercises(held)]


def _of_service(
    service: Service, asked: Asked, gaps: Mapping[str, tuple[set[str], timedelta]], people: Mapping[str, ReachRow], common: list[Finding]
) -> Ready:
    """A service is as ready as those whom its policy asks."""
    own = {name: gaps[name][1] for name in asked.schedules if name in gaps}
    reached = [_reach(each, people.get(each)) for each in sorted(asked.people)]
    # A policy that names people themselves has no schedule that could have a gap.
    schedules = readiness.schedules(own) if own or not asked.people else []
    found = [
        *readiness.policies(service.escalation_policy, asked.exists),
        *(schedules if asked.exists else []),
        *readiness.contacts(reached, "its policy asks nobody now"),
        *common,
    ]
    return Ready(service.team, tuple(found), service.name)


def _overruled(plan: IncidentPlan, others: list[IncidentPlan]) -> bool:
    """A shipped plan whose type has one of a file is not used."""
    return plan.template and any(each.incident_type == plan.incident_type and not each.template for each in others)


async def _gaps(tx: Tx, current: Rota, now: datetime) -> dict[str, tuple[set[str], timedelta]]:
    """Of each schedule: who is on it in the next days, and for how long nobody is."""
    until = now + AHEAD
    plans = await plans_over(tx, current, list(current.kept), now, until)
    missing: dict[str, timedelta] = {}
    for name, gap in gaps_of(plans, now, until):
        missing[name] = missing.get(name, timedelta()) + (gap.end - gap.start)
    people = {name: persons(each for shift in plan.shifts(now, until) for each in shift.responders) for name, plan in plans.items()}
    return {name: (people[name], missing.get(name, timedelta())) for name in plans}


def _reach(name: str, known: ReachRow | None) -> Reach:
    return Reach(name, known.problem, known.checked_at) if known is not None else Reach(name, "", None)
