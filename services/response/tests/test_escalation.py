"""Deeper escalation on real servers: conditions, turns, several acknowledgements, timeouts, commands by hand, simulation, audit."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1.events_pb2 import ReplyReceived
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.response.v1 import escalation_service_pb2 as pb
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.escalation_pb2 import (
    URGENCY_HIGH,
    URGENCY_LOW,
    AcknowledgeTimeout,
    BusinessHours,
    Condition,
    Escalation,
    EscalationPolicy,
    EscalationStep,
    Fallback,
    Summons,
    Target,
    UrgencyRule,
)
from tocsin.response.v1.escalation_service_pb2_grpc import EscalationServiceStub
from tocsin.response.v1.events_pb2 import (
    AcknowledgementCounted,
    AcknowledgementExpired,
    ContactSummoned,
    CoverageGapFound,
    EscalationRedirected,
    EscalationStopped,
    ResponderSummoned,
    SummonsAnswered,
)
from tocsin.response.v1.oncall_pb2 import Responder, Rotation, Schedule, Team, Window
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentOpened, IncidentResolved, IncidentUnacknowledged, SeverityChanged
from tocsin.triage.v1.incident_pb2 import Incident, Severity

from tocsin_chassis.events import consumer
from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.ids import uuid7
from tocsin_response.app import response
from tocsin_response.escalation.audit_command import AUDIT
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.world import World

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ALICE = Caller("alice", Role.ROLE_MANAGER)
INCIDENT = "01934000-0000-7000-8000-000000000001"
MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATIENCE = 30.0


class Stubs:
    """Both services of response, called as alice."""

    def __init__(self, world: World, app: Any) -> None:
        self.world = world
        self.response = world.stub(ResponseServiceStub, app, ALICE)
        self.escalation = world.stub(EscalationServiceStub, app, ALICE)

    async def apply(self, *policies: EscalationPolicy, **more: Any) -> None:
        """Four people, a team of three with a manager, a schedule, and these policies."""
        parts: dict[str, Any] = {
            "responders": [Responder(name=name, display_name=name.title()) for name in ("ann", "bob", "cid", "dan")],
            "teams": [Team(name="ops", members=["bob", "cid", "dan"], managers=["dan"], time_zone="Europe/Paris")],
            "schedules": [
                Schedule(
                    name="primary",
                    time_zone="UTC",
                    rotation=Rotation(
                        unit=Rotation.UNIT_WEEKLY, length=1, starts_on="2026-01-05", handoff_time="09:00", responders=["bob", "ann"]
                    ),
                )
            ],
            "escalation_policies": policies,
            "fallback": Fallback(responders=["cid"]),
        }
        configuration = response_pb.Configuration(**{**parts, **more})
        await self.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))

    async def listed(self, incident_id: str = INCIDENT) -> response_pb.ListEscalationsResponse:
        answer: response_pb.ListEscalationsResponse = await self.response.ListEscalations(
            response_pb.ListEscalationsRequest(incident_id=incident_id)
        )
        return answer


@pytest.fixture
async def stubs(world: World) -> AsyncIterator[Stubs]:
    world.clock = ManualClock(MONDAY_NOON)
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        yield Stubs(world, app)


def step(minutes: float, *targets: Target, **more: Any) -> EscalationStep:
    return EscalationStep(targets=targets, delay=Duration(seconds=int(60 * minutes)), **more)


def person(name: str) -> Target:
    return Target(responder=name)


OPS = Target(team="ops")


def incident(state: Any = Incident.STATE_OPEN, *, version: int = 1, **more: Any) -> Incident:
    kept = {"id": INCIDENT, "number": 1, "title": "Slow", "state": state, "escalation_policy": "p", "team": "ops", "version": version}
    return Incident(**{**kept, "severity": Severity.SEVERITY_SEV3, **more})


async def opened(world: World, **more: Any) -> None:
    about = incident(**more)
    about.opened_at.FromDatetime(world.clock.now())
    await world.publish(IncidentOpened(incident=about), about.id, about.version)


async def acknowledged(world: World, by: str, version: int, **more: Any) -> None:
    taken = incident(Incident.STATE_ACKNOWLEDGED, acknowledged_by=by, version=version, **more)
    await world.publish(IncidentAcknowledged(incident=taken), taken.id, version)


async def summoned(world: World, count: int) -> list[Summons]:
    return [fact.summons for fact in await world.facts(ResponderSummoned, count, PATIENCE)]


def policy(*steps: EscalationStep, **more: Any) -> EscalationPolicy:
    return EscalationPolicy(name="p", steps=steps, **more)


async def test_steps_without_delay_managers_neighbours_and_contacts(world: World, stubs: Stubs) -> None:
    """At once: who is on call, who is next; then the managers of the team and a chat room."""
    nobody_yet = Target(schedule="primary", turn=Target.TURN_NEXT)
    managers, room = Target(team="ops", part=Target.PART_MANAGERS), Target(contact="ops-room")
    await stubs.apply(policy(step(0, Target(schedule="primary")), step(5, nobody_yet), step(5, managers, room)))
    await opened(world)
    first = await summoned(world, 2)
    assert [(one.responder, one.step) for one in first] == [("bob", 0), ("ann", 1)]
    assert "schedule primary; Ann is next on call from 2026-11-30 09:00 UTC" in first[1].explanation
    world.clock.forward(5 * MINUTE)
    assert (await summoned(world, 3))[2].responder == "dan"
    [told] = await world.facts(ContactSummoned, 1, PATIENCE)
    assert (told.summons.contact, told.summons.responder, told.incident.title) == ("ops-room", "", "Slow")


async def test_urgency_and_way_depend_on_severity_and_business_hours(world: World, stubs: Stubs) -> None:
    office = BusinessHours(name="office", time_zone="Europe/Paris", windows=[Window(start="09:00", end="17:00")], closed_on=["2026-11-24"])
    rules = [
        UrgencyRule(condition=Condition(severities=[Severity.SEVERITY_SEV1]), urgency=URGENCY_HIGH),
        UrgencyRule(condition=Condition(business_hours="office", outside=True), urgency=URGENCY_LOW, escalation_policy="by-night"),
    ]
    by_night = EscalationPolicy(name="by-night", steps=[step(5, person("dan"))])
    await stubs.apply(policy(step(5, person("ann")), urgency_rules=rules), by_night, business_hours=[office])
    await opened(world)
    assert [(one.responder, one.urgency) for one in await summoned(world, 1)] == [("ann", URGENCY_HIGH)]
    world.clock.forward(22 * HOUR)  # Tuesday 11:00 in Paris, a holiday
    other = str(uuid7())
    await opened(world, id=other)
    assert [(one.responder, one.urgency) for one in (await summoned(world, 2))[1:]] == [("dan", URGENCY_LOW)]
    third = str(uuid7())
    await opened(world, id=third, severity=Severity.SEVERITY_SEV1)
    assert [(one.responder, one.urgency) for one in (await summoned(world, 3))[2:]] == [("ann", URGENCY_HIGH)]


async def test_a_step_waits_for_the_hours_of_the_team(world: World, stubs: Stubs) -> None:
    morning = Condition(windows=[Window(start="14:00", end="16:00")])  # 13:00 UTC in Paris, the zone of the team
    await stubs.apply(policy(step(5, person("ann"), condition=morning, otherwise=EscalationStep.OTHERWISE_WAIT)))
    await opened(world)

    async def waits() -> bool:
        return any(found.waiting for found in (await stubs.listed()).escalations)

    await world.eventually(waits, PATIENCE)
    [waiting] = (await stubs.listed()).escalations
    assert waiting.due_at.ToDatetime(UTC) == MONDAY_NOON + HOUR
    world.clock.forward(HOUR)
    assert [one.reason for one in await summoned(world, 1)] == ["STEP_STARTED"]


async def test_if_no_step_applies_the_fallback_is_asked_visibly(world: World, stubs: Stubs) -> None:
    severe = Condition(severities=[Severity.SEVERITY_SEV1])
    await stubs.apply(policy(step(5, person("ann"), condition=severe)))
    await opened(world)
    [gap] = await world.facts(CoverageGapFound, 1, PATIENCE)
    assert (gap.gap, list(gap.asked_instead)) == ("no step of p applies", ["cid"])
    assert [(one.responder, one.reason) for one in await summoned(world, 1)] == [("cid", "NO_STEP_APPLIES")]


async def test_a_round_robin_goes_on_after_a_restart_and_an_edit(world: World) -> None:
    world.clock = ManualClock(MONDAY_NOON)
    settings = world.settings("response", ResponseSettings)
    turns = policy(step(5, OPS, selection=EscalationStep.SELECTION_ROUND_ROBIN, name="juniors"))
    asked: list[str] = []
    async with world.running(response(settings, clock=world.clock)) as app:
        stubs = Stubs(world, app)
        await stubs.apply(turns)
        for number in (1, 2):
            await opened(world, id=str(uuid7()))
            asked = [one.responder for one in await summoned(world, number)]
        assert asked == ["bob", "cid"]
    async with world.running(response(settings, clock=world.clock)) as app:
        stubs = Stubs(world, app)
        # Cid, who was asked last, leaves; somebody is entered in front; the step is moved: it goes on after Cid.
        edited = policy(step(0, person("ann")), step(5, OPS, selection=EscalationStep.SELECTION_ROUND_ROBIN, name="juniors"))
        await stubs.apply(edited, teams=[Team(name="ops", members=["ann", "bob", "dan"])])
        await opened(world, id=str(uuid7()))
        assert [one.responder for one in (await summoned(world, 4))[2:]] == ["ann", "dan"]


async def test_a_step_that_is_due_at_the_start_waits_for_the_answer_that_lies_in_the_stream(world: World, monkeypatch: Any) -> None:
    """The process before had taken the acknowledgement and died with it; the broker would wait a minute for it."""
    monkeypatch.setattr(consumer, "ACK_WAIT_SECONDS", 60.0)
    world.clock = ManualClock(MONDAY_NOON)
    settings = world.settings("response", ResponseSettings)
    async with world.running(response(settings, clock=world.clock)) as app:
        await Stubs(world, app).apply(policy(step(5, person("ann")), step(5, person("bob"))))
        await opened(world)
        await summoned(world, 1)
    await acknowledged(world, "ann", 2)
    await world.lose("response", "triage")
    world.clock.forward(6 * MINUTE)
    async with world.running(response(settings, clock=world.clock)) as app:
        await world.facts(EscalationStopped, 1, PATIENCE)
        await app.hearing.wait()
        assert [one.responder for one in await summoned(world, 1)] == ["ann"]


async def test_several_must_acknowledge(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann")), step(5, person("bob"), person("cid")), acknowledgements=2))
    await opened(world)
    assert all(one.stands_when_acknowledged for one in await summoned(world, 1))
    await acknowledged(world, "ann", 2)
    [counted] = await world.facts(AcknowledgementCounted, 1, PATIENCE)
    assert (counted.acknowledged_by, counted.escalation.acknowledgements_needed) == ("ann", 2)
    world.clock.forward(5 * MINUTE)
    await summoned(world, 3)
    await acknowledged(world, "bob", 3)
    [stopped] = await world.facts(EscalationStopped, 1, PATIENCE)
    assert list(stopped.escalation.acknowledged_by) == ["ann", "bob"]


async def test_a_step_until_closed_is_taken_after_the_acknowledgement_and_not_after_the_end(world: World, stubs: Stubs) -> None:
    await stubs.apply(
        policy(step(5, person("ann")), step(5, person("bob")), step(5, person("dan"), guard=EscalationStep.GUARD_IF_NOT_CLOSED), repeat=1)
    )
    await opened(world)
    await summoned(world, 1)
    await acknowledged(world, "ann", 2)
    await world.facts(AcknowledgementCounted, 1, PATIENCE)
    world.clock.forward(5 * MINUTE)

    async def at_step(number: int) -> bool:
        return [found.step for found in (await stubs.listed()).escalations] == [number]

    await world.eventually(lambda: at_step(1), PATIENCE)
    world.clock.forward(5 * MINUTE)
    assert [one.responder for one in (await summoned(world, 2))[1:]] == ["dan"]
    await world.publish(IncidentResolved(incident=incident(Incident.STATE_RESOLVED, version=3)), INCIDENT, 3)
    await world.facts(EscalationStopped, 1, PATIENCE)
    world.clock.forward(HOUR)
    assert len((await stubs.listed()).summonses) == 2


async def test_an_acknowledgement_that_nothing_follows_runs_out_and_everybody_is_asked_on_every_channel(world: World, stubs: Stubs) -> None:
    rules = [UrgencyRule(urgency=URGENCY_LOW)]
    timeouts = [AcknowledgeTimeout(severities=[Severity.SEVERITY_SEV3], after=Duration(seconds=1800))]
    await stubs.apply(policy(step(5, person("ann")), urgency_rules=rules, acknowledge_timeouts=timeouts))
    await opened(world)
    [first] = await summoned(world, 1)
    assert (first.urgency, first.every_channel) == (URGENCY_LOW, False)
    await acknowledged(world, "ann", 2)
    await world.facts(EscalationStopped, 1, PATIENCE)
    world.clock.forward(20 * MINUTE)
    confirmed = await stubs.escalation.ConfirmAcknowledgement(pb.ConfirmAcknowledgementRequest(incident_id=INCIDENT))
    assert confirmed.expires_at.ToDatetime(UTC) == world.clock.now() + 30 * MINUTE
    assert (await stubs.listed()).escalations[0].acknowledgement_expires_at == confirmed.expires_at
    world.clock.forward(20 * MINUTE)
    await world.publish(SeverityChanged(incident=incident(Incident.STATE_ACKNOWLEDGED, acknowledged_by="ann", version=3)), INCIDENT, 3)
    await heard(world, 3)
    world.clock.forward(30 * MINUTE)
    [expired] = await world.facts(AcknowledgementExpired, 1, PATIENCE)
    assert (expired.acknowledged_by, expired.reason) == ("ann", "ann acknowledged, and nothing followed within 30 min")
    # Triage answers by opening the incident again.
    await world.publish(IncidentUnacknowledged(incident=incident(version=4), acknowledged_by="ann"), INCIDENT, 4)
    again = (await summoned(world, 2))[1]
    assert (again.reason, again.urgency, again.every_channel) == ("ACKNOWLEDGEMENT_EXPIRED", URGENCY_HIGH, True)
    await acknowledged(world, "ann", 5)
    await world.facts(EscalationStopped, 2, PATIENCE)


async def heard(world: World, version: int) -> None:
    async def known() -> bool:
        with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
            found = connection.execute("SELECT max(version) FROM incident_copy").fetchone()
            return found is not None and found[0] is not None and found[0] >= version

    await world.eventually(known, PATIENCE)


async def test_escalating_now_once(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann")), step(5, person("bob")), step(5, person("dan"))))
    await opened(world)
    await summoned(world, 1)
    request = pb.EscalateNowRequest(request_id="e1", incident_id=INCIDENT, reason="no answer")
    answer = await stubs.escalation.EscalateNow(request)
    assert [one.responder for one in answer.summonses] == ["bob"]
    assert (answer.escalation.step, answer.escalation.due_at.ToDatetime(UTC)) == (1, world.clock.now() + 5 * MINUTE)
    assert await stubs.escalation.EscalateNow(request) == answer
    [redirected] = await world.facts(EscalationRedirected, 1, PATIENCE)
    assert (redirected.by, redirected.done, redirected.reason) == ("alice", "escalated to step 2 of p", "no answer")
    await acknowledged(world, "bob", 2)
    await world.facts(EscalationStopped, 1, PATIENCE)
    # Bob has it; alice wants somebody else all the same.
    given = await stubs.escalation.EscalateNow(pb.EscalateNowRequest(request_id="e2", incident_id=INCIDENT, step_number=3))
    assert (given.escalation.acknowledgements_needed, given.summonses[0].stands_when_acknowledged) == (2, True)
    await acknowledged(world, "dan", 3)
    await world.facts(EscalationStopped, 2, PATIENCE)
    with pytest.raises(aio.AioRpcError) as refused:
        await stubs.escalation.EscalateNow(pb.EscalateNowRequest(request_id="e3", incident_id=INCIDENT, step_number=4))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "step_number" in (refused.value.details() or "")


async def test_whoever_cannot_come_has_the_next_one_asked_at_once(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann")), step(5, person("bob")), step(5, person("dan"))))
    await opened(world)
    await summoned(world, 1)
    for responder in ("cid", "ann", "ann"):
        # Cid was not asked; Ann's second answer comes when Bob is being asked.
        await world.publish(ReplyReceived(responder=responder, incident_id=INCIDENT, answer="ESCALATE"), INCIDENT)
    assert [one.responder for one in await summoned(world, 2)] == ["ann", "bob"]
    await world.publish(ReplyReceived(responder="bob", incident_id=INCIDENT, answer="ESCALATE"), INCIDENT)
    assert [one.responder for one in await summoned(world, 3)] == ["ann", "bob", "dan"]


async def test_reassigning_to_a_person_and_to_a_policy(world: World, stubs: Stubs) -> None:
    other = EscalationPolicy(name="q", steps=[step(7, person("dan"))])
    await stubs.apply(policy(step(5, person("ann"))), other)
    await opened(world)
    await summoned(world, 1)
    answer = await stubs.escalation.Reassign(pb.ReassignRequest(request_id="r1", incident_id=INCIDENT, target=person("bob")))
    assert [(one.responder, one.reason) for one in answer.summonses] == [("bob", "REASSIGNED")]
    world.clock.forward(5 * MINUTE)
    assert [one.responder for one in (await summoned(world, 3))[2:]] == ["ann"]
    answer = await stubs.escalation.Reassign(pb.ReassignRequest(request_id="r2", incident_id=INCIDENT, escalation_policy="q"))
    assert (answer.escalation.policy, answer.escalation.due_at.ToDatetime(UTC)) == ("q", world.clock.now() + 7 * MINUTE)
    assert [found.policy for found in (await stubs.listed()).escalations] == ["q"]


async def test_adding_a_responder_who_declines(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann"))))
    await opened(world)
    [by_step] = await summoned(world, 1)
    await acknowledged(world, "ann", 2)
    await world.facts(EscalationStopped, 1, PATIENCE)
    request = pb.AddResponderRequest(request_id="a1", incident_id=INCIDENT, target=person("dan"), message="you know the database")
    [asked] = (await stubs.escalation.AddResponder(request)).summonses
    assert (asked.responder, asked.step, asked.reason, asked.stands_when_acknowledged) == ("dan", -1, "ADDED", True)
    assert "alice asks dan to help: you know the database" in asked.explanation
    no = pb.AnswerSummonsRequest(summons_id=asked.id, answer=Summons.ANSWER_DECLINED, reason="on a plane")
    for _ in range(2):
        answered = (await stubs.escalation.AnswerSummons(no)).summons
        assert (answered.answer, answered.answer_reason) == (Summons.ANSWER_DECLINED, "on a plane")
    [told] = await world.facts(SummonsAnswered, 1, PATIENCE)
    assert (told.incident_id, told.summons.responder) == (INCIDENT, "dan")
    assert [one.answer for one in (await stubs.listed()).summonses if one.step < 0] == [Summons.ANSWER_DECLINED]
    with pytest.raises(aio.AioRpcError) as refused:
        await stubs.escalation.AnswerSummons(pb.AnswerSummonsRequest(summons_id=by_step.id, answer=Summons.ANSWER_ACCEPTED))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION


async def test_stopping_by_hand_asks_nobody_else(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann")), step(5, person("bob"))))
    await opened(world)
    await summoned(world, 1)
    request = pb.StopEscalationRequest(incident_id=INCIDENT, reason="a drill")
    for _ in range(2):
        stopped = (await stubs.escalation.StopEscalation(request)).escalation
        assert (stopped.state, stopped.stop_reason) == (Escalation.STATE_STOPPED, "stopped by alice: a drill")
    world.clock.forward(HOUR)
    assert len((await stubs.listed()).summonses) == 1


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("EscalateNow", pb.EscalateNowRequest(request_id="x", incident_id=str(uuid7()))),
        ("AddResponder", pb.AddResponderRequest(request_id="x", incident_id=str(uuid7()), target=person("ann"))),
        ("StopEscalation", pb.StopEscalationRequest(incident_id=str(uuid7()), reason="why")),
        ("AnswerSummons", pb.AnswerSummonsRequest(summons_id=str(uuid7()), answer=Summons.ANSWER_ACCEPTED)),
        ("SimulateEscalation", pb.SimulateEscalationRequest(escalation_policy="gone")),
    ],
)
async def test_what_is_not_there_is_not_found(stubs: Stubs, method: str, request_: Any) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await getattr(stubs.escalation, method)(request_)
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_nobody_is_asked_about_what_is_over_or_where_there_is_nobody(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann"))), teams=[Team(name="ops"), Team(name="empty")])
    await opened(world)
    await summoned(world, 1)
    for target, code in ((person("zoe"), grpc.StatusCode.NOT_FOUND), (Target(team="empty"), grpc.StatusCode.FAILED_PRECONDITION)):
        with pytest.raises(aio.AioRpcError) as refused:
            await stubs.escalation.Reassign(pb.ReassignRequest(request_id=str(code), incident_id=INCIDENT, target=target))
        assert refused.value.code() == code
    await world.publish(IncidentResolved(incident=incident(Incident.STATE_RESOLVED, version=2)), INCIDENT, 2)
    await world.facts(EscalationStopped, 1, PATIENCE)
    with pytest.raises(aio.AioRpcError) as refused:
        await stubs.escalation.EscalateNow(pb.EscalateNowRequest(request_id="e", incident_id=INCIDENT))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert len((await stubs.listed()).summonses) == 1


async def test_a_simulation_says_who_would_get_what_when(world: World, stubs: Stubs) -> None:
    office = BusinessHours(name="office", time_zone="UTC", windows=[Window(start="09:00", end="17:00")])
    by_day = Condition(business_hours="office")
    turns = step(10, OPS, selection=EscalationStep.SELECTION_ROUND_ROBIN)
    policies = policy(step(5, Target(schedule="primary")), turns, step(5, person("dan"), condition=by_day), repeat=1)
    await stubs.apply(policies, business_hours=[office])
    night = pb.SimulateEscalationRequest(escalation_policy="p")
    night.at.FromDatetime(datetime(2026, 11, 30, 8, 50, tzinfo=UTC))
    answer = await stubs.escalation.SimulateEscalation(night)
    told = [(one.at.ToDatetime(UTC), one.responder, one.step, one.round) for one in answer.summonses]
    start = night.at.ToDatetime(UTC)
    # The schedule hands over at 09:00, and at 09:05 office hours have begun.
    assert told == [
        (start, "bob", 0, 0),
        (start + 5 * MINUTE, "bob", 1, 0),
        (start + 15 * MINUTE, "dan", 2, 0),
        (start + 20 * MINUTE, "ann", 0, 1),
        (start + 25 * MINUTE, "cid", 1, 1),
        (start + 35 * MINUTE, "dan", 2, 1),
    ]
    assert answer.ends_at.ToDatetime(UTC) == start + 40 * MINUTE
    assert (await stubs.escalation.SimulateEscalation(night)) == answer, "nothing was kept"
    unstored = EscalationPolicy(name="draft", steps=[step(5, person("ann"), condition=by_day), step(5, Target(contact="room"))])
    answer = await stubs.escalation.SimulateEscalation(pb.SimulateEscalationRequest(definition=unstored, at=night.at))
    assert [(one.contact, one.reason) for one in answer.summonses] == [("room", "STEP_STARTED")]
    assert "step 1 is only asked within the hours of office" in answer.summonses[0].explanation


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (policy(step(5, person("ann")), step(0, person("bob"))), "steps[1].delay"),
        (policy(step(5, Target(team="ops", turn=Target.TURN_NEXT))), "steps[0].targets[0].turn"),
        (policy(step(5, person("ann"), condition=Condition(business_hours="gone"))), "there is no BusinessHours gone"),
        (policy(step(5, person("ann"), condition=Condition(outside=True))), "steps[0].condition.outside"),
        (policy(step(5, person("ann"), condition=Condition(windows=[Window(start="09:00", end="10:00")], time_zone="Mars"))), "time_zone"),
        (policy(step(5, person("ann")), urgency_rules=[UrgencyRule(urgency=URGENCY_LOW, escalation_policy="gone")]), "urgency_rules[0]"),
        (policy(step(5, person("ann"), name="a"), step(5, person("ann"), name="a")), "steps[1].name"),
    ],
)
async def test_a_policy_that_cannot_be_names_the_field(stubs: Stubs, wrong: EscalationPolicy, said: str) -> None:
    with pytest.raises(aio.AioRpcError) as refused:
        await stubs.apply(wrong)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in (refused.value.details() or "")


async def test_policies_hours_and_teams_round_trip(stubs: Stubs) -> None:
    office = BusinessHours(name="office", time_zone="Europe/Paris", windows=[Window(start="09:00", end="17:00")], closed_on=["2026-12-25"])
    by_day = Condition(severities=[Severity.SEVERITY_SEV1], business_hours="office")
    deep = policy(
        step(0, Target(schedule="primary", turn=Target.TURN_PREVIOUS), name="before"),
        step(5, Target(team="ops", part=Target.PART_MANAGERS), condition=by_day, selection=EscalationStep.SELECTION_ROUND_ROBIN),
        urgency_rules=[UrgencyRule(condition=by_day, urgency=URGENCY_LOW)],
        acknowledgements=2,
        repeat=-1,
    )
    await stubs.apply(deep, business_hours=[office])
    exported = (await stubs.response.ExportConfiguration(response_pb.ExportConfigurationRequest())).configuration
    assert (list(exported.escalation_policies), list(exported.business_hours)) == ([deep], [office])
    assert (list(exported.teams[0].managers), exported.teams[0].time_zone) == (["dan"], "Europe/Paris")
    again = response_pb.ApplyConfigurationRequest(configuration=exported, prune=True)
    assert {change.action for change in (await stubs.response.ApplyConfiguration(again)).changes} == {Change.ACTION_UNCHANGED}
    del exported.business_hours[:]
    with pytest.raises(aio.AioRpcError) as refused:
        await stubs.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=exported, prune=True))
    assert "BusinessHours office would be deleted, but EscalationPolicy p still names it" in (refused.value.details() or "")


async def test_the_auditor_finds_nothing_where_all_went_well_and_what_was_late_or_missed_otherwise(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann")), step(5, person("bob"))))
    await opened(world)
    await summoned(world, 1)
    world.clock.forward(5 * MINUTE)
    await summoned(world, 2)

    async def audited() -> pb.AuditTimersResponse:
        answer: pb.AuditTimersResponse = await stubs.escalation.AuditTimers(pb.AuditTimersRequest())
        return answer

    good = await audited()
    assert (good.escalations, good.expected, list(good.findings)) == (1, 1, [])
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
        connection.execute("UPDATE escalation_firing SET fired_at = fired_at + interval '2 minutes', due_at = due_at + interval '1 minute'")
        connection.execute("UPDATE escalation SET due_at = due_at - interval '8 minutes', state = 'RUNNING'")
        connection.commit()
        # The service may be quicker than the auditor: then the step that was pulled forward has been taken.
        found = {finding.kind for finding in (await audited()).findings}
    assert pb.TimerFinding.KIND_UNEXPECTED in found


async def test_an_open_incident_without_an_escalation_is_found(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann"))))
    lost = incident(id=str(uuid7()))
    lost.opened_at.FromDatetime(world.clock.now())
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
        connection.execute("INSERT INTO incident_copy VALUES (%s, 1, %s)", (lost.id, lost.SerializeToString()))
    world.clock.forward(MINUTE)
    [finding] = (await stubs.escalation.AuditTimers(pb.AuditTimersRequest())).findings
    assert (finding.kind, finding.incident_id) == (pb.TimerFinding.KIND_NOT_STARTED, lost.id)


async def test_the_command_audits(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    async with response(world.settings("response", ResponseSettings)) as app:
        assert await AUDIT.work(app) == 0
        assert capsys.readouterr().out == "0 escalations, 0 timers, 0 findings\n"
        lost = incident(id=str(uuid7()))
        lost.opened_at.FromDatetime(datetime.now(UTC) - HOUR)
        with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
            connection.execute("INSERT INTO incident_copy VALUES (%s, 1, %s)", (lost.id, lost.SerializeToString()))
        assert await AUDIT.work(app) == 1
    assert lost.id in capsys.readouterr().out


async def test_a_step_that_cannot_be_taken_does_not_hold_up_others(world: World, stubs: Stubs) -> None:
    await stubs.apply(policy(step(5, person("ann")), step(5, person("bob"))))
    broken, sound = str(uuid7()), str(uuid7())
    await opened(world, id=broken)
    await opened(world, id=sound)
    await summoned(world, 2)
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
        connection.execute("UPDATE incident_copy SET incident = 'no protobuf' WHERE id = %s", (broken,))
    world.clock.forward(5 * MINUTE)
    assert [one.responder for one in (await summoned(world, 3))[2:]] == ["bob"]


async def test_after_ten_minutes_off_each_of_many_incidents_pages_once_the_worst_first(world: World) -> None:
    """Fault test 10: 300 open escalations; current state decides, what is late says by how much."""
    world.clock = ManualClock(MONDAY_NOON)
    settings = world.settings("response", ResponseSettings)
    incidents = [str(uuid7()) for _ in range(300)]
    async with world.running(response(settings, clock=world.clock)) as app:
        await Stubs(world, app).apply(policy(step(5, person("ann")), step(5, person("bob")), step(5, person("cid"))))
        for number, incident_id in enumerate(incidents):
            severity = Severity.SEVERITY_SEV1 if number % 10 == 0 else Severity.SEVERITY_SEV3
            await opened(world, id=incident_id, severity=severity)
        await asked_in_all(world, 300)
    await acknowledged(world, "ann", 2, id=incidents[1])
    await world.publish(IncidentResolved(incident=incident(Incident.STATE_RESOLVED, version=2, id=incidents[2])), incidents[2], 2)
    world.clock.forward(10 * MINUTE)
    async with world.running(response(settings, clock=world.clock)):
        await asked_in_all(world, 598)
    late = by_incident(world)
    assert set(list(late)[:30]) == set(incidents[::10]), "the worst first"
    # The two that were answered meanwhile may be asked once if their facts come after the timers, and never twice.
    assert all(len(summonses) == 1 and summonses[0][1] == "bob" for incident_id, summonses in late.items())
    assert all(summonses[0][2] == 5 * MINUTE for summonses in late.values())


async def asked_in_all(world: World, count: int) -> None:
    async def enough() -> bool:
        with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
            found = connection.execute("SELECT count(*) FROM summons").fetchone()
            return found is not None and found[0] >= count

    await world.eventually(enough, 60, f"{count} summonses")


def by_incident(world: World) -> dict[str, list[tuple[str, str, timedelta]]]:
    """The late summonses of each incident."""
    found: dict[str, list[tuple[str, str, timedelta]]] = {}
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_response")) as connection:
        rows = connection.execute(
            """SELECT e.incident_id::text, s.id::text, s.responder, s.late_by FROM summons AS s
               JOIN escalation AS e ON e.id = s.escalation_id WHERE s.late_by IS NOT NULL ORDER BY s.id"""
        ).fetchall()
    for incident_id, summons_id, responder, late_by in rows:
        found.setdefault(incident_id, []).append((summons_id, responder, late_by))
    return found
