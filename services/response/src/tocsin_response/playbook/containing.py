"""What runs have to do with containment and evidence: rails before an act, the ledgers after it, and playbooks that automations start."""

import logging
from collections.abc import Sequence
from datetime import UTC, timedelta

from tocsin.response.v1.runner_service_pb2 import Assignment, Outcome
from tocsin.response.v1.runner_service_pb2 import Finding as WireFinding

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import DomainError
from tocsin_playbook.catalogue import ACTIONS
from tocsin_playbook.run import RunState, SlotState
from tocsin_response.automation.automations import RunWish
from tocsin_response.containment.measure import Measure
from tocsin_response.containment.measures import Look, Measures, Released, Taken
from tocsin_response.evidence.custody import Custody, Finding
from tocsin_response.evidence.item import Collected
from tocsin_response.guard.guards import Guards
from tocsin_response.guard.rails import Act
from tocsin_response.oncall.wire import instant
from tocsin_response.playbook import run_store
from tocsin_response.playbook.asking import Incidents
from tocsin_response.playbook.deeds import Deed, deed_of, plain
from tocsin_response.playbook.guard import Refusal
from tocsin_response.playbook.reports import Done
from tocsin_response.playbook.runs import Runs, StartWish
from tocsin_response.playbook.undoing import Undoing, lifted_assignment, look_again, looked_assignment

log = logging.getLogger(__name__)

# What was taken on and is not effective yet is looked at again after this time, unless the runner says when.
LOOK_AGAIN = timedelta(seconds=30)


# What a look that ended in these ways says of a measure; any other says nothing.
_HOLDS = {Outcome.STATE_SUCCEEDED: True, Outcome.STATE_ALREADY_IN_STATE: True, Outcome.STATE_FAILED: False}


class Rails:
    """Asks the guard rails before a runner gets a step. In an exercise nothing real is touched, and nothing counted."""

    def __init__(self, clock: Clock, guards: Guards, incidents: Incidents) -> None:
        self._clock = clock
        self._guards = guards
        self._incidents = incidents

    async def allow(self, tx: Tx, assignment: Assignment) -> Refusal | None:
        """See Guard."""
        deed = deed_of(assignment, self._clock.now())
        if deed is not None and deed.flaw and assignment.verb == Assignment.VERB_EXECUTE and not assignment.look_first:
            return Refusal(f"until: {deed.flaw}")
        if deed is None or assignment.simulated:
            return None
        incident = await self._incidents.copy(tx, assignment.incident_id) if assignment.incident_id else None
        act = Act(deed.name, deed.kind, deed.target, incident.severity if incident is not None else 0)
        why = await self._guards.allow(tx, act, assignment.run_id, assignment.step_path, assignment.incident_id)
        return Refusal(why) if why else None


class Ledger:
    """Enters what a step changed, and what a run took back. What an exercise changed at a simulated twin is entered as such."""

    def __init__(self, clock: Clock, measures: Measures) -> None:
        self._clock = clock
        self._measures = measures

    async def done(self, tx: Tx, done: Sequence[Done]) -> None:
        """See Effects."""
        for each in done:
            if lifted := lifted_assignment(each.assignment.step_path):
                await self._lifting_ended(tx, lifted, each.outcome)
            elif looked := looked_assignment(each.assignment.step_path):
                await self._measures.looked(tx, looked, Look(_HOLDS.get(each.outcome.state), each.outcome.explanation))
            elif each.outcome.state == Outcome.STATE_SUCCEEDED:
                await self._enter(tx, each)
            else:
                await self._not_seen(tx, each)

    async def _not_seen(self, tx: Tx, done: Done) -> None:
        """It was taken on; or it was before, and is not looked at any more."""
        outcome, slot = done.outcome, done.slot
        if done.assignment.verb == Assignment.VERB_UNDO:
            return
        if outcome.state == Outcome.STATE_ACCEPTED and slot is not None and slot.state is SlotState.OPEN:
            await self._enter(tx, done)
        elif slot is None or slot.state is not SlotState.OPEN or slot.attempt != done.assignment.attempt:
            told = slot.explanation if slot is not None and slot.explanation else outcome.explanation
            await self._measures.not_verified(tx, outcome.lease.assignment_id, told)

    async def _enter(self, tx: Tx, done: Done) -> None:
        deed = deed_of(done.assignment, self._clock.now())
        if deed is None or deed.action is None:
            return
        why = f"playbook {done.run.playbook} took it back"
        if done.assignment.verb == Assignment.VERB_UNDO:
            await self._measures.taken_back(tx, done.run.id, deed.name, deed.target, why)
            return
        if deed.action.timed:
            await self._measures.applied(tx, _taken(done, deed))
        for other in ACTIONS.values() if done.outcome.state == Outcome.STATE_SUCCEEDED else ():
            if other.timed and other.undo == deed.name:
                released = Released(other.name, deed.target, done.run.started_by, why, done.run.simulated)
                await self._measures.released(tx, done.run.incident_id, released)

    async def _lifting_ended(self, tx: Tx, assignment_id: str, outcome: Outcome) -> None:
        if outcome.state == Outcome.STATE_ACCEPTED:
            again = outcome.look_again_at.ToDatetime(UTC) if outcome.HasField("look_again_at") else self._clock.now() + LOOK_AGAIN
            await look_again(tx, outcome.lease.assignment_id, again)
            return
        lifted = outcome.state in (Outcome.STATE_SUCCEEDED, Outcome.STATE_ALREADY_IN_STATE)
        await self._measures.undo_ended(tx, assignment_id, lifted, outcome.explanation)


def _taken(done: Done, deed: Deed) -> Taken:
    return Taken(
        incident_id=done.run.incident_id,
        action=deed.name,
        connector=deed.connector,
        target_kind=deed.kind,
        target=deed.target,
        reason=deed.reason or done.run.reason or f"playbook {done.run.playbook}",
        by=done.run.started_by,
        until=deed.until,
        verified=done.outcome.verified,
        awaited=done.outcome.state == Outcome.STATE_ACCEPTED,
        finding=done.slot.explanation if done.slot is not None else done.outcome.explanation,
        reversible=done.outcome.HasField("undo_token"),
        run_id=done.run.id,
        step_path=done.assignment.step_path,
        prior_state=plain(done.prior_state),
        assignment_id=done.outcome.lease.assignment_id,
        simulated=done.run.simulated,
    )


class Unseen:
    """What was taken on, and whose run ended before it was seen to be effective: by a timeout, or by somebody who cancelled it."""

    def __init__(self, database: Database, measures: Measures) -> None:
        self._database = database
        self._measures = measures

    async def settle(self) -> int:
        """Say of each that nobody looks any more; returns how many there were."""
        async with self._database.transaction() as tx:
            runs = await run_store.load(tx, await self._measures.awaited_runs(tx))
            ended = [run.id for run in runs if RunState[run.state].final]
            for run_id in ended:
                await self._measures.run_ended(tx, run_id)
        return len(ended)


class Lifting:
    """Measures that playbooks took are undone by runners, and looked at by them."""

    def __init__(self, undoing: Undoing) -> None:
        self._undoing = undoing

    async def undo(self, tx: Tx, measure: Measure, by: str, reason: str) -> str:
        """See Undo."""
        return await self._undoing.undo(tx, measure.assignment_id)

    async def look(self, tx: Tx, measure: Measure) -> None:
        """See Looking."""
        await self._undoing.look(tx, measure.assignment_id)


class Evidence:
    """Enters what steps brought home. What cannot be entered fails no step: it was done all the same."""

    def __init__(self, custody: Custody) -> None:
        self._custody = custody

    async def done(self, tx: Tx, done: Sequence[Done]) -> None:
        """See Effects."""
        for each in done:
            for finding in each.outcome.findings:
                if finding.evidence and each.run.incident_id:
                    await self._enter(tx, each, finding)

    async def _enter(self, tx: Tx, done: Done, finding: WireFinding) -> None:
        outcome = done.outcome
        collected = Collected(
            incident_id=done.run.incident_id,
            name=finding.name,
            media_type=finding.media_type,
            source=finding.source,
            tool=finding.tool,
            command=done.assignment.step_path,
            collector=f"playbook {done.run.playbook}",
            started_at=instant("started_at", outcome.started_at) if outcome.HasField("started_at") else None,
            ended_at=instant("ended_at", outcome.ended_at) if outcome.HasField("ended_at") else None,
            run_id=done.run.id,
        )
        try:
            async with tx.savepoint():
                await self._custody.collect(tx, Finding(collected, finding.content, finding.sha256), done.run.started_by)
        except DomainError as problem:
            log.error("run %s: evidence %s cannot be entered: %s", done.run.id, finding.name, problem)


class Starting:
    """Starts the playbooks of automations."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs

    async def start_playbook(self, tx: Tx, wish: RunWish) -> str:
        """See Starter."""
        started = StartWish(
            playbook=wish.playbook,
            started_by=wish.by,
            variables=dict(wish.variables),
            incident_id=wish.incident_id,
            reason=wish.reason,
        )
        return (await self._runs.start(tx, started)).id
