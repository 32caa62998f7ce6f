"""Alerts in, incidents out, on real servers."""

from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import uuid4

import grpc
import pytest
from tocsin.access.v1.access_pb2 import Role
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1.alert_pb2 import Alert, Asked, Party
from tocsin.detection.v1.events_pb2 import AlertChanged, AlertOpened, AlertResolved, AlertResponseAsked
from tocsin.detection.v1.noise_pb2 import ReplayedAlert
from tocsin.response.v1.escalation_pb2 import Summons
from tocsin.response.v1.events_pb2 import AcknowledgementExpired, ResponderSummoned
from tocsin.triage.v1 import triage_service_pb2 as pb
from tocsin.triage.v1.catalogue_pb2 import Configuration, Route, Service
from tocsin.triage.v1.events_pb2 import (
    AlertAttached,
    AlertsWithheld,
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUnacknowledged,
    PrivacyChanged,
    ResponseAsked,
    SeverityChanged,
    TypeChanged,
)
from tocsin.triage.v1.incident_pb2 import Incident, IncidentType, Severity
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.ids import RandomIds
from tocsin_triage.app import triage
from tocsin_triage.placements import Placements
from tocsin_triage.settings import TriageSettings

ALICE = Caller("alice", Role.ROLE_MANAGER)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPEN, RESOLVED = Alert.STATE_OPEN, Alert.STATE_RESOLVED


@pytest.fixture
async def app(world):
    async with world.running(triage(world.settings("triage", TriageSettings), clock=world.clock)) as app:
        yield app


@pytest.fixture
async def alice(world, app):
    """Triage as a manager sees it, with one service."""
    stub = world.stub(TriageServiceStub, app, ALICE)
    await apply(stub, Configuration(services=[Service(name="shop", escalation_policy="shop-policy", team="sales")]))
    return stub


async def apply(stub, configuration, **more):
    return list((await stub.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=configuration, **more))).changes)


def an_alert(name="DiskFull", service="shop", severity="warning", **more):
    return Alert(id=str(uuid4()), title=f"{name} here", state=OPEN, version=1, integration="prometheus", sender_service=service,
                 sender_severity=severity, labels={"alertname": name}, **more)  # fmt: skip


def later(alert, **changed):
    copy = Alert()
    copy.CopyFrom(alert)
    copy.MergeFrom(Alert(version=alert.version + 1, **changed))
    return copy


async def fire(world, alert):
    await world.publish(AlertOpened(alert=alert, reason="new"), alert.id, alert.version)


async def end(world, alert):
    ended = later(alert, state=RESOLVED, resolve_reason="RESOLVED_BY_SENDER")
    await world.publish(AlertResolved(alert=ended, reason="its sender resolved it"), alert.id, ended.version)


async def incidents(stub, **wanted):
    return list((await stub.ListIncidents(pb.ListIncidentsRequest(**wanted))).incidents)


async def test_an_alert_opens_an_incident_and_its_end_resolves_it(world, alice):
    alert = an_alert(severity="critical", description="all of it", source_url="http://prometheus/g")
    await fire(world, alert)
    [told] = await world.facts(IncidentOpened)
    incident = told.incident
    assert (incident.service, incident.severity) == ("shop", Severity.SEVERITY_SEV1)
    assert (incident.escalation_policy, incident.team, incident.alert_count, incident.version) == ("shop-policy", "sales", 1, 1)
    assert (incident.title, incident.summary) == ("DiskFull here", "all of it")
    assert told.alert.alert_id == alert.id
    assert incident.opened_at.ToDatetime(world.clock.now().tzinfo) == world.clock.now()
    shown = await alice.GetIncident(pb.GetIncidentRequest(number=incident.number))
    assert shown.incident == incident
    assert [(each.alert_id, each.open, each.source_url) for each in shown.alerts] == [(alert.id, True, "http://prometheus/g")]

    world.clock.forward(timedelta(minutes=3))
    await end(world, alert)
    [over] = await world.facts(IncidentResolved)
    assert (over.incident.id, over.incident.state, over.incident.resolved_by) == (incident.id, Incident.STATE_RESOLVED, "")
    assert "its sender resolved it" in over.incident.resolve_reason
    [shown_alert] = (await alice.GetIncident(pb.GetIncidentRequest(incident_id=incident.id))).alerts
    assert not shown_alert.open


async def test_alerts_of_a_group_join_and_the_last_one_ends_it(world, alice):
    alerts = [an_alert(), an_alert(), an_alert(severity="critical"), an_alert(name="Other")]
    for alert in alerts:
        await fire(world, alert)
    await world.facts(IncidentOpened, 2)
    attached = await world.facts(AlertAttached, 2)
    assert [fact.incident.alert_count for fact in attached] == [2, 3]
    [worse] = await world.facts(SeverityChanged)
    assert (worse.before, worse.incident.severity, worse.changed_by) == (Severity.SEVERITY_SEV3, Severity.SEVERITY_SEV1, "")
    assert "critical" in worse.reason
    assert worse.at.ToDatetime(UTC) == world.clock.now()
    assert worse.incident.version == attached[1].incident.version + 1
    for alert in alerts[:2]:
        await end(world, alert)
    await end(world, alerts[3])
    [over] = await world.facts(IncidentResolved)
    assert over.incident.alert_count == 1
    await end(world, alerts[2])
    await world.facts(IncidentResolved, 2)
    # The group has ended: the next alert is a new incident.
    await fire(world, an_alert())
    await world.facts(IncidentOpened, 3)


async def test_the_order_of_an_alerts_facts_does_not_matter(world, alice):
    """Opened, changed, ended, in every order, each told twice in a row: the same tables in the end."""
    orders = list(permutations(range(3)))
    for order in orders:
        alert = an_alert(name=f"Order{order}")
        worse = later(alert)
        worse.sender_severity = "critical"
        ended = later(worse, state=RESOLVED, resolve_reason="ENDED_SILENTLY")
        facts = [AlertOpened(alert=alert), AlertChanged(alert=worse), AlertResolved(alert=ended)]
        for index in (index for index in order for _ in range(2)):
            await world.publish(facts[index], alert.id, facts[index].alert.version)
    # What comes after all of them is handled after all of them.
    await fire(world, an_alert(name="Last"))
    await world.facts(IncidentOpened, len(orders) + 1)
    found = [incident for incident in await incidents(alice) if "Last" not in incident.title]
    shown = {(incident.state, incident.severity, incident.alert_count, incident.version, incident.resolve_reason) for incident in found}
    assert len(found) == len(orders)
    assert shown == {(Incident.STATE_RESOLVED, Severity.SEVERITY_SEV1, 1, 3, "its last open alert ended: ENDED_SILENTLY")}


async def test_alerts_that_have_waited_are_placed_together_each_once(world):
    """Triage was away: what waits for it is handled in one go, whatever it is, and ends as if each had come alone."""
    disks, load = [an_alert(severity=severity) for severity in ("info", "critical", "info")], an_alert(name="Load")
    for alert in (*disks, load, disks[0]):
        await fire(world, alert)
    await end(world, load)
    async with world.running(triage(world.settings("triage", TriageSettings), clock=world.clock)) as app:
        await world.facts(IncidentOpened, count=2)
        assert len(await world.facts(AlertAttached, count=2)) == 2
        await world.facts(IncidentResolved)
        found = {each.title: each for each in await incidents(world.stub(TriageServiceStub, app, ALICE))}
    assert {title: (each.alert_count, each.state) for title, each in found.items()} == {
        "DiskFull here": (3, Incident.STATE_OPEN),
        "Load here": (1, Incident.STATE_RESOLVED),
    }
    assert found["DiskFull here"].severity == Severity.SEVERITY_SEV1


async def test_an_end_whose_opening_never_comes_is_forgotten(world, app, alice):
    alert = an_alert()
    await end(world, alert)
    placements = Placements(app.database, world.clock, RandomIds())

    async def remembered():
        async with app.database.transaction() as tx:
            return await tx.value(int, "SELECT count(*) FROM early_alert")

    await world.eventually(remembered)
    await placements.forget_early()
    assert await remembered() == 1
    world.clock.forward(timedelta(days=9))
    await placements.forget_early()
    assert await remembered() == 0


async def test_two_replicas_open_one_incident_for_a_group(world, alice):
    """Whoever loses the race attaches."""
    async with world.running(triage(world.settings("triage", TriageSettings), clock=world.clock)):
        for _ in range(40):
            await fire(world, an_alert())
        await world.facts(AlertAttached, 39)
        assert len(await world.facts(IncidentOpened)) == 1
        [incident] = await incidents(alice)
        assert incident.alert_count == 40
        assert incident.version == 40


async def test_an_unknown_service_is_not_dropped(world, alice):
    await fire(world, an_alert(service="nobody-knows-this"))
    [told] = await world.facts(IncidentOpened)
    assert told.incident.service == "unrouted"
    assert "nobody-knows-this" in told.incident.placement_reason


async def test_a_person_declares_takes_and_resolves(world, app, alice):
    request = pb.DeclareIncidentRequest(request_id="d1", title="payments\nlook odd", service="shop")
    declared = (await alice.DeclareIncident(request)).incident
    assert (await alice.DeclareIncident(request)).incident == declared
    assert len(await incidents(alice)) == 1
    assert (declared.title, declared.declared_by, declared.severity) == ("payments look odd", "alice", Severity.SEVERITY_SEV3)
    assert (declared.escalation_policy, declared.alert_count) == ("shop-policy", 0)

    world.clock.forward(timedelta(minutes=2))
    take = pb.AcknowledgeIncidentRequest(request_id="a1", incident_id=declared.id)
    taken = (await alice.AcknowledgeIncident(take)).incident
    assert (taken.state, taken.acknowledged_by) == (Incident.STATE_ACKNOWLEDGED, "alice")
    service = world.stub(TriageServiceStub, app, Caller("communication", service="communication"))
    over = pb.AcknowledgeIncidentRequest(request_id="a2", incident_id=declared.id, acknowledged_by="bob")
    assert (await service.AcknowledgeIncident(over)).incident.acknowledged_by == "bob"
    assert [fact.incident.acknowledged_by for fact in await world.facts(IncidentAcknowledged, 2)] == ["alice", "bob"]

    resolve = pb.ResolveIncidentRequest(request_id="r1", incident_id=declared.id, reason="restarted")
    ended = (await alice.ResolveIncident(resolve)).incident
    assert (ended.resolved_by, ended.resolve_reason) == ("alice", "restarted")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await alice.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(request_id="a3", incident_id=declared.id))
    assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert "resolved" in refused.value.details()
    # A refusal is not remembered as an answer: the same request may succeed later.
    await alice.ReopenIncident(pb.ReopenIncidentRequest(request_id="o1", incident_id=declared.id, reason="it is back"))
    [again] = await world.facts(IncidentReopened)
    assert (again.reopened_by, again.reason, again.incident.state) == ("alice", "it is back", Incident.STATE_OPEN)
    assert (await alice.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(request_id="a3", incident_id=declared.id))).incident.version == 6


async def test_an_acknowledgement_that_nothing_followed_leaves_the_incident_to_others(world, alice):
    declared = pb.DeclareIncidentRequest(request_id="d1", title="slow", service="shop", severity=Severity.SEVERITY_SEV2)
    incident = (await alice.DeclareIncident(declared)).incident
    await alice.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(request_id="k1", incident_id=incident.id))
    expired = AcknowledgementExpired(incident_id=incident.id, acknowledged_by="alice", reason="nothing followed in 30 min")
    expired.at.GetCurrentTime()
    for version in (1, 2):
        await world.publish(expired, incident.id, version)
    [waiting] = await world.facts(IncidentUnacknowledged)
    assert (waiting.incident.state, waiting.acknowledged_by, waiting.reason) == (
        Incident.STATE_OPEN, "alice", "nothing followed in 30 min",
    )  # fmt: skip
    again = (await alice.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(request_id="k2", incident_id=incident.id))).incident
    assert again.version == waiting.incident.version + 1


async def test_a_service_must_say_for_whom_it_acts(world, app, alice):
    declared = (await alice.DeclareIncident(pb.DeclareIncidentRequest(request_id="d1", title="odd"))).incident
    assert declared.service == "unrouted"
    service = world.stub(TriageServiceStub, app, Caller("communication", service="communication"))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await service.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(request_id="a1", incident_id=declared.id))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "acknowledged_by" in refused.value.details()


async def test_a_persons_severity_stays(world, alice):
    await fire(world, an_alert())
    [told] = await world.facts(IncidentOpened)
    change = pb.ChangeSeverityRequest(request_id="s1", incident_id=told.incident.id, severity=Severity.SEVERITY_SEV5, reason="a test")
    assert (await alice.ChangeSeverity(change)).incident.severity == Severity.SEVERITY_SEV5
    await fire(world, an_alert(severity="critical"))
    [attached] = await world.facts(AlertAttached)
    assert attached.incident.severity == Severity.SEVERITY_SEV5


async def test_a_reopened_incident_leaves_the_group_to_the_one_that_gathers_it(world, alice):
    await fire(world, an_alert())
    [first] = await world.facts(IncidentOpened)
    await alice.ResolveIncident(pb.ResolveIncidentRequest(request_id="r1", incident_id=first.incident.id))
    await fire(world, an_alert())
    second = (await world.facts(IncidentOpened, 2))[1].incident
    assert second.number > first.incident.number
    await alice.ReopenIncident(pb.ReopenIncidentRequest(request_id="o1", incident_id=first.incident.id))
    await fire(world, an_alert())
    [attached] = await world.facts(AlertAttached)
    assert attached.incident.id == second.id


async def test_an_unknown_incident_is_not_found(alice):
    for call in (
        alice.GetIncident(pb.GetIncidentRequest(number=77)),
        alice.ResolveIncident(pb.ResolveIncidentRequest(request_id="r", incident_id=str(uuid4()))),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_lists_are_paged_newest_first(alice):
    for number in range(5):
        await alice.DeclareIncident(pb.DeclareIncidentRequest(request_id=str(number), title="odd", service="shop" if number % 2 else ""))
    first = await alice.ListIncidents(pb.ListIncidentsRequest(page_size=2))
    second = await alice.ListIncidents(pb.ListIncidentsRequest(page_size=2, page_token=first.next_page_token))
    third = await alice.ListIncidents(pb.ListIncidentsRequest(page_size=2, page_token=second.next_page_token))
    assert len({incident.id for page in (first, second, third) for incident in page.incidents}) == 5
    numbers = [incident.number for page in (first, second, third) for incident in page.incidents]
    assert numbers == sorted(numbers, reverse=True)
    assert third.next_page_token == ""
    assert [incident.number for incident in await incidents(alice, service="shop")] == [numbers[1], numbers[3]]
    assert await incidents(alice, states=[Incident.STATE_RESOLVED]) == []
    for wrong in (pb.ListIncidentsRequest(page_token="nonsense"), pb.ListIncidentsRequest(states=[Incident.STATE_UNSPECIFIED])):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await alice.ListIncidents(wrong)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_the_platforms_checks_of_itself_are_numbered_apart_listed_only_by_name_and_forgotten(world, app, alice):
    await apply(alice, Configuration(services=[Service(name="tocsin-watchdog", escalation_policy="tocsin-watchdog")]))
    check = an_alert("Round 1", service="tocsin-watchdog")
    await fire(world, check)
    await fire(world, an_alert())
    await fire(world, an_alert("Round 2", service="tocsin-watchdog"))
    told = {fact.incident.title: fact.incident for fact in await world.facts(IncidentOpened, 3)}
    first, second = told["Round 1 here"], told["Round 2 here"]
    assert first.number < second.number < 0 < told["DiskFull here"].number
    assert [incident.title for incident in await incidents(alice)] == ["DiskFull here"]
    assert [incident.id for incident in await incidents(alice, service="tocsin-watchdog")] == [second.id, first.id]
    page = await alice.ListIncidents(pb.ListIncidentsRequest(service="tocsin-watchdog", page_size=1))
    rest = await alice.ListIncidents(pb.ListIncidentsRequest(service="tocsin-watchdog", page_size=1, page_token=page.next_page_token))
    assert [incident.id for incident in rest.incidents] == [first.id]
    await end(world, check)
    await world.facts(IncidentResolved)
    world.clock.forward(timedelta(hours=2))
    await Placements(app.database, world.clock, RandomIds()).forget_checks()
    assert [incident.id for incident in await incidents(alice, service="tocsin-watchdog")] == [second.id]


async def test_what_belongs_to_the_platform_is_not_pruned(alice):
    await apply(alice, Configuration(services=[Service(name="tocsin-watchdog", escalation_policy="tocsin-watchdog")]))
    assert [change.name for change in await apply(alice, Configuration(), prune=True)] == ["shop"]


async def test_configuration_round_trips_and_says_what_changes(alice):
    shop = Service(name="shop", escalation_policy="other", team="sales", depends_on=["bank"], group_by=["job"])
    wanted = Configuration(
        services=[Service(name="bank"), shop, Service(name="unrouted", escalation_policy="everybody")],
        routes=[Route(name="r", position=2, match={"team": "a"}, service="bank", severity=Severity.SEVERITY_SEV2)],
    )
    planned = await apply(alice, wanted, dry_run=True)
    assert [service.name for service in (await alice.ListServices(pb.ListServicesRequest())).services] == ["shop", "unrouted"]
    assert await apply(alice, wanted) == planned
    assert {change.name: change.action for change in planned} == {
        "bank": Change.ACTION_CREATED, "shop": Change.ACTION_UPDATED, "unrouted": Change.ACTION_UPDATED, "r": Change.ACTION_CREATED,
    }  # fmt: skip
    [updated] = [change for change in planned if change.name == "shop"]
    assert [field.path for field in updated.fields] == ["depends_on", "escalation_policy", "group_by"]
    exported = (await alice.ExportConfiguration(pb.ExportConfigurationRequest())).configuration
    assert {change.action for change in await apply(alice, exported, prune=True)} == {Change.ACTION_UNCHANGED}
    assert {change.action for change in await apply(alice, Configuration(), prune=True)} == {Change.ACTION_DELETED}
    assert [service.name for service in (await alice.ListServices(pb.ListServicesRequest())).services] == ["unrouted"]
    assert (await alice.ExportConfiguration(pb.ExportConfigurationRequest())).configuration == Configuration()


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Configuration(routes=[Route(name="r", service="gone")]), "routes[0].service"),
        (Configuration(services=[Service(name="a", depends_on=["gone"])]), "services[0].depends_on[0]"),
        (Configuration(services=[Service(name="a"), Service(name="a")]), "services[1].name"),
        (Configuration(services=[Service(name="Not A Name")]), "services[0].name"),
    ],
)
async def test_wrong_configuration_is_refused_by_field_and_changes_nothing(alice, wanted, field):
    before = (await alice.ExportConfiguration(pb.ExportConfigurationRequest())).configuration
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await apply(alice, wanted)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert field in refused.value.details()
    assert (await alice.ExportConfiguration(pb.ExportConfigurationRequest())).configuration == before


async def test_what_a_sender_wants_of_those_who_respond_is_told_for_the_incident(world, alice):
    """A team that an alert names as it opens is for routes; and what ended, or woke nobody, asks nobody."""
    bob, sales = Party(kind=Party.KIND_RESPONDER, name="bob"), Party(kind=Party.KIND_TEAM, name="sales")
    alert = an_alert(responders=[bob, sales])
    await fire(world, alert)
    [opened] = await world.facts(IncidentOpened)
    [first] = await world.facts(ResponseAsked)
    assert (first.incident.id, first.alert_id, first.asked.party, first.asked.by) == (opened.incident.id, alert.id, bob, "prometheus")
    wanted = Asked(how=Asked.HOW_ADD, party=sales, by="eve", note="please")
    await world.publish(AlertResponseAsked(alert=an_alert(), asked=wanted), "nowhere")
    await world.publish(AlertResponseAsked(alert=alert, asked=wanted), alert.id)
    asked = await world.facts(ResponseAsked, 2)
    assert [fact.asked for fact in asked[1:]] == [wanted]
    await end(world, alert)
    await world.facts(IncidentResolved)
    await world.publish(AlertResponseAsked(alert=alert, asked=wanted), alert.id)
    another = an_alert(name="Other")
    await fire(world, another)
    await world.facts(IncidentOpened, 2)
    assert len(await world.facts(ResponseAsked, 2)) == 2


def replayed(alert, *, woken=True):
    """An alert of the past, as detection's simulation tells of it."""
    told = ReplayedAlert(alert_id=alert.id, title=alert.title, integration=alert.integration, labels=alert.labels,
                         sender_severity=alert.sender_severity, sender_service=alert.sender_service, did_wake=woken)  # fmt: skip
    told.would_wake_at.FromDatetime(NOON)
    return told


async def simulated(stub, *requests):
    return [step async for step in stub.SimulatePlacement(iter(requests))]


async def test_other_groups_are_tried_beside_what_was_and_nothing_is_kept(world, alice):
    disk, cpu, quiet = an_alert("Disk"), an_alert("Cpu"), an_alert("Quiet")
    await fire(world, disk)
    await fire(world, cpu)
    await world.facts(IncidentOpened, 2)
    together = Configuration(services=[Service(name="shop", escalation_policy="shop-policy", group_by=["team"])])
    for each in (disk, cpu, quiet):
        each.labels["team"] = "sales"
    first = pb.SimulatePlacementRequest(configuration=together, alerts=[replayed(disk)])
    steps = await simulated(alice, first, pb.SimulatePlacementRequest(alerts=[replayed(cpu), replayed(quiet, woken=False)]))
    result = steps[-1].result
    assert (result.did_open, result.would_open, result.moved, result.differences) == (2, 1, 0, 1)
    [difference] = [each for step in steps for each in step.differences.differences]
    assert difference.summary == "2 incidents would have been one"
    assert [each.number for each in difference.did] == [1, 2] and difference.would[0].alerts == 3
    assert [step.progress.done for step in steps if step.HasField("progress")] == [1, 3]
    stored = (await alice.ExportConfiguration(pb.ExportConfigurationRequest())).configuration
    assert len(await incidents(alice)) == 2 and not stored.services[0].group_by


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "the first request"),
        ([pb.SimulatePlacementRequest(configuration=Configuration(routes=[Route(name="r", service="gone")]))], "there is no service"),
        ([pb.SimulatePlacementRequest(alone=True, configuration=Configuration(routes=[Route(name="r", service="shop")]))], "no service"),
        ([pb.SimulatePlacementRequest(alerts=[ReplayedAlert(alert_id="x")])], "alert_id"),
    ],
)
async def test_what_cannot_be_tried_is_refused(alice, given, words):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await simulated(alice, *given)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT and words in str(refused.value.details())


BOB = Caller("bob", Role.ROLE_RESPONDER)
ROOT = Caller("root", Role.ROLE_ADMIN)


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call
    return refusal.value.code()


async def test_a_private_incident_is_there_for_its_members_only(world, app, alice):
    """Nobody else lists it, opens it, or does anything to it; who is summoned comes to know of it."""
    wanted = pb.DeclareIncidentRequest(
        request_id="p", title="somebody got in", service="shop", type=IncidentType.INCIDENT_TYPE_SECURITY, private=True, members=["carol"]
    )
    made = (await alice.DeclareIncident(wanted)).incident
    assert (made.private, list(made.members), made.type) == (True, ["alice", "carol"], IncidentType.INCIDENT_TYPE_SECURITY)
    [told] = await world.facts(IncidentOpened)
    assert told.incident == made
    bob, root = (world.stub(TriageServiceStub, app, who) for who in (BOB, ROOT))
    carol = world.stub(TriageServiceStub, app, Caller("carol", Role.ROLE_VIEWER))
    assert await refused(bob.GetIncident(pb.GetIncidentRequest(number=made.number))) == grpc.StatusCode.NOT_FOUND
    assert await refused(bob.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(request_id="a", incident_id=made.id))) == NOT_FOUND
    assert await refused(bob.AddMember(pb.AddMemberRequest(request_id="m", incident_id=made.id, member="bob"))) == NOT_FOUND
    assert [await incidents(stub) for stub in (bob, root)] == [[], []]
    assert [each.id for each in await incidents(carol)] == [made.id]
    # An administrator who names it opens it, and the edge hears of that.
    opening = root.GetIncident(pb.GetIncidentRequest(number=made.number))
    assert (await opening).incident.id == made.id
    assert ("tocsin-opened-private", made.id) in {(key, value) for key, value in await opening.trailing_metadata()}

    await world.publish(ResponderSummoned(summons=Summons(responder="bob"), incident=made), made.id)
    [admitted] = await world.facts(PrivacyChanged)
    assert (list(admitted.added), admitted.changed_by, list(admitted.incident.members)) == (["bob"], "", ["alice", "bob", "carol"])
    assert (await bob.GetIncident(pb.GetIncidentRequest(incident_id=made.id))).incident.private

    dismissed = pb.RemoveMemberRequest(request_id="r", incident_id=made.id, member="bob", reason="wrong bob")
    assert list((await alice.RemoveMember(dismissed)).incident.members) == ["alice", "carol"]
    assert await refused(bob.GetIncident(pb.GetIncidentRequest(incident_id=made.id))) == NOT_FOUND
    await carol_as_responder(world, app).MakePublic(pb.MakePublicRequest(request_id="u", incident_id=made.id, reason="it is over"))
    assert [each.id for each in await incidents(bob)] == [made.id]


NOT_FOUND = grpc.StatusCode.NOT_FOUND


def carol_as_responder(world, app):
    return world.stub(TriageServiceStub, app, Caller("carol", Role.ROLE_RESPONDER))


async def test_who_is_at_an_incident_stays_at_it_when_it_becomes_private(world, app, alice):
    made = (await alice.DeclareIncident(pb.DeclareIncidentRequest(request_id="d", title="odd", service="shop"))).incident
    assert (made.type, made.private, list(made.members)) == (IncidentType.INCIDENT_TYPE_OPERATIONAL, False, [])
    await world.publish(ResponderSummoned(summons=Summons(responder="bob"), incident=made), made.id)
    bob = world.stub(TriageServiceStub, app, BOB)
    await bob.AcknowledgeIncident(pb.AcknowledgeIncidentRequest(request_id="a", incident_id=made.id))

    async def kept_to_them():
        hidden = (await bob.MakePrivate(pb.MakePrivateRequest(request_id="h", incident_id=made.id, members=["dora"]))).incident
        return list(hidden.members) == ["alice", "bob", "dora"]

    await world.eventually(kept_to_them)
    [told] = await world.facts(PrivacyChanged)
    assert (told.changed_by, list(told.added), told.incident.private) == ("bob", ["alice", "bob", "dora"], True)


async def test_the_alerts_of_an_incident_are_withheld_when_it_becomes_private_and_as_they_join_it(world, alice):
    alerts = [an_alert() for _ in range(3)]
    for alert in alerts[:2]:
        await fire(world, alert)
    [opening] = await world.facts(IncidentOpened)
    await world.facts(AlertAttached)
    hide = pb.MakePrivateRequest(request_id="h", incident_id=opening.incident.id, members=["dora"])
    await alice.MakePrivate(hide)
    [told] = await world.facts(AlertsWithheld)
    assert (set(told.alert_ids), list(told.incident.members)) == ({each.id for each in alerts[:2]}, ["alice", "dora"])
    await fire(world, alerts[2])
    [_, joined] = await world.facts(AlertsWithheld, 2)
    assert (list(joined.alert_ids), joined.incident.private) == ([alerts[2].id], True)


async def test_the_type_follows_the_route_and_people_change_it(world, alice):
    route = Route(name="edr", match={"alertname": "Malware"}, service="shop", incident_type=IncidentType.INCIDENT_TYPE_SECURITY)
    await apply(alice, Configuration(routes=[route]))
    assert (await alice.ExportConfiguration(pb.ExportConfigurationRequest())).configuration.routes == [route]
    await fire(world, an_alert(name="Malware"))
    [told] = await world.facts(IncidentOpened)
    assert told.incident.type == IncidentType.INCIDENT_TYPE_SECURITY
    assert "Security: the route edr says so." in told.incident.placement_reason
    wanted = pb.ChangeTypeRequest(
        request_id="t", incident_id=told.incident.id, type=IncidentType.INCIDENT_TYPE_HUMAN_ERROR, reason="a test file"
    )
    assert (await alice.ChangeType(wanted)).incident.type == IncidentType.INCIDENT_TYPE_HUMAN_ERROR
    await alice.ChangeType(pb.ChangeTypeRequest(request_id="t2", incident_id=told.incident.id, type=IncidentType.INCIDENT_TYPE_HUMAN_ERROR))
    [changed] = await world.facts(TypeChanged)
    assert (changed.before, changed.changed_by, changed.reason) == (IncidentType.INCIDENT_TYPE_SECURITY, "alice", "a test file")
