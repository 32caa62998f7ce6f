"""Looks at everything that readiness depends on."""

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
from tocsin_response.command.readiness import AHEAD, Finding, Reach, Ready, Review
from tocsin_response.command.store import ReachRow
from tocsin_response.oncall.oncall import gaps_of, plans_over
from tocsin_response.oncall.rota import Rota, rota
from tocsin_response.oncall.store import load_members
from tocsin_response.playbook.runs import Runs

TRIED = timedelta(days=30)


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

    async def ready(self, team: str) -> list[Ready]:
        """Every team, or the one with this name. Raises TeamNotFound."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            teams = await load_members(tx, [team] if team else None)
            if team and team not in teams:
                raise TeamNotFound(team=team)
            common = await self._common(tx, now)
            gaps = await _gaps(tx, await rota(tx, now), now)
            people = await store.reachabilities(tx, sorted({name for members in teams.values() for name in members}))
        found = []
        for name, members in sorted(teams.items()):
            own = {schedule: gap for schedule, (on_it, gap) in gaps.items() if on_it & set(members)}
            reached = [_reach(each, people.get(each)) for each in members]
            found.append(Ready(name, (*readiness.schedules(own), *readiness.contacts(reached), *common)))
        return found

    async def _common(self, tx: Tx, now: datetime) -> list[Finding]:
        """What is the same for all teams: plans, their playbooks, exercises."""
        kept = (await self._plans.all(tx)).values()
        used = [each for each in kept if not _overruled(each.message, [other.message for other in kept])]
        reviews = [
            Review(each.message.name, each.reviewed_at, timedelta(days=each.message.review_days or USUAL_REVIEW_DAYS)) for each in used
        ]
        named = [name for each in used for phase in each.message.phases for name in phase.playbooks]
        tried = await self._runs.tried(tx, named, now - TRIED)
        return [*readiness.playbooks(named, tried), *readiness.plans(reviews, now), *readiness.exercises()]


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
    people = {name: {each for shift in plan.shifts(now, until) for each in shift.responders} for name, plan in plans.items()}
    return {name: (people[name], missing.get(name, timedelta())) for name in plans}


def _reach(name: str, known: ReachRow | None) -> Reach:
    return Reach(name, known.problem, known.checked_at) if known is not None else Reach(name, "", None)
