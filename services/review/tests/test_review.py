"""Facts in, timeline and review out, on real servers."""

from datetime import UTC, timedelta
from itertools import permutations
from uuid import uuid4

import grpc
import pytest
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1.events_pb2 import PageSent, ReplyReceived
from tocsin.communication.v1.page_pb2 import ContactMethod, Page
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.change_events_pb2 import ChangeReported
from tocsin.detection.v1.change_pb2 import Change
from tocsin.detection.v1.events_pb2 import AlertOpened
from tocsin.detection.v1.noise_events_pb2 import SilenceCreated
from tocsin.detection.v1.noise_pb2 import Silence
from tocsin.edge.v1.events_pb2 import ConfigurationChanged
from tocsin.response.v1.escalation_pb2 import Escalation
from tocsin.response.v1.events_pb2 import CoverageGapFound, EscalationStarted
from tocsin.review.v1 import review_service_pb2 as pb
from tocsin.review.v1.events_pb2 import ReviewOpened
from tocsin.review.v1.review_service_pb2_grpc import ReviewServiceStub
from tocsin.triage.v1.events_pb2 import AlertAttached, IncidentAcknowledged, IncidentOpened, IncidentReopened, IncidentResolved
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident, Severity

from tocsin_chassis.compose import foundation
from tocsin_chassis.grpc.caller import Caller
from tocsin_review.app import review
from tocsin_review.reviews import Reviews
from tocsin_review.settings import ReviewSettings

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def reader(world):
    async with world.running(review(world.settings("review", ReviewSettings), clock=world.clock)) as app:
        yield world.stub(ReviewServiceStub, app, Caller("vera", Role.ROLE_VIEWER))


class Story:
    """The facts of one incident: alert 1 min before, opened, taken after 2 min, resolved after 10 min."""

    def __init__(self, world, service="shop", severity=Severity.SEVERITY_SEV2):
        self.world = world
        self.start = world.clock.now()
        self.alert = Alert(id=str(uuid4()), title="Disk | is <full>", integration="prometheus", version=1)
        self.alert.starts_at.FromDatetime(self.start - MINUTE)
        self.alert.opened_at.FromDatetime(self.start)
        self.attached = AttachedAlert(alert_id=self.alert.id, title=self.alert.title, open=True)
        self.attached.attached_at.FromDatetime(self.start)
        self.opened = Incident(id=str(uuid4()), number=7, title=self.alert.title, state=Incident.STATE_OPEN, service=service,
                               severity=severity, alert_count=1, version=1)  # fmt: skip
        self.opened.opened_at.FromDatetime(self.start)
        self.taken = self._next(self.opened, state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")
        self.taken.acknowledged_at.FromDatetime(self.start + 2 * MINUTE)
        self.resolved = self._next(self.taken, state=Incident.STATE_RESOLVED, resolve_reason="its last open alert ended")
        self.resolved.resolved_at.FromDatetime(self.start + 10 * MINUTE)
        self.page = Page(id=str(uuid4()), kind=Page.KIND_SUMMONS, incident_id=self.id, responder="alice", contact_method="alice-mail",
                         channel=ContactMethod.KIND_EMAIL, state=Page.STATE_SENT)  # fmt: skip
        self.page.created_at.FromDatetime(self.start)
        self.page.sent_at.FromDatetime(self.start)

    @property
    def id(self):
        return self.opened.id

    @staticmethod
    def _next(incident, **changed):
        after = Incident()
        after.CopyFrom(incident)
        after.MergeFrom(Incident(version=incident.version + 1, **changed))
        return after

    def of_triage(self):
        return [
            IncidentOpened(incident=self.opened, alert=self.attached),
            IncidentAcknowledged(incident=self.taken),
            IncidentResolved(incident=self.resolved),
        ]

    async def tell(self, *facts):
        for fact in facts:
            incident = getattr(fact, "incident", None)
            await self.world.publish(fact, self.id, incident.version if incident else 1)


async def entries(reader, incident_id, **more):
    return list((await reader.GetTimeline(pb.GetTimelineRequest(incident_id=incident_id, **more))).entries)


async def told(world, reader, story, *facts):
    async def there():
        return set(facts) <= {entry.fact for entry in await entries(reader, story.id)}

    await world.eventually(there, what=f"{facts} on the timeline")


async def test_what_was_done_to_a_service_or_the_platform_is_told_to_the_incidents_that_it_may_concern(world, reader):
    """The service's own changes from six hours before, what concerns all from one hour before; nothing of other services or times."""
    story, other = Story(world), Story(world, service="cart")

    def change(service, when, summary):
        made = Change(id=str(uuid4()), service=service, summary=summary, integration="ci")
        made.happened_at.FromDatetime(when)
        return ChangeReported(change=made)

    def configured(when, by):
        fact = ConfigurationChanged(service="response", changed_by=by)
        fact.at.FromDatetime(when)
        return fact

    hour = timedelta(hours=1)
    silence = Silence(id=str(uuid4()), matchers=['service="shop"'], created_by="bob", comment="known")
    silence.updated_at.FromDatetime(story.start + MINUTE)
    facts = [
        change("shop", story.start - 5 * hour, "v2"),
        change("shop", story.start - 7 * hour, "too early"),
        change("shop", story.start + 11 * MINUTE, "too late"),
        change("cart", story.start, "of another service"),
        change("", story.start, "of no service"),
        configured(story.start - MINUTE, "ada"),
        configured(story.start - 2 * hour, "eve"),
        SilenceCreated(silence=silence, reason="made"),
    ]
    for fact in facts:
        await world.publish(fact, str(uuid4()))
    await story.tell(*story.of_triage())
    await other.tell(*other.of_triage())
    await told(world, reader, story, "ChangeReported", "ConfigurationChanged", "SilenceCreated", "IncidentResolved")
    await told(world, reader, other, "ChangeReported", "ConfigurationChanged", "IncidentResolved")

    def known(lines):
        return {entry.summary for entry in lines if entry.fact in ("ChangeReported", "ConfigurationChanged", "SilenceCreated")}

    shown = await entries(reader, story.id)
    assert known(shown) == {"Change: v2", "Configuration of response changed", 'Silence made: service="shop"'}
    assert {entry.actor for entry in shown if entry.fact == "ConfigurationChanged"} == {"ada"}
    assert known(await entries(reader, other.id)) == {"Change: of another service", "Configuration of response changed"}
    paged = [
        entry.id for token in await tokens(reader, story.id) for entry in await entries(reader, story.id, page_size=2, page_token=token)
    ]
    assert paged == [entry.id for entry in await entries(reader, story.id)]


async def tokens(reader, incident_id):
    """The token of every page of two lines."""
    found = [""]
    while token := (
        await reader.GetTimeline(pb.GetTimelineRequest(incident_id=incident_id, page_size=2, page_token=found[-1]))
    ).next_page_token:
        found.append(token)
    return found


async def test_the_timeline_and_the_review_of_an_incident(world, reader):
    story = Story(world)
    reply = ReplyReceived(page_id=story.page.id, responder="alice", incident_id=story.id, answer="ACKNOWLEDGE")
    reply.at.FromDatetime(story.start + 2 * MINUTE)
    await story.tell(AlertOpened(alert=story.alert, reason="new"), *story.of_triage(), PageSent(page=story.page), reply)
    await told(world, reader, story, "AlertOpened", "IncidentResolved", "PageSent", "ReplyReceived", "ReviewOpened")
    lines = await entries(reader, story.id)
    names = [entry.fact for entry in lines if entry.fact != "ReviewOpened"]
    assert names == ["AlertOpened", "IncidentOpened", "PageSent", "ReplyReceived", "IncidentAcknowledged", "IncidentResolved"]
    assert lines[0].source == "detection"
    assert lines[0].at.ToDatetime(UTC) == story.start
    times = (await reader.GetTimeline(pb.GetTimelineRequest(incident_id=story.id))).figures
    assert (times.time_to_detect.seconds, times.time_to_acknowledge.seconds, times.time_to_resolve.seconds) == (60, 120, 600)
    assert (times.pages_sent, times.responders_paged) == (1, 1)

    async def complete():
        text = (await reader.GetReview(pb.GetReviewRequest(incident_id=story.id))).review.markdown
        return "answered at" in text and "Alert opened by prometheus" in text

    await world.eventually(complete, what="the draft with the late facts")
    found = (await reader.GetReview(pb.GetReviewRequest(incident_id=story.id))).review
    assert found.figures == times
    assert "Disk \\| is &lt;full&gt;" in found.markdown
    assert "took the incident 2 min after it opened" in found.markdown
    [opened] = await world.facts(ReviewOpened)
    assert (opened.review_id, opened.incident_id, opened.figures.time_to_resolve.seconds) == (found.id, story.id, 600)


async def test_the_draft_is_written_again_when_late_facts_come(world, reader):
    story = Story(world)
    await story.tell(*story.of_triage())
    await world.facts(ReviewOpened)
    await story.tell(CoverageGapFound(incident_id=story.id, gap="schedule primary", asked_instead=["carol"]))

    async def mentioned():
        return "schedule primary" in (await reader.GetReview(pb.GetReviewRequest(incident_id=story.id))).review.markdown

    await world.eventually(mentioned)


async def test_any_order_of_facts_ends_in_the_same_tables(world, reader):
    stories = [Story(world) for _ in permutations(range(3))]
    for story, order in zip(stories, permutations(range(3)), strict=True):
        facts = story.of_triage()
        await story.tell(*(facts[index] for index in order), AlertOpened(alert=story.alert))
    for story in stories:
        await told(world, reader, story, "AlertOpened", "IncidentOpened", "IncidentAcknowledged", "IncidentResolved")
    shown = [(await reader.GetTimeline(pb.GetTimelineRequest(incident_id=story.id))) for story in stories]
    assert {each.figures.SerializeToString(deterministic=True) for each in shown} == {
        shown[0].figures.SerializeToString(deterministic=True)
    }
    assert shown[0].figures.time_to_resolve.seconds == 600
    orders = {tuple(entry.fact for entry in each.entries if entry.fact != "ReviewOpened") for each in shown}
    assert orders == {("AlertOpened", "IncidentOpened", "IncidentAcknowledged", "IncidentResolved")}


async def test_an_alert_that_joins_later_brings_what_was_said_of_it(world, reader):
    story = Story(world)
    other = Alert(id=str(uuid4()), title="Also this", integration="prometheus", version=1)
    other.starts_at.FromDatetime(story.start - timedelta(days=1))
    await story.tell(AlertOpened(alert=other), IncidentOpened(incident=story.opened, alert=story.attached))
    await told(world, reader, story, "IncidentOpened")
    joined = AttachedAlert(alert_id=other.id, title=other.title)
    joined.attached_at.FromDatetime(story.start + MINUTE)
    await story.tell(AlertAttached(incident=Story._next(story.opened, alert_count=2), alert=joined))
    await told(world, reader, story, "AlertOpened", "AlertAttached")
    # The second alert is older, but it did not open the incident.
    assert not (await reader.GetTimeline(pb.GetTimelineRequest(incident_id=story.id))).figures.HasField("time_to_detect")


async def test_a_reopened_incident_keeps_one_review(world, reader):
    story = Story(world)
    await story.tell(*story.of_triage())
    await world.facts(ReviewOpened)
    first = (await reader.GetReview(pb.GetReviewRequest(incident_id=story.id))).review
    again = Story._next(story.opened, state=Incident.STATE_OPEN)
    again.version = 4
    again.opened_at.FromDatetime(story.start + 60 * MINUTE)
    await story.tell(IncidentReopened(incident=again, reopened_by="bob", reason="it is back"))
    await told(world, reader, story, "IncidentReopened")
    over = Story._next(again, state=Incident.STATE_RESOLVED, resolve_reason="restarted", resolved_by="bob")
    over.resolved_at.FromDatetime(story.start + 90 * MINUTE)
    await story.tell(IncidentResolved(incident=over))

    async def counted():
        found = (await reader.GetReview(pb.GetReviewRequest(incident_id=story.id))).review
        return found.id == first.id and found.figures.time_to_resolve.seconds == 90 * 60 and "was reopened" in found.markdown

    await world.eventually(counted)
    assert len(await world.facts(ReviewOpened)) == 1


async def test_what_is_not_known_is_empty_or_not_found(reader):
    unknown = str(uuid4())
    assert await entries(reader, unknown) == []
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await reader.GetReview(pb.GetReviewRequest(incident_id=unknown))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_timeline_is_paged_oldest_first(world, reader):
    story = Story(world)
    starts = []
    for minute in range(5):
        escalation = Escalation(id=str(uuid4()), incident_id=story.id, policy=f"p{minute}")
        escalation.started_at.FromDatetime(story.start + minute // 2 * MINUTE)
        starts.append(EscalationStarted(escalation=escalation))
    await story.tell(*reversed(starts))

    async def all_there():
        return len(await entries(reader, story.id)) == 5

    await world.eventually(all_there)
    whole = await entries(reader, story.id)
    first = await reader.GetTimeline(pb.GetTimelineRequest(incident_id=story.id, page_size=2))
    second = await reader.GetTimeline(pb.GetTimelineRequest(incident_id=story.id, page_size=2, page_token=first.next_page_token))
    third = await reader.GetTimeline(pb.GetTimelineRequest(incident_id=story.id, page_size=2, page_token=second.next_page_token))
    assert [*first.entries, *second.entries, *third.entries] == whole
    assert third.next_page_token == ""
    assert [entry.at.seconds for entry in whole] == sorted(entry.at.seconds for entry in whole)


async def test_figures_over_a_range(world, reader):
    shop, bank = Story(world), Story(world, "bank", Severity.SEVERITY_SEV1)
    old = Story(world, "old")
    for incident in (old.opened, old.taken, old.resolved):
        incident.opened_at.FromDatetime(world.clock.now() - timedelta(days=31))
    await shop.tell(*shop.of_triage())
    await bank.tell(*bank.of_triage()[:1])
    await old.tell(*old.of_triage())
    for story, last in ((shop, "IncidentResolved"), (bank, "IncidentOpened"), (old, "IncidentResolved")):
        await told(world, reader, story, last)
    world.clock.forward(MINUTE)
    found = await reader.GetFigures(pb.GetFiguresRequest())
    assert (found.total.incidents, found.total.acknowledged, found.total.resolved) == (2, 1, 1)
    assert (found.total.mean_time_to_acknowledge.seconds, found.total.mean_time_to_resolve.seconds) == (120, 600)
    assert [(each.service, each.incidents) for each in found.by_service] == [("bank", 1), ("shop", 1)]
    assert not found.by_service[0].HasField("mean_time_to_resolve")
    assert [each.severity for each in found.by_severity] == [Severity.SEVERITY_SEV1, Severity.SEVERITY_SEV2]
    empty = pb.GetFiguresRequest()
    empty.until.FromDatetime(world.clock.now() - timedelta(days=31))
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await reader.GetFigures(empty)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_the_platforms_checks_of_itself_are_in_no_figure_have_no_review_and_are_forgotten(world, reader):
    check, shop = Story(world, "tocsin-watchdog"), Story(world)
    for story in (check, shop):
        await story.tell(AlertOpened(alert=story.alert), *story.of_triage(), PageSent(page=story.page))
        await told(world, reader, story, "IncidentResolved", "PageSent")
    await told(world, reader, shop, "ReviewOpened")
    assert "ReviewOpened" not in {entry.fact for entry in await entries(reader, check.id)}
    world.clock.forward(MINUTE)
    assert (await reader.GetFigures(pb.GetFiguresRequest())).total.incidents == 1
    world.clock.forward(timedelta(hours=3))
    async with foundation("review", world.settings("review", ReviewSettings), world.clock) as base:
        await Reviews(base.database, base.clock, base.ids).forget_checks()
    assert await entries(reader, check.id) == []
    assert await entries(reader, shop.id)
