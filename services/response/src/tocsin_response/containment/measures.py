"""The ledger of measures: what playbooks and people did, what lifts it, and what its time lifts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from tocsin.response.v1.containment_events_pb2 import MeasureLost
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.paging import decode, encode, page_size
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Invalid, NotFound
from tocsin_kernel.ids import Ids
from tocsin_response.containment import store, wire
from tocsin_response.containment.measure import Applied, Measure, MeasureNotFound, TargetKind, Verification
from tocsin_response.escalation.store import lock_copy
from tocsin_response.oncall.requests import id_of

BATCH = 20
MOST_AWAITED = 1000


class IncidentNotFound(NotFound):
    reason = "INCIDENT_NOT_FOUND"
    message = "response has heard of no incident {incident}"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a step, or a person, did. `run_id` and `step_path` are empty for a person."""

    incident_id: str
    action: str
    connector: str
    target_kind: TargetKind
    target: str
    reason: str
    by: str
    until: datetime | None = None
    at: datetime | None = None
    verified: bool = False
    awaited: bool = False
    """True if the other side has only taken it on: it is effective once a look shows it."""
    finding: str = ""
    reversible: bool = False
    run_id: str = ""
    step_path: str = ""
    prior_state: Mapping[str, Any] | None = None
    assignment_id: str = ""
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found; `holds` None: it could not be looked at."""

    holds: bool | None
    finding: str


@dataclass(frozen=True, slots=True)
class Released:
    """What a playbook did that undoes an action at a target."""

    action: str
    target: str
    by: str
    reason: str
    simulated: bool


class Undo(Protocol):
    """What undoes measures."""

    async def undo(self, tx: Tx, measure: Measure, by: str, reason: str) -> str:
        """Begin to undo it; returns the run's id."""
        ...


class Prolonging(Protocol):
    """What has an end of its own for what measures do."""

    async def prolonged(self, tx: Tx, measure: Measure) -> None:
        """The measure has another end."""
        ...


class Looking(Protocol):
    """What looks whether measures hold."""

    async def look(self, tx: Tx, measure: Measure) -> None:
        """Have a runner look, unless one is at it."""
        ...


class Concerned(Protocol):
    """Whom to tell what becomes of measures."""

    async def by(self, tx: Tx, incident_id: str) -> tuple[Sequence[str], Incident | None]:
        """Responders by name, and the incident as it was last heard of."""
        ...


class Measures:
    """The ledger. Until `undo` is set, what is lifted waits for a person; until `looking` is, nobody looks again."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self.undo: Undo | None = None
        self.prolonging: Prolonging | None = None
        self.looking: Looking | None = None
        self.concerned: Concerned | None = None

    async def applied(self, tx: Tx, taken: Taken) -> Measure:
        """Enter what a step did, in the transaction that keeps its result. The same step enters it once."""
        now = self._clock.now()
        measure = Measure(
            id=self._ids.new(),
            incident_id=taken.incident_id,
            action=taken.action,
            connector=taken.connector,
            target_kind=taken.target_kind,
            target=taken.target,
            reason=taken.reason,
            applied_by=taken.by,
            applied_at=taken.at or now,
            until=taken.until,
            verified_at=now if taken.verified else None,
            verification=_verification(taken),
            finding=taken.finding,
            reversible=taken.reversible,
            run_id=taken.run_id,
            step_path=taken.step_path,
            prior_state=taken.prior_state,
            assignment_id=taken.assignment_id,
            simulated=taken.simulated,
        ).watched(now)
        if await store.insert_measure(tx, measure):
            await self._tell(tx, Decision(measure, (Applied(measure),)))
            return measure
        for known in await store.of_assignment(tx, taken.assignment_id) if taken.assignment_id else []:
            decision = known.seen(taken.finding, now) if taken.verified else known.not_seen_yet(taken.finding)
            await self._save(tx, known, decision)
        return measure

    async def not_verified(self, tx: Tx, assignment_id: str, finding: str) -> None:
        """What an assignment had done was taken on, and nobody looks any more."""
        for measure in await store.of_assignment(tx, assignment_id):
            await self._save(tx, measure, measure.not_verified(finding, self._clock.now()))

    async def awaited_runs(self, tx: Tx) -> list[str]:
        """The runs of which something was only taken on."""
        return await store.awaited_runs(tx, MOST_AWAITED)

    async def run_ended(self, tx: Tx, run_id: str) -> None:
        """A run ended: what it only had taken on is not looked at any more."""
        for measure in await store.awaited_of_run(tx, run_id):
            finding = f"the run ended before it was seen: {measure.finding}"
            await self._save(tx, measure, measure.not_verified(finding, self._clock.now()))

    async def taken_back(self, tx: Tx, run_id: str, action: str, target: str, reason: str) -> None:
        """A run took back what one of its steps had done."""
        for measure in await store.of_run(tx, run_id, action, target):
            await self._save(tx, measure, measure.lifted(measure.applied_by, reason, self._clock.now()))

    async def released(self, tx: Tx, incident_id: str, released: Released) -> None:
        """A playbook did what undoes this action at this target, for the same incident. An exercise releases nothing real."""
        if not incident_id:
            return
        for measure in await store.of_target(tx, incident_id, released.action, released.target, simulated=released.simulated):
            await self._save(tx, measure, measure.lifted(released.by, released.reason, self._clock.now()))

    async def undo_ended(self, tx: Tx, assignment_id: str, lifted: bool, explanation: str) -> None:
        """A runner has tried to undo what an assignment had done."""
        for measure in await store.of_assignment(tx, assignment_id):
            decision = measure.lifted("", "", self._clock.now()) if lifted else measure.not_lifted(explanation)
            await self._save(tx, measure, decision)

    async def record(self, tx: Tx, taken: Taken) -> Measure:
        """Enter what a person did by hand. Raises IncidentNotFound, Invalid."""
        now = self._clock.now()
        if taken.until is not None and taken.until <= now:
            raise Invalid(field="until", detail="must be later than now")
        if taken.at is not None and taken.at > now:
            raise Invalid(field="applied_at", detail="must not be later than now")
        if await lock_copy(tx, taken.incident_id) is None:
            raise IncidentNotFound(incident=taken.incident_id)
        return await self.applied(tx, taken)

    async def lift(self, tx: Tx, measure_id: str, by: str, reason: str) -> Measure:
        """Have it undone. Raises MeasureNotFound."""
        measure = await _locked(tx, measure_id)
        return await self._lift(tx, measure, measure.lift(by, reason), by)

    async def confirm_lifted(self, measure_id: str, by: str, reason: str) -> Measure:
        """Somebody undid it by hand. Raises MeasureNotFound."""
        async with self._database.transaction() as tx:
            measure = await _locked(tx, measure_id)
            return await self._save(tx, measure, measure.lifted(by, reason, self._clock.now()))

    async def keep(self, measure_id: str, by: str, reason: str) -> Measure:
        """Decide that it stays. Raises MeasureNotFound, MeasureNotInForce."""
        async with self._database.transaction() as tx:
            measure = await _locked(tx, measure_id)
            return await self._save(tx, measure, measure.keep(by, reason, self._clock.now()))

    async def prolong(self, measure_id: str, until: datetime | None, by: str) -> Measure:
        """Another end, or none. Raises MeasureNotFound, MeasureNotInForce, Invalid."""
        now = self._clock.now()
        if until is not None and until <= now:
            raise Invalid(field="until", detail="must be later than now; to end it now, lift it")
        async with self._database.transaction() as tx:
            measure = await _locked(tx, measure_id)
            after = await self._save(tx, measure, measure.prolong(until, by, now))
            if after != measure and self.prolonging is not None:
                await self.prolonging.prolonged(tx, after)
            return after

    async def report(self, measure_id: str, *, holds: bool, finding: str) -> Measure:
        """Somebody looked. Raises MeasureNotFound, MeasureNotInForce."""
        async with self._database.transaction() as tx:
            measure = await _locked(tx, measure_id)
            return await self._save(tx, measure, measure.report(holds=holds, finding=finding, now=self._clock.now()))

    async def get(self, measure_id: str) -> Measure:
        """Raises MeasureNotFound."""
        async with self._database.transaction() as tx:
            return await _locked(tx, measure_id)

    async def listed(self, incident_id: str, in_force_only: bool, size: int, token: str) -> tuple[list[Measure], str]:
        """A page, newest first, and the token of the next one."""
        limit = page_size(size)
        before = id_of(decode(token, 1)[0]) if token else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_measures(tx, incident_id or None, in_force_only, before, limit + 1)
        return found[:limit], encode(found[limit - 1].id) if len(found) > limit else ""

    async def of_incident(self, tx: Tx, incident_id: str) -> list[Measure]:
        """All that is not lifted, for phase gates; newest first."""
        return await store.list_measures(tx, incident_id, True, None, 500)

    async def expire_due(self) -> int:
        """Begin to lift every measure whose time is up; returns how many there were."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            due = await store.claim_expired(tx, now, BATCH)
            for measure in due:
                await self._lift(tx, measure, measure.expire(now), "")
        return len(due)

    async def look_due(self) -> int:
        """Have a runner look at every measure that is to be looked at again; returns how many there were."""
        async with self._database.transaction() as tx:
            due = await store.claim_looks(tx, self._clock.now(), BATCH)
            for measure in due:
                await self._look(tx, measure)
        return len(due)

    async def verify(self, measure_id: str) -> Measure:
        """Have a runner look now. Raises MeasureNotFound, MeasureNotInForce, NothingToLookAt."""
        async with self._database.transaction() as tx:
            return await self._look(tx, await _locked(tx, measure_id))

    async def looked(self, tx: Tx, assignment_id: str, look: Look) -> None:
        """A runner has looked, or could not."""
        now = self._clock.now()
        for measure in await store.of_assignment(tx, assignment_id):
            match look.holds:
                case True:
                    decision = measure.holds(look.finding, now)
                case False:
                    decision = measure.missing(look.finding, now)
                case None:
                    decision = measure.not_looked_at(look.finding, now)
            await self._save(tx, measure, decision)

    async def _look(self, tx: Tx, measure: Measure) -> Measure:
        after = await self._save(tx, measure, Decision(measure.looked_at()))
        if self.looking is not None:
            await self.looking.look(tx, after)
        return after

    async def _lift(self, tx: Tx, before: Measure, decision: Decision[Measure], by: str) -> Measure:
        after = decision.state
        if after != before and after.reversible and self.undo is not None:
            after = after.undone_by(await self.undo.undo(tx, after, by, after.decision))
            decision = Decision(after, decision.facts, decision.reason)
        return await self._save(tx, before, decision)

    async def _save(self, tx: Tx, before: Measure, decision: Decision[Measure]) -> Measure:
        if decision.state != before:
            await store.save_measure(tx, decision.state)
            await self._tell(tx, decision)
        return decision.state

    async def _tell(self, tx: Tx, decision: Decision[Measure]) -> None:
        measure = decision.state
        for fact in decision.facts:
            message = wire.fact_to_proto(fact)
            if isinstance(message, MeasureLost) and self.concerned is not None and measure.incident_id:
                names, incident = await self.concerned.by(tx, measure.incident_id)
                message.tell.extend(names)
                message.incident.CopyFrom(incident or Incident())
            tx.emit(message, aggregate=measure.incident_id or measure.id, version=measure.version)


async def _locked(tx: Tx, measure_id: str) -> Measure:
    found = await store.load_measure(tx, measure_id)
    if found is None:
        raise MeasureNotFound(measure=measure_id)
    return found


def _verification(taken: Taken) -> Verification:
    if taken.verified:
        return Verification.EFFECTIVE
    return Verification.AWAITED if taken.awaited else Verification.NONE
