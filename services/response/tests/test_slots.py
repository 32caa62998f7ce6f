"""Escalation policies that have a slot of a schedule: whom an incident wakes, what people read, and what is refused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import escalation_service_pb2 as escalation
from tocsin.response.v1 import oncall_service_pb2 as oncall
from tocsin.response.v1 import response_service_pb2 as pb
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Fallback, Target
from tocsin.response.v1.escalation_service_pb2_grpc import EscalationServiceStub
from tocsin.response.v1.events_pb2 import ContactSummoned, CoverageGapFound, ResponderSummoned
from tocsin.response.v1.oncall_pb2 import Participant, Responder, Rotation, Schedule, Team
from tocsin.response.v1.oncall_service_pb2_grpc import OncallServiceStub
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1.events_pb2 import IncidentOpened
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.clock import ManualClock
from tocsin_response.app import response
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.world import World

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
PATIENCE = 60.0


class Stubs:
    """The services of response that know of schedules and policies."""

    def __init__(self, world: World, app: Any) -> None:
        manager = Caller("alice", Role.ROLE_MANAGER)
        self.response = world.stub(ResponseServiceStub, app, manager)
        self.oncall = world.stub(OncallServiceStub, app, manager)
        self.escalation = world.stub(EscalationServiceStub, app, manager)

    async def apply(self, *policies: EscalationPolicy, **more: Any) -> None:
        parts: dict[str, Any] = {
            "responders": [Responder(name=name, display_name=name.title()) for name in ("ann", "bob", "cid", "dan")],
            "teams": [Team(name="ops", members=["bob", "cid"])],
            "schedules": [schedule("primary", Participant(escalation_policy="night")), schedule("backup", Participant(responder="ann"))],
            "escalation_policies": [EscalationPolicy(name="p", steps=[step(5, Target(schedule="primary"))]), *policies],
            "fallback": Fallback(responders=["cid"]),
        }
        configuration = pb.Configuration(**{**parts, **more})
        await self.response.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=configuration, prune=True))


@pytest.fixture
async def stubs(world: World) -> AsyncIterator[Stubs]:
    world.clock = ManualClock(MONDAY_NOON)
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        yield Stubs(world, app)


def schedule(name: str, *participants: Participant) -> Schedule:
    rotation = Rotation(unit=Rotation.UNIT_DAILY, starts_on="2026-11-02", handoff_time="09:00", participants=participants)
    return Schedule(name=name, time_zone="UTC", rotation=rotation if participants else None)


def step(minutes: int, *targets: Target, **more: Any) -> EscalationStep:
    return EscalationStep(targets=targets, delay=Duration(seconds=60 * minutes), **more)


def night(*steps: EscalationStep, **more: Any) -> EscalationPolicy:
    return EscalationPolicy(name="night", steps=steps, **more)


async def opened(world: World, number: int) -> None:
    about = Incident(id=f"01934000-0000-7000-8000-{number:012}", number=number, title="Slow", state=Incident.STATE_OPEN, version=1)
    about.escalation_policy, about.severity = "p", 3
    await world.publish(IncidentOpened(incident=about), about.id, 1)


async def test_whoever_the_first_step_would_ask_is_paged_shown_and_explained(world: World, stubs: Stubs) -> None:
    """One of the team in turn, whoever has the other schedule, and a chat room at once; the later step only by the policy itself."""
    ring = step(0, Target(team="ops"), selection=EscalationStep.SELECTION_ROUND_ROBIN, name="ring")
    await stubs.apply(night(ring, step(5, Target(schedule="backup"), Target(contact="room")), step(5, Target(responder="dan"))))
    for number, members in enumerate((["ann", "bob"], ["ann", "cid"]), 1):
        await opened(world, number)
        summonses = [fact.summons for fact in await world.facts(ResponderSummoned, 2 * number, PATIENCE)][-2:]
        assert sorted(one.responder for one in summonses) == members
    [turn] = [one.explanation for one in summonses if one.responder == "cid"]
    assert "step 1 (ring) of escalation policy night asks team ops" in turn and turn.endswith("whose turn it is")
    assert [fact.summons.contact for fact in await world.facts(ContactSummoned, 2, PATIENCE)] == ["room", "room"]
    answer = await stubs.escalation.SimulateEscalation(escalation.SimulateEscalationRequest(escalation_policy="p"))
    assert {one.responder or one.contact for one in answer.summonses} == {"bob", "ann", "room"}, "and it is the turn of the first again"
    duties = (await stubs.response.GetOncall(pb.GetOncallRequest(schedule="primary"))).duties
    assert {(duty.responder, duty.contact) for duty in duties} == {("bob", ""), ("cid", ""), ("ann", ""), ("", "room")}
    explained = await stubs.oncall.ExplainOncall(oncall.ExplainOncallRequest(schedule="primary"))
    assert "its later steps are not asked by way of a schedule" in explained.lines[0]


async def test_where_a_policy_asks_nobody_there_is_a_gap_and_somebody_is_asked_all_the_same(world: World, stubs: Stubs) -> None:
    empty = [schedule("primary", Participant(escalation_policy="night")), schedule("backup")]
    await stubs.apply(night(step(5, Target(schedule="backup"))), schedules=empty)
    gaps = (await stubs.oncall.ListGaps(oncall.ListGapsRequest(schedule="primary"))).gaps
    assert "escalation policy night, which asks nobody: nobody is on call for schedule backup" in gaps[0].reason
    await opened(world, 1)
    [first] = [fact.summons for fact in await world.facts(ResponderSummoned, 1, PATIENCE)]
    assert (first.responder, first.reason) == ("cid", "NOBODY_ON_CALL")
    assert "nobody is on call for schedule backup (no rotation, and no override at this time)" in first.explanation
    [told] = await world.facts(CoverageGapFound, 1, PATIENCE)
    assert (told.gap, "escalation policy night, which asks nobody" in told.why) == ("schedule primary", True)
    await stubs.apply(night(step(5, Target(schedule="backup")), fallback=[Target(responder="dan")]), schedules=empty)
    await opened(world, 2)
    second = (await world.facts(ResponderSummoned, 2, PATIENCE))[1].summons
    assert (second.responder, second.reason) == ("dan", "STEP_STARTED"), "the policy's own fallback is asked, and the gap is told"
    told = (await world.facts(CoverageGapFound, 2, PATIENCE))[1]
    assert (told.gap, list(told.asked_instead)) == ("schedule backup", ["dan"])
    with pytest.raises(aio.AioRpcError) as refused:
        await stubs.apply(night(step(5, Target(schedule="primary"))))
    said = refused.value.details() or ""
    assert "leads back to itself: escalation policy night → schedule primary → escalation policy night" in said
    assert "configuration.escalation_policies[1].steps[0].targets[0].schedule" in said
    circle = [schedule("primary", Participant(escalation_policy="night")), schedule("backup", Participant(escalation_policy="night"))]
    with pytest.raises(aio.AioRpcError, match=r"schedules\[1\]\.rotation\.participants\[0\]\.escalation_policy|targets\[0\]\.schedule"):
        await stubs.apply(night(step(5, Target(schedule="backup"))), schedules=circle)
