"""Facts of response, triage and detection, translated."""

from collections.abc import Sequence
from datetime import UTC, timedelta
from itertools import groupby
from typing import Any

from opentelemetry.trace import SpanKind
from tocsin.detection.v1.noise_events_pb2 import SilenceExpiring
from tocsin.response.v1.command_events_pb2 import TaskDue, UpdateDue
from tocsin.response.v1.containment_events_pb2 import MeasureLost
from tocsin.response.v1.events_pb2 import (
    ContactSummoned,
    DutyChanged,
    EscalationExhausted,
    EscalationStopped,
    HandoffDue,
    ResponderSummoned,
)
from tocsin.response.v1.obligation_events_pb2 import ObligationDue
from tocsin.response.v1.playbook_events_pb2 import ApprovalDenied, ApprovalGranted, ApprovalSought, ApprovalWithdrawn
from tocsin.response.v1.playbook_pb2 import Question as WireQuestion
from tocsin.triage.v1.events_pb2 import (
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUnacknowledged,
    PrivacyChanged,
    SeverityChanged,
)

from tocsin_chassis.events.consumer import Together, handling
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.postgres.privacy import note_privacy
from tocsin_chassis.telemetry import name_incident, trace_context, tracer
from tocsin_communication.contacts import reachability_store
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incidents import Incidents
from tocsin_communication.pages.message import Question, handoff, measure_lost, obligation, one_line, silence_ends, task_due, update_due
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.pages import Pages
from tocsin_communication.pages.questions import Questions
from tocsin_communication.pages.summonses import Asked, Summoned, Summonses
from tocsin_communication.rules.personal import Urgency
from tocsin_communication.wire import to_incident, urgency_of
from tocsin_kernel.clock import Clock

INCIDENTS = (
    IncidentOpened,
    SeverityChanged,
    IncidentAcknowledged,
    IncidentUnacknowledged,
    IncidentResolved,
    IncidentReopened,
    PrivacyChanged,
)
# A summons of a contact that is nobody's own says which; both are pages.
SUMMONED = (ResponderSummoned, ContactSummoned)

# A question of a run that needs no answer any more.
QUESTION_OVER = (ApprovalGranted, ApprovalDenied, ApprovalWithdrawn)
ON_DUTY = (DutyChanged, HandoffDue)
REMINDING = (ObligationDue, TaskDue, UpdateDue, MeasureLost)
FROM_RESPONSE = (*SUMMONED, EscalationStopped, EscalationExhausted, *ON_DUTY, *REMINDING, ApprovalSought, *QUESTION_OVER)
# How a question ended may quote what somebody gave as the reason.
LONGEST_HOW = 300
# From this part of its time on an obligation is urgent.
URGENT_PERCENT = 90
# A duty without an end is asked after again; one that begins soon lasts this long at least, as far as reachability goes.
LONG_DUTY = timedelta(days=30)
SHORTEST_DUTY = timedelta(days=1)


class Consumers:
    """What communication does when it hears something."""

    def __init__(self, clock: Clock, pages: Pages, summonses: Summonses, questions: Questions, incidents: Incidents) -> None:
        self._pages = pages
        self._summonses = summonses
        self._questions = questions
        self._incidents = incidents
        self._clock = clock

    @property
    def of_escalations(self) -> Together:
        """What response says: a step may ask fifty at once, and what one look can tell of all of them is looked at once. The summonses of
        services take turns, as their pages do."""
        return Together(FROM_RESPONSE, self.on_escalations, own_trace=False, turn=_queue)

    @property
    def of_incidents(self) -> Together:
        """What triage says. Most of it came along with a summons before, so that one look tells what is new of many."""
        return Together(INCIDENTS, self.on_incidents, own_trace=False)

    @property
    def of_silences(self) -> Together:
        """What detection says: a silence ends soon."""
        return Together((SilenceExpiring,), self.on_silences, own_trace=False)

    async def on_escalations(self, tx: Tx, facts: Sequence[Fact[Any]]) -> None:
        """Response wants people now: page them, together where their summonses follow one another. Or nobody is asked any more."""
        for kind, group in groupby(facts, key=lambda fact: SUMMONED if isinstance(fact.message, SUMMONED) else type(fact.message)):
            together = list(group)
            if kind is SUMMONED:
                await note_privacy(tx, [fact.message.incident for fact in together])
                await self._summonses.summon(tx, [_summoned(fact) for fact in together])
            elif kind is EscalationStopped:
                for fact in together:
                    with handling(fact):
                        await self._summonses.escalation_ended(tx, fact.message.escalation.id, fact.message.escalation.incident_id)
            elif isinstance(together[0].message, DutyChanged | HandoffDue):
                for fact in together:
                    with handling(fact):
                        await self._on_duty(tx, fact.message)
            elif isinstance(together[0].message, ObligationDue):
                for fact in together:
                    with handling(fact):
                        await self._on_obligation(tx, fact.message)
            elif isinstance(together[0].message, MeasureLost):
                for fact in together:
                    with handling(fact):
                        await self._on_lost(tx, fact.message)
            elif isinstance(together[0].message, TaskDue | UpdateDue):
                for fact in together:
                    with handling(fact):
                        await self._remind(tx, fact.message)
            elif isinstance(together[0].message, ApprovalSought | ApprovalGranted | ApprovalDenied | ApprovalWithdrawn):
                for fact in together:
                    with handling(fact):
                        await self._on_question(tx, fact.message)
            # Nobody answered: whom to tell of that is response's decision; there is nobody left to page here.

    async def _on_duty(self, tx: Tx, message: DutyChanged | HandoffDue) -> None:
        """Whose duty begins is looked at: can they be reached? Both sides of a handoff that comes are told."""
        if isinstance(message, DutyChanged):
            for duty in (duty for duty in message.duties if duty.responder):
                until = duty.until.ToDatetime(UTC) if duty.HasField("until") else message.at.ToDatetime(UTC) + LONG_DUTY
                await reachability_store.note_duty(tx, duty.responder, until)
            return
        at = message.at.ToDatetime(UTC)
        for name in message.coming:
            await reachability_store.note_duty(tx, name, at + SHORTEST_DUTY)
        await reachability_store.check_again(tx, list(message.coming))
        for name in dict.fromkeys([*message.coming, *message.going]):
            text = handoff(message.schedule, at, message.coming, message.going, name)
            await self._pages.notice(tx, Kind.HANDOFF, name, text, f"handoff of {message.schedule}")

    async def _on_obligation(self, tx: Tx, due: ObligationDue) -> None:
        """Whoever has the incident is reminded of what has to be told to others."""
        kept = due.obligation
        text = obligation(kept.regime, kept.title, kept.recipient, kept.due_at.ToDatetime(UTC), due.percent)
        urgency = Urgency.HIGH if due.percent >= URGENT_PERCENT else Urgency.LOW
        incident, why = await incident_store.incident(tx, kept.incident_id), f"{due.percent} % of the time of {kept.regime} is over"
        for name in due.remind:
            await self._pages.notice(tx, Kind.OBLIGATION, name, text, why, urgency, incident)

    async def _on_lost(self, tx: Tx, lost: MeasureLost) -> None:
        """What was done to contain an incident does not hold any more: whoever has the incident hears of it at once."""
        name_incident(lost.measure.incident_id)
        incident = None
        if lost.HasField("incident"):
            await note_privacy(tx, [lost.incident])
            incident = to_incident(lost.incident)
        text = measure_lost(lost.measure.action, lost.measure.target, lost.finding, lost.measure.id)
        for name in lost.tell:
            await self._pages.notice(tx, Kind.REMINDER, name, text, "has the incident", Urgency.HIGH, incident)

    async def _remind(self, tx: Tx, due: TaskDue | UpdateDue) -> None:
        """Somebody has something to do for an incident; the page belongs to it, so that who may not know of one does not read it."""
        name_incident(due.incident.id)
        await note_privacy(tx, [due.incident])
        incident = to_incident(due.incident)
        if isinstance(due, TaskDue):
            due_at = due.task.due_at.ToDatetime(UTC) if due.task.HasField("due_at") else None
            text, why = task_due(incident, due.task.title, due_at, due.overdue), "owns a task"
        else:
            told_at = due.told_at.ToDatetime(UTC) if due.HasField("told_at") else None
            text, why = update_due(incident, told_at), "tells people how it goes"
        await self._pages.notice(tx, Kind.REMINDER, due.responder, text, why, incident=incident)

    async def _on_question(self, tx: Tx, told: ApprovalSought | ApprovalGranted | ApprovalDenied | ApprovalWithdrawn) -> None:
        """A run waits for people: they are asked. Or it does not wait any more."""
        match told:
            case ApprovalSought():
                incident = None
                if told.HasField("incident"):
                    await note_privacy(tx, [told.incident])
                    incident = to_incident(told.incident)
                await self._questions.seek(tx, _question(told), told.responders, incident)
            case ApprovalGranted():
                await self._questions.over(tx, told.question.id, one_line(told.question.explanation, LONGEST_HOW) or "it was approved")
            case ApprovalDenied():
                await self._questions.over(tx, told.question.id, one_line(told.question.explanation, LONGEST_HOW) or "it was denied")
            case ApprovalWithdrawn():
                await self._questions.over(tx, told.question.id, "the run does not need it any more")

    async def on_silences(self, tx: Tx, facts: Sequence[Fact[SilenceExpiring]]) -> None:
        """Whoever made a silence hears that it ends, unless that is too late to matter. Programs that make silences have no contact."""
        for fact in facts:
            silence = fact.message.silence
            ends_at = silence.ends_at.ToDatetime(UTC)
            if silence.created_by and ends_at > self._clock.now():
                with handling(fact):
                    text = silence_ends(silence.matchers, ends_at, silence.held, silence.comment)
                    await self._pages.notice(tx, Kind.REMINDER, silence.created_by, text, "made the silence")

    async def on_incidents(self, tx: Tx, facts: Sequence[Fact[Any]]) -> None:
        """Incidents changed: keep the copies, drop what is pointless now, tell who was told; each in the trace of its fact."""
        await note_privacy(tx, [fact.message.incident for fact in facts])
        news = await self._incidents.news(tx, [to_incident(fact.message.incident) for fact in facts])
        traces = {(fact.message.incident.id, fact.message.incident.version): fact.traceparent for fact in facts}
        for incident in news:
            context = trace_context({"traceparent": traces[incident.id, incident.version]})
            with tracer.start_as_current_span("hear of incident", context=context, kind=SpanKind.CONSUMER):
                name_incident(incident.id)
                await self._incidents.hear(tx, incident)


def _question(told: ApprovalSought) -> Question:
    asked = told.question
    return Question(
        id=asked.id,
        approval=asked.kind == WireQuestion.KIND_APPROVAL,
        text=asked.text,
        step=asked.step_name,
        playbook=asked.playbook,
        quorum=asked.quorum,
        until=asked.expires_at.ToDatetime(UTC) if asked.HasField("expires_at") else None,
        why=told.why,
        simulated=told.simulated,
    )


def _queue(fact: Fact[Any]) -> str:
    """Whose turn it is: that of the service, where somebody is summoned because of one."""
    return fact.message.incident.service or fact.aggregate if isinstance(fact.message, SUMMONED) else fact.aggregate


def _summoned(fact: Fact[ResponderSummoned | ContactSummoned]) -> Summoned:
    summons = fact.message.summons
    asked = Asked(
        responder=summons.responder,
        summons_id=summons.id,
        explanation=summons.explanation or summons.reason,
        at=summons.at.ToDatetime(UTC),
        escalation_id=summons.escalation_id,
        urgency=urgency_of(summons.urgency),
        contact=summons.contact,
        stands=summons.stands_when_acknowledged,
        every_channel=summons.every_channel,
    )
    return Summoned(to_incident(fact.message.incident), asked, fact.traceparent)
