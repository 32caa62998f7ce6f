"""Which plan an incident gets, what plans there are, and when each was reviewed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from google.protobuf import json_format
from tocsin.response.v1 import command_events_pb2 as events
from tocsin.response.v1 import command_pb2 as pb
from tocsin.triage.v1.incident_pb2 import IncidentType

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import NotFound
from tocsin_kernel.ids import Ids
from tocsin_response.command import store, templates
from tocsin_response.command.plan import (
    COMMANDER,
    NO_PLAN,
    USUAL_REVIEW_DAYS,
    Criterion,
    Looked,
    Phase,
    PhasePlan,
    Plan,
    PlannedRun,
    PlannedTask,
    RolePlan,
)
from tocsin_response.glance.store import glance
from tocsin_response.oncall.wire import timestamp

# What a newer version may know beside these is passed over.
PHASES = {int(each) for each in Phase}
KINDS = {int(each) for each in Looked}


class PlanNotFound(NotFound):
    reason = "PLAN_NOT_FOUND"
    message = "there is no incident plan {plan}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan as it is now, and when it was reviewed."""

    message: pb.IncidentPlan
    version: int
    changed_at: datetime | None
    reviewed_at: datetime | None
    reviewed_by: str


class Plans:
    """Those of files, and those that are shipped."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids

    async def all(self, tx: Tx) -> dict[str, Kept]:
        """By name. One of a file takes the place of the shipped one with its name."""
        reviews = await store.newest_reviews(tx)
        found = {name: (message, templates.VERSION, None) for name, message in templates.templates().items()}
        kept: Mapping[str, tuple[pb.IncidentPlan, int, datetime | None]] = {
            **found,
            **{row.name: (read(row.definition), row.version, row.changed_at) for row in await store.load_plans(tx)},
        }
        return {name: _kept(*kept[name], reviews.get(name)) for name in sorted(kept)}

    async def for_type(self, tx: Tx, kind: int) -> Plan:
        """The plan of an incident of this type: the first of a file, else the shipped one, else none."""
        if not (await glance(tx, self._clock.now())).plans:
            return shipped(kind)
        plans = await tx.read_once("incident plans", lambda: self.all(tx))
        wanted = kind or IncidentType.INCIDENT_TYPE_OPERATIONAL
        return _fitting({name: (each.message, each.version) for name, each in plans.items()}, wanted)

    async def version(self, tx: Tx, name: str, version: int) -> Plan:
        """The plan that an incident began with."""
        if not name:
            return NO_PLAN
        row = await store.load_plan_version(tx, name, version)
        if row is not None:
            return understood(read(row.definition), version)
        shipped = templates.templates().get(name)
        return understood(shipped, version) if shipped is not None else NO_PLAN

    async def review(self, tx: Tx, name: str, by: str, note: str) -> Kept:
        """Somebody found it good. Raises PlanNotFound."""
        found = (await self.all(tx)).get(name)
        if found is None:
            raise PlanNotFound(plan=name)
        now = self._clock.now()
        await store.insert_review(tx, self._ids.new(), store.ReviewRow(name, by, now), found.version, note)
        fact = events.PlanReviewed(plan=name, version=found.version, by=by, note=note, at=timestamp(now))
        tx.emit(fact, aggregate=name, version=int(now.timestamp()))
        return _kept(found.message, found.version, found.changed_at, store.ReviewRow(name, by, now))


@cache
def shipped(kind: int) -> Plan:
    """The shipped plan of an incident of this type."""
    made = {name: (message, templates.VERSION) for name, message in templates.templates().items()}
    return _fitting(made, kind or IncidentType.INCIDENT_TYPE_OPERATIONAL)


def _fitting(plans: Mapping[str, tuple[pb.IncidentPlan, int]], kind: int) -> Plan:
    """The first of a file, then the shipped one."""
    fitting = sorted((message.template, name) for name, (message, _) in plans.items() if message.incident_type == kind)
    return understood(*plans[fitting[0][1]]) if fitting else NO_PLAN


def _kept(message: pb.IncidentPlan, version: int, changed_at: datetime | None, review: store.ReviewRow | None) -> Kept:
    return Kept(message, version, changed_at, review.at if review else None, review.reviewed_by if review else "")


def read(definition: Mapping[str, object]) -> pb.IncidentPlan:
    """A plan as it is stored."""
    return json_format.ParseDict(dict(definition), pb.IncidentPlan(), ignore_unknown_fields=True)


def understood(message: pb.IncidentPlan, version: int) -> Plan:
    """A plan as decisions need it."""
    roles = {role.key: RolePlan(role.title or role.key, tuple(role.expectations)) for role in message.roles}
    return Plan(
        name=message.name,
        version=version,
        phases={Phase(each.phase): _phase(each) for each in message.phases if int(each.phase) in PHASES},
        roles=roles if COMMANDER in roles else {**NO_PLAN.roles, **roles},
        cadence={each.severity: each.every.ToTimedelta() for each in message.cadence},
        commander_acknowledges=message.commander_acknowledges,
        review_days=message.review_days or USUAL_REVIEW_DAYS,
    )


def _phase(message: pb.PhasePlan) -> PhasePlan:
    return PhasePlan(
        goal=message.goal,
        entry=tuple(_criterion(each) for each in message.entry if int(each.kind) in KINDS),
        exit=tuple(_criterion(each) for each in message.exit if int(each.kind) in KINDS),
        checklist={item.key: item.text for item in message.checklist},
        questions={question.key: question.text for question in message.questions},
        tasks=tuple(_task(each) for each in message.tasks),
        playbooks=tuple(_runs(message)),
    )


def _criterion(message: pb.Criterion) -> Criterion:
    return Criterion(message.key, Looked(message.kind), message.subject, message.text, message.mandatory)


def _runs(message: pb.PhasePlan) -> Iterator[PlannedRun]:
    """Each playbook once: of one that is named both ways, what is said of it."""
    said = {each.playbook for each in message.runs}
    yield from (PlannedRun(name) for name in message.playbooks if name not in said)
    yield from (PlannedRun(each.playbook, each.start, dict(each.variables)) for each in message.runs)


def _task(message: pb.PlannedTask) -> PlannedTask:
    due: timedelta | None = message.due_after.ToTimedelta() if message.HasField("due_after") else None
    before = message.remind_before.ToTimedelta() if message.HasField("remind_before") else None
    return PlannedTask(message.title, message.description, message.role, due, before)
