"""Asks people what a run waits for them for, and ends questions that the run went on without."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from tocsin.response.v1.playbook_events_pb2 import ApprovalDenied as DeniedFact
from tocsin.response.v1.playbook_events_pb2 import ApprovalGranted as GrantedFact
from tocsin.response.v1.playbook_events_pb2 import ApprovalSought as SoughtFact
from tocsin.response.v1.playbook_events_pb2 import ApprovalWithdrawn as WithdrawnFact
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids
from tocsin_playbook.facts import ApprovalSought, ManualSought, OutcomeUnknown
from tocsin_playbook.run import StepInstance, Wait
from tocsin_playbook.scope import scope
from tocsin_playbook.variables import filled
from tocsin_response.oncall.wire import timestamp
from tocsin_response.playbook import question_store
from tocsin_response.playbook.addressees import Addressees
from tocsin_response.playbook.keeping import Kept
from tocsin_response.playbook.question import Kind, Question, State
from tocsin_response.playbook.wire import question_to_proto

ASKS = (Wait.APPROVAL, Wait.MANUAL, Wait.UNKNOWN)
LONGEST_TEXT = 2000


class Incidents(Protocol):
    """What is known of incidents."""

    async def copy(self, tx: Tx, incident_id: str) -> Incident | None:
        """The newest that was heard of one."""
        ...


class Asking:
    """Keeps the questions of runs in step with them."""

    def __init__(self, clock: Clock, ids: Ids, addressees: Addressees, incidents: Incidents) -> None:
        self._clock = clock
        self._ids = ids
        self._addressees = addressees
        self._incidents = incidents

    async def follow(self, tx: Tx, before: Kept | None, after: Kept, facts: Sequence[object], *, by_timer: bool) -> None:
        """A run moved on: end the questions that nobody needs to answer any more, ask new ones."""
        if before is not None and any(_waits(each) and not _same(each, after) for each in before.run.steps.values()):
            for question in await question_store.open_of_run(tx, after.row.id):
                if not _still_asked(question, after):
                    await self._end(tx, question, after, by_timer)
        asked = [made for fact in facts if (made := self._question(after, fact)) is not None and _still_asked(made, after)]
        await question_store.insert(tx, asked)
        for question in asked:
            await self._tell_sought(tx, after, question)

    def tell_answered(self, tx: Tx, question: Question, by: str, version: int) -> None:
        """Tell how a question was decided."""
        well = question.state is State.GRANTED or (question.state is State.EXPIRED and question.approved_on_timeout)
        fact = (GrantedFact if well else DeniedFact)(
            question=question_to_proto(question), by=by, at=timestamp(question.ended_at or self._clock.now())
        )
        tx.emit(fact, aggregate=question.incident_id or question.run_id, version=version)

    async def _end(self, tx: Tx, question: Question, after: Kept, by_timer: bool) -> None:
        now = self._clock.now()
        expired = by_timer and question.expires_at is not None and question.expires_at <= now
        if expired:
            ended = question.expire(now)
            self.tell_answered(tx, ended, "", after.row.version)
        else:
            why = after.run.steps[question.path].result or "the run went on"
            ended = question.withdraw(why, now)
            told = WithdrawnFact(question=question_to_proto(ended), reason=why, at=timestamp(now))
            tx.emit(told, aggregate=question.incident_id or question.run_id, version=after.row.version)
        await question_store.save(tx, ended)

    def _question(self, kept: Kept, fact: object) -> Question | None:
        match fact:
            case ApprovalSought():
                made = self._made(kept, fact.path, Kind.APPROVAL, _what(kept, fact.path), fact.until)
                approval = kept.run.step(kept.run.steps[fact.path]).options.approval
                on_timeout = approval.approve_on_timeout if approval is not None else False
                return replace(made, roles=fact.roles, quorum=fact.quorum, approved_on_timeout=on_timeout)
            case ManualSought():
                made = self._made(kept, fact.path, Kind.MANUAL, fact.text, fact.until)
                return replace(made, out_args=fact.out_args, roles=_agents(kept, fact.agent))
            case OutcomeUnknown():
                text = f"What became of it? {fact.why}" if fact.why else "What became of it?"
                return self._made(kept, fact.path, Kind.OUTCOME, text, kept.run.steps[fact.path].deadline)
            case _:
                return None

    def _made(self, kept: Kept, path: str, kind: Kind, text: str, until: datetime | None) -> Question:
        return Question(
            id=self._ids.new(),
            run_id=kept.row.id,
            incident_id=kept.row.incident_id,
            playbook=kept.row.playbook,
            path=path,
            step_name=kept.run.step(kept.run.steps[path]).title,
            kind=kind,
            text=text[:LONGEST_TEXT],
            asked_at=self._clock.now(),
            requester=kept.row.started_by,
            expires_at=until,
            simulated=kept.row.simulated,
        )

    async def _tell_sought(self, tx: Tx, kept: Kept, question: Question) -> None:
        incident = await self._incidents.copy(tx, question.incident_id) if question.incident_id else None
        told = await self._addressees.of(tx, question, incident)
        fact = SoughtFact(
            question=question_to_proto(question),
            responders=told.responders,
            incident=incident,
            at=timestamp(question.asked_at),
            why=told.why,
            simulated=kept.row.simulated,
        )
        tx.emit(fact, aggregate=question.incident_id or question.run_id, version=kept.row.version)


def _waits(instance: StepInstance) -> bool:
    return instance.waiting_for in ASKS and not instance.state.ended


def _same(instance: StepInstance, after: Kept) -> bool:
    now = after.run.steps.get(instance.path)
    return now is not None and not now.state.ended and now.waiting_for is instance.waiting_for and now.attempt == instance.attempt


def _still_asked(question: Question, after: Kept) -> bool:
    instance = after.run.steps.get(question.path)
    if instance is None or instance.state.ended:
        return False
    return instance.waiting_for is {Kind.APPROVAL: Wait.APPROVAL, Kind.MANUAL: Wait.MANUAL, Kind.OUTCOME: Wait.UNKNOWN}[question.kind]


def _what(kept: Kept, path: str) -> str:
    """What would be done, and to what, for people."""
    step = kept.run.step(kept.run.steps[path])
    values = {name: each.value for name, each in scope(kept.run, path).items() if each.value is not None}
    said = [str(filled(step.description, values))] if step.description else []
    targets = ", ".join(str(kept.run.playbook.targets.get(each, {}).get("name") or each) for each in step.targets)
    for command in step.commands:
        what = str(command.get("action") or command.get("command") or command.get("type"))
        arguments = command.get("arguments") or {}
        filled_in = ", ".join(f"{name} {filled(value, values)}" for name, value in arguments.items())
        said.append(" ".join(filter(None, [str(filled(what, values)), filled_in])) + (f" at {targets}" if targets else ""))
    return "; ".join(said) or step.title


def _agents(kept: Kept, agent: str) -> tuple[str, ...]:
    """Who does something by hand: the person or team that the playbook names, by name."""
    found = kept.run.playbook.agents.get(agent, {})
    name = str(found.get("name") or "")
    return (name,) if name and found.get("type") in ("individual", "group", "team") else ()
