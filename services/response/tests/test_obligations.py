"""Obligations on real servers: clocks start, remind, follow each other, are withdrawn, and end only when somebody says so."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import obligation_service_pb2 as pb
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.command_service_pb2 import AssignRoleRequest
from tocsin.response.v1.command_service_pb2_grpc import CommandServiceStub
from tocsin.response.v1.obligation_events_pb2 import (
    ObligationAnswered,
    ObligationDue,
    ObligationPaused,
    ObligationResumed,
    ObligationStarted,
)
from tocsin.response.v1.obligation_pb2 import Circumstances, Obligation, Regime, RegimeDuty, Span
from tocsin.response.v1.obligation_service_pb2_grpc import ObligationServiceStub
from tocsin.response.v1.oncall_pb2 import Responder
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1.events_pb2 import IncidentOpened
from tocsin.triage.v1.incident_pb2 import Incident, Severity

from tocsin_chassis.app import App
from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.clock import ManualClock
from tocsin_response.app import response
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.world import World

ALICE = Caller("alice", Role.ROLE_MANAGER)
BOB = Caller("bob", Role.ROLE_RESPONDER)
INCIDENT = "01934000-0000-7000-8000-000000000001"
NOON, HOUR = datetime(2026, 11, 23, 12, tzinfo=UTC), timedelta(hours=1)


@dataclass
class Desk:
    """Whoever has to tell authorities: response running, called as alice."""

    world: World
    api: Any
    configuration: Any
    app: App
    asked: int = 0

    def request(self) -> str:
        self.asked += 1
        return f"r{self.asked}"

    async def start(self, event: str, at: datetime, *traits: str, people: int | None = None) -> dict[str, Obligation]:
        known = Circumstances(traits=traits, people=people)
        request = pb.RecordStartEventRequest(request_id=self.request(), incident_id=INCIDENT, event=event, circumstances=known)
        request.at.FromDatetime(at)
        return named((await self.api.RecordStartEvent(request)).obligations)

    async def classify(self, classification: str, *traits: str) -> dict[str, Obligation]:
        request = pb.ClassifyIncidentRequest(
            request_id=self.request(),
            incident_id=INCIDENT,
            classification=classification,
            reason="figures came",
            circumstances=Circumstances(traits=traits),
        )
        return named((await self.api.ClassifyIncident(request)).obligations)

    async def submit(self, kept: Obligation, **more: Any) -> pb.SubmitObligationResponse:
        request = pb.SubmitObligationRequest(request_id=self.request(), obligation_id=kept.id, **more)
        answer: pb.SubmitObligationResponse = await self.api.SubmitObligation(request)
        return answer

    async def listed(self, **more: Any) -> pb.ListObligationsResponse:
        answer: pb.ListObligationsResponse = await self.api.ListObligations(pb.ListObligationsRequest(incident_id=INCIDENT, **more))
        return answer


def named(obligations: Any) -> dict[str, Obligation]:
    return {f"{each.regime}/{each.duty}": each for each in obligations}


def read(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    world.clock = ManualClock(NOON)
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        yield Desk(world, world.stub(ObligationServiceStub, app, ALICE), world.stub(ResponseServiceStub, app, ALICE), app)


async def test_several_clocks_run_remind_and_end_with_what_was_submitted(desk: Desk) -> None:
    """GDPR and NIS2 at once; 50, 75 and 90 % and the end are told; lateness needs a reason; the final report follows the notification."""
    clock = desk.world.clock
    started = await desk.start("awareness", NOON - 2 * HOUR, "personal-data", "eu", "essential-entity")
    assert set(started) == {"gdpr/authority", "nis2/early-warning", "nis2/notification"}
    assert read(started["gdpr/authority"].due_at) == NOON + 70 * HOUR
    await desk.submit(started["nis2/early-warning"], reference="CSIRT-7", sha256="a" * 64)
    for hours, count in ((34, 2), (18, 4), (11, 6), (7, 8)):
        clock.forward(hours * HOUR)
        told = await desk.world.facts(ObligationDue, count)
    assert sorted(fact.percent for fact in told if fact.obligation.regime == "gdpr") == [50, 75, 90, 100]
    assert {name for fact in told for name in fact.remind} == {"alice"}
    clock.forward(25 * HOUR)
    assert len(await desk.world.facts(ObligationDue, 10)) == 10, "late ones are told every day"

    with pytest.raises(aio.AioRpcError) as refused:
        await desk.submit(started["gdpr/authority"])
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION and "why it is late" in (refused.value.details() or "")
    done = await desk.submit(started["gdpr/authority"], late_reason="the extent was not known")
    assert done.obligation.late and done.obligation.state == Obligation.STATE_SUBMITTED
    followed = await desk.submit(started["nis2/notification"], late_reason="the same")
    assert set(named(followed.started)) == {"nis2/final"}
    running = await desk.listed(running_only=True, page_size=1)
    assert [each.duty for each in running.obligations] == ["final"] and not running.next_page_token
    assert len((await desk.listed()).obligations) == 4
    assert (await desk.world.facts(ObligationAnswered, 3))[0].obligation.sha256 == "a" * 64


async def test_classified_anew_the_clock_starts_from_awareness_and_is_withdrawn_again(desk: Desk) -> None:
    assert await desk.start("awareness", NOON - 22 * HOUR, "financial-entity") == {}
    major = await desk.classify("major")
    assert read(major["dora/initial"].due_at) == NOON + 2 * HOUR
    assert "24 hours after awareness" in major["dora/initial"].explanation
    minor = await desk.classify("minor")
    assert minor["dora/initial"].state == Obligation.STATE_WITHDRAWN and "figures came" in minor["dora/initial"].reason
    again = await desk.classify("major")
    assert again["dora/initial"].id != major["dora/initial"].id
    moved = await desk.start("awareness", NOON - 21 * HOUR)
    assert read(moved["dora/initial"].due_at) == NOON + 3 * HOUR, "the event was corrected"
    assert [event.event for event in (await desk.listed()).events] == ["awareness", "classified-major"]
    assert len(await desk.world.facts(ObligationStarted, 3)) == 3


async def test_what_would_be_keeps_nothing(desk: Desk) -> None:
    request = pb.PreviewObligationsRequest(circumstances=Circumstances(traits=["personal-data", "eu", "financial-entity"]))
    request.events.add(event="awareness").at.FromDatetime(NOON - HOUR)
    request.events.add(event="classified-major")
    answer = await desk.api.PreviewObligations(request)
    assert list(named(answer.obligations)) == ["dora/initial", "gdpr/authority"], "the most urgent first"
    assert any(said.startswith("nis2/") for said in answer.passed_over)
    assert not (await desk.listed()).obligations


async def test_a_waiver_and_a_draft(desk: Desk) -> None:
    about = Incident(id=INCIDENT, number=7, title="Leak", service="shop", severity=Severity.SEVERITY_SEV1, version=1)
    await desk.world.publish(IncidentOpened(incident=about), INCIDENT, 1)
    started = await desk.start("suspicion", NOON, "card-data", people=12)
    kept = started["pci-dss/acquirer"]

    async def is_filled() -> bool:
        return "Incident 7: Leak" in (await desk.api.DraftObligation(pb.DraftObligationRequest(obligation_id=kept.id))).text

    await desk.world.eventually(is_filled)
    request = pb.WaiveObligationRequest(request_id="w", obligation_id=kept.id, reason="no card number left")
    waived = (await desk.api.WaiveObligation(request)).obligation
    assert (waived.state, waived.answered_by, waived.reason) == (Obligation.STATE_WAIVED, "alice", "no card number left")
    with pytest.raises(aio.AioRpcError) as refused:
        await desk.submit(kept)
    assert "only a running one" in (refused.value.details() or "")
    with pytest.raises(aio.AioRpcError) as early:
        await desk.start("awareness", NOON + HOUR)
    assert early.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_clock_stands_still_where_its_regime_allows_that_and_any_other_says_what_to_do_instead(desk: Desk) -> None:
    clock = desk.world.clock
    started = await desk.start("materiality", NOON, "us-listed")
    disclosure = started["sec-8k/disclosure"]
    pause = pb.PauseObligationRequest(request_id="p", obligation_id=disclosure.id, reason="letter of the Attorney General")
    paused = (await desk.api.PauseObligation(pause)).obligation
    assert (read(paused.paused_at), paused.pause_reason) == (NOON, "letter of the Attorney General")
    assert (await desk.api.PauseObligation(pause)).obligation == paused, "the same request"
    clock.forward(30 * 24 * HOUR)
    [still] = [each for each in (await desk.listed()).obligations if each.id == disclosure.id]
    assert not still.late
    resume = pb.ResumeObligationRequest(request_id="g", obligation_id=disclosure.id, reason="the risk is over")
    resumed = (await desk.api.ResumeObligation(resume)).obligation
    assert read(resumed.due_at) == read(disclosure.due_at) + 30 * 24 * HOUR and "paused for 720 h" in resumed.explanation
    [told] = await desk.world.facts(ObligationPaused)
    [goes_on] = await desk.world.facts(ObligationResumed)
    assert (told.by, goes_on.reason) == ("alice", "the risk is over")
    [gdpr] = (await desk.start("awareness", clock.now(), "personal-data", "eu")).values()
    with pytest.raises(aio.AioRpcError) as refused:
        await desk.api.PauseObligation(pb.PauseObligationRequest(request_id="n", obligation_id=gdpr.id, reason="we are busy"))
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "knows no pause" in (refused.value.details() or "") and "in time" in (refused.value.details() or "")


async def test_whoever_is_legal_in_the_incident_is_reminded_and_may_waive(desk: Desk) -> None:
    about = Incident(id=INCIDENT, number=7, title="Leak", service="shop", severity=Severity.SEVERITY_SEV1, version=1)
    await desk.world.publish(IncidentOpened(incident=about), INCIDENT, 1)
    kept = (await desk.start("awareness", NOON, "personal-data", "eu"))["gdpr/authority"]
    people = response_pb.Configuration(responders=[Responder(name="bob")])
    await desk.configuration.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=people))
    bob = desk.world.stub(ObligationServiceStub, desk.app, BOB)
    request = pb.WaiveObligationRequest(request_id="w", obligation_id=kept.id, reason="no risk to anybody")
    with pytest.raises(aio.AioRpcError, match="manager waives an obligation, or whoever is legal") as refused:
        await bob.WaiveObligation(request)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    command = desk.world.stub(CommandServiceStub, desk.app, ALICE)

    async def assigned() -> bool:
        try:
            await command.AssignRole(AssignRoleRequest(request_id="a", incident_id=INCIDENT, role="legal", responder="bob"))
        except aio.AioRpcError as not_yet_heard_of:
            raise AssertionError(not_yet_heard_of.details()) from not_yet_heard_of
        return True

    await desk.world.eventually(assigned)
    desk.world.clock.forward(40 * HOUR)
    [due] = await desk.world.facts(ObligationDue)
    assert list(due.remind)[0] == "bob"
    assert (await bob.WaiveObligation(request)).obligation.answered_by == "bob"


async def test_ones_own_regimes_are_configuration(desk: Desk) -> None:
    duty = RegimeDuty(name="tell", title="Tell the customer", event="awareness", within=Span(amount=2, unit=Span.UNIT_HOURS))
    own = [Regime(name="customer", duties=[duty]), Regime(name="gdpr", disabled=True)]
    applied = response_pb.ApplyConfigurationRequest(configuration=response_pb.Configuration(regimes=own))
    await desk.configuration.ApplyConfiguration(applied)
    exported = (await desk.configuration.ExportConfiguration(response_pb.ExportConfigurationRequest())).configuration
    assert list(exported.regimes) == own
    assert set(await desk.start("awareness", NOON, "personal-data", "eu")) == {"customer/tell"}
    listed = {each.name: each.disabled for each in (await desk.api.ListRegimes(pb.ListRegimesRequest())).regimes}
    assert listed["gdpr"] and listed["circia"] and not listed["customer"]
    own[0].duties[0].after = "nothing"
    with pytest.raises(aio.AioRpcError) as refused:
        await desk.configuration.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration={"regimes": own}))
    assert "configuration.regimes[0].duties[0].event" in (refused.value.details() or "")
