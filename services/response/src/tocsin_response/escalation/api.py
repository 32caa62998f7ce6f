"""EscalationService: requests become commands, answers become messages."""

from datetime import timedelta

from tocsin.response.v1 import escalation_pb2 as escalation_pb
from tocsin.response.v1 import escalation_service_pb2 as pb
from tocsin.response.v1.escalation_service_pb2_grpc import EscalationServiceServicer
from tocsin.triage.v1.incident_pb2 import Severity

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.errors import ManyInvalid
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.inbox import once
from tocsin_response.escalation.audit import Finding
from tocsin_response.escalation.auditor import Auditor
from tocsin_response.escalation.by_hand import ByHand, Wish
from tocsin_response.escalation.checks import problems_of_policy
from tocsin_response.escalation.definition import Target
from tocsin_response.escalation.definition_wire import target_of, urgency_to_proto
from tocsin_response.escalation.simulations import Answer, Question, Simulations, Told
from tocsin_response.escalation.wire import escalation_to_proto, summons_to_proto
from tocsin_response.oncall.wire import instant, text, timestamp

A_DAY = timedelta(days=1)


class EscalationApi(EscalationServiceServicer):
    """The RPCs about escalations."""

    def __init__(self, database: Database, by_hand: ByHand, simulations: Simulations, auditor: Auditor) -> None:
        self._database = database
        self._by_hand = by_hand
        self._simulations = simulations
        self._auditor = auditor

    async def EscalateNow(self, request: pb.EscalateNowRequest, context: Context) -> pb.EscalateNowResponse:
        wish = _wish(request.incident_id, "reason", request.reason)
        number = request.step_number - 1 if request.step_number else None
        async with self._database.transaction() as tx:

            async def make() -> pb.EscalateNowResponse:
                escalation, summonses = await self._by_hand.escalate(tx, wish, number)
                return pb.EscalateNowResponse(
                    escalation=escalation_to_proto(escalation), summonses=[summons_to_proto(each) for each in summonses]
                )

            return await once(tx, "EscalateNow", text("request_id", request.request_id), pb.EscalateNowResponse, make)

    async def Reassign(self, request: pb.ReassignRequest, context: Context) -> pb.ReassignResponse:
        wish = _wish(request.incident_id, "reason", request.reason)
        to: Target | str = (
            target_of(request.target) if request.WhichOneof("to") == "target" else text("escalation_policy", request.escalation_policy)
        )
        async with self._database.transaction() as tx:

            async def make() -> pb.ReassignResponse:
                escalation, summonses = await self._by_hand.reassign(tx, wish, to)
                return pb.ReassignResponse(
                    escalation=escalation_to_proto(escalation), summonses=[summons_to_proto(each) for each in summonses]
                )

            return await once(tx, "Reassign", text("request_id", request.request_id), pb.ReassignResponse, make)

    async def AddResponder(self, request: pb.AddResponderRequest, context: Context) -> pb.AddResponderResponse:
        wish = _wish(request.incident_id, "message", request.message)
        async with self._database.transaction() as tx:

            async def make() -> pb.AddResponderResponse:
                summonses = await self._by_hand.add(tx, wish, target_of(request.target))
                return pb.AddResponderResponse(summonses=[summons_to_proto(each) for each in summonses])

            return await once(tx, "AddResponder", text("request_id", request.request_id), pb.AddResponderResponse, make)

    async def AnswerSummons(self, request: pb.AnswerSummonsRequest, context: Context) -> pb.AnswerSummonsResponse:
        answer = escalation_pb.Summons.Answer.Name(request.answer).removeprefix("ANSWER_")
        async with self._database.transaction() as tx:
            summons = await self._by_hand.answer(tx, request.summons_id, answer, text("reason", request.reason))
        return pb.AnswerSummonsResponse(summons=summons_to_proto(summons))

    async def StopEscalation(self, request: pb.StopEscalationRequest, context: Context) -> pb.StopEscalationResponse:
        async with self._database.transaction() as tx:
            escalation = await self._by_hand.stop(tx, _wish(request.incident_id, "reason", request.reason))
        return pb.StopEscalationResponse(escalation=escalation_to_proto(escalation))

    async def ConfirmAcknowledgement(
        self, request: pb.ConfirmAcknowledgementRequest, context: Context
    ) -> pb.ConfirmAcknowledgementResponse:
        async with self._database.transaction() as tx:
            expires_at = await self._by_hand.confirm(tx, request.incident_id)
        return pb.ConfirmAcknowledgementResponse(expires_at=timestamp(expires_at))

    async def SimulateEscalation(self, request: pb.SimulateEscalationRequest, context: Context) -> pb.SimulateEscalationResponse:
        definition = request.definition if request.HasField("definition") else None
        problems = problems_of_policy("definition", definition) if definition is not None else []
        if problems:
            raise ManyInvalid(problems)
        question = Question(
            text("escalation_policy", request.escalation_policy),
            definition,
            text("team", request.team),
            request.severity or Severity.SEVERITY_SEV3,
            instant("at", request.at) if request.HasField("at") else None,
        )
        return _simulated(await self._simulations.run(question))

    async def AuditTimers(self, request: pb.AuditTimersRequest, context: Context) -> pb.AuditTimersResponse:
        window = request.window.ToTimedelta() if request.HasField("window") else A_DAY
        audited = await self._auditor.audit(window)
        return pb.AuditTimersResponse(
            escalations=audited.escalations, expected=audited.expected, findings=[_finding(each) for each in audited.findings]
        )


def _wish(incident_id: str, field: str, why: str) -> Wish:
    return Wish(incident_id, caller().name, text(field, why))


def _simulated(answer: Answer) -> pb.SimulateEscalationResponse:
    return pb.SimulateEscalationResponse(
        summonses=[_simulated_summons(told) for told in answer.told if told.summoned is not None],
        remarks=[pb.SimulatedRemark(at=timestamp(told.at), text=told.text) for told in answer.told if told.summoned is None],
        escalation_policy=answer.policy,
        ends_at=timestamp(answer.ends_at),
    )


def _simulated_summons(told: Told) -> pb.SimulatedSummons:
    summoned = told.summoned
    assert summoned is not None
    return pb.SimulatedSummons(
        at=timestamp(told.at),
        responder=summoned.responder,
        contact=summoned.contact,
        urgency=urgency_to_proto(summoned.urgency),
        step=summoned.step,
        round=summoned.round,
        reason=summoned.reason.value,
        explanation=summoned.explanation,
    )


def _finding(found: Finding) -> pb.TimerFinding:
    return pb.TimerFinding(
        kind=pb.TimerFinding.Kind.Value(f"KIND_{found.flaw.value}"),
        incident_id=found.incident_id,
        escalation_id=found.escalation_id,
        due_at=timestamp(found.due_at),
        fired_at=timestamp(found.fired_at),
        text=found.text,
    )
