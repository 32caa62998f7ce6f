"""Providers that fail in every way at once, and answers that come at every moment."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from communication_harness import PUBLIC_URL, House, hook, running_house
from google.protobuf.duration_pb2 import Duration
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tocsin.communication.v1.page_pb2 import ContactMethod, Page
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged
from tocsin.triage.v1.incident_pb2 import Incident as TriageIncident

from tocsin_chassis.events import consumer
from tocsin_chassis.events.hearing import Hearing
from tocsin_chassis.events.line import Line
from tocsin_chassis.postgres.presence import Presence
from tocsin_communication.app import communication
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.channels.channel import Account, ChannelDriver, OneWay
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages import page as domain
from tocsin_communication.pages.delivery import Continue, Stop, verdict
from tocsin_communication.pages.page import MOST_ATTEMPTS, Kind, State, Ways
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_communication.rules.personal import Urgency
from tocsin_communication.rules.sharing import share
from tocsin_communication.rules.tallies import Tallies
from tocsin_communication.sending import departures
from tocsin_communication.sending import sender as sending
from tocsin_communication.sending.departures import AT_ONCE, EACH_LINGERING, EACH_QUEUE, Departures, Leaving
from tocsin_communication.sending.sender import Sender
from tocsin_communication.settings import CommunicationSettings
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Plan

PAGES = 120
CONSUMERS = (("TRIAGE", "communication-triage"), ("RESPONSE", "communication-response"))
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
INCIDENT = Incident("i1", 1, 7, "Checkout fails", "", "checkout", "SEV2", IncidentState.OPEN, NOW, "", "", 1)
PAGE = domain.Page(
    id="p1",
    kind=Kind.SUMMONS,
    incident_id="i1",
    opening=NOW,
    turn=1,
    responder="alice",
    contact_method="alice-sms",
    channel=Channel.SMS,
    address="+15551234567",
    provider="sms main",
    account="main",
    reason="step 1",
    subject="s",
    body="b",
    created_at=NOW,
    due_at=NOW,
    attempt_at=NOW,
)
WAYS = Ways(("main", "second"), timedelta(seconds=60))


@pytest_asyncio.fixture
async def house(world: Any, mail_server: Any, web_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """The first of two SMS accounts is dead."""
    monkeypatch.setattr(sending, "SEND_SECONDS", 2.0)
    async with running_house(world, mail_server, web_server, tmp_path, dead=True) as made:
        yield made


async def test_a_storm_of_failures_loses_no_page_and_doubles_only_what_it_marks(house):
    """The primary is dead; of the secondary's answers 30 % are 503, 20 % never come, 5 % are cut off after it took the message."""
    chance = random.Random(7)
    plans = [Plan.REFUSE_NOW] * 30 + [Plan.HANG] * 20 + [Plan.DROP] * 5 + [Plan.ACCEPT] * 45
    house.twilio[1].plan.extend(chance.choice(plans) for _ in range(PAGES))
    numbers = {f"r{number}": f"+1555{number:07}" for number in range(1, PAGES + 1)}
    methods = [
        ContactMethod(name=f"{name}-sms", responder=name, kind=ContactMethod.KIND_SMS, address=phone) for name, phone in numbers.items()
    ]
    await house.reachable(*methods)
    incident = house.incident()
    for name in numbers:
        await house.summon(name, incident)
    began, loop = house.world.clock.now(), asyncio.get_running_loop()
    ends_at = loop.time() + 150
    sent: list[Page] = []
    while len(sent) < PAGES and loop.time() < ends_at:
        await asyncio.sleep(0.4)
        house.world.clock.forward(timedelta(milliseconds=400))
        sent = await house.pages(state=Page.STATE_SENT)
    left = [
        (page.responder, page.attempts, page.account, page.state_reason) for page in await house.pages() if page.state != Page.STATE_SENT
    ]
    assert not left
    taken = Counter(message.to for message in house.twilio[1].messages)
    assert set(taken) == set(numbers.values())
    marked = {page.responder for page in sent if page.resent_after_unknown}
    doubled = {name for name, phone in numbers.items() if taken[phone] > 1}
    assert doubled <= marked
    assert house.world.clock.now() - began < timedelta(seconds=150)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_whenever_the_acknowledge_comes_nothing_leaves_after_it(house, seed):
    chance = random.Random(seed)
    names = [f"r{number}" for number in range(15)]
    delays = {name: chance.randint(0, 6) for name in names}
    methods = []
    for name in names:
        method = hook(name, house.web_server.url)
        method.delay.CopyFrom(Duration(seconds=delays[name]))
        methods.append(method)
    await house.reachable(*methods)
    opened = house.incident()
    for name in names:
        await house.summon(name, opened)
    for _ in range(chance.randint(0, 4)):
        house.world.clock.forward(timedelta(seconds=1))
        await asyncio.sleep(chance.random() * 0.3)
    await _taken(house, opened)

    async def heard() -> bool:
        consumers = [await house.world.jetstream.consumer_info(*names) for names in CONSUMERS]
        done = all(consumer.num_pending == 0 and consumer.num_ack_pending == 0 for consumer in consumers)
        return done and not await house.pages(kind=Page.KIND_SUMMONS, state=Page.STATE_SENDING)

    async def settled() -> bool:
        summonses = await house.pages(kind=Page.KIND_SUMMONS)
        return len(summonses) == len(names) and all(page.state in (Page.STATE_CANCELLED, Page.STATE_DELIVERED) for page in summonses)

    await house.world.eventually(heard, 60.0, "the acknowledge is committed")
    left = _summonses(house)
    # One that was made while the acknowledge was being committed waits for its time, and is dropped then.
    house.world.clock.forward(timedelta(minutes=10))
    await house.world.eventually(settled, 90.0, "every summons has left or is dropped")
    await house.expect(left, kind=Page.KIND_TAKEN, state=Page.STATE_DELIVERED)
    assert _summonses(house) == left


async def test_what_is_due_at_the_start_waits_for_the_answer_that_lies_in_the_stream(world, mail_server, web_server, tmp_path, monkeypatch):
    """The process before had taken the acknowledgement and died with it; the broker would wait a minute for it."""
    monkeypatch.setattr(consumer, "ACK_WAIT_SECONDS", 60.0)
    (tmp_path / "secret").write_text("whsec_dG9jc2luLXdlYmhvb2stc2VjcmV0LTI0")
    made = world.settings(
        "communication",
        CommunicationSettings,
        public_url=PUBLIC_URL,
        webhook_secret_file=tmp_path / "secret",
        webhook_allow_private=True,
        triage_address="127.0.0.1:1",
    )
    later = hook("alice", web_server.url)
    later.delay.CopyFrom(Duration(seconds=60))
    async with world.running(communication(made, clock=world.clock)) as app:
        house = House(world, app, app, mail_server, web_server, [], None)
        await house.reachable(later, hook("bob", web_server.url))
        opened = house.incident()
        await house.summon("alice", opened)
        await house.expect(responder="alice", state=Page.STATE_PENDING)
    await _taken(house, opened)
    await world.lose("communication", "triage")
    await house.summon("bob", opened)
    world.clock.forward(timedelta(minutes=2))
    async with world.running(communication(made, clock=world.clock)) as app:
        house = House(world, app, app, mail_server, web_server, [], None)
        await house.expect(2, state=Page.STATE_CANCELLED)
        assert not web_server.requests


async def test_a_page_that_could_not_leave_when_it_was_marked_is_judged_once_more(house, monkeypatch):
    """Its process is too busy to hand it over until the incident is taken."""
    monkeypatch.setattr(departures, "JUDGED_FOR_SECONDS", -1.0)
    free, deliver = asyncio.Event(), Sender._deliver

    async def deliver_later(sender: Sender, leaving: Leaving) -> None:
        await free.wait()
        await deliver(sender, leaving)

    monkeypatch.setattr(Sender, "_deliver", deliver_later)
    await house.reachable(hook("alice", house.web_server.url))
    opened = house.incident()
    await house.summon("alice", opened)
    await house.expect(state=Page.STATE_SENDING)
    await _taken(house, opened)

    async def heard() -> bool:
        consumers = [await house.world.jetstream.consumer_info(*names) for names in CONSUMERS]
        return all(consumer.num_pending == 0 and consumer.num_ack_pending == 0 for consumer in consumers)

    await house.world.eventually(heard)
    free.set()
    await house.expect(state=Page.STATE_PENDING)
    house.world.clock.forward(timedelta(seconds=2))
    [page] = await house.expect(state=Page.STATE_CANCELLED)
    assert page.state_reason == "taken by carol"
    assert not house.web_server.requests


async def _taken(house: House, opened: TriageIncident) -> None:
    taken = TriageIncident()
    taken.CopyFrom(opened)
    taken.MergeFrom(TriageIncident(state=TriageIncident.STATE_ACKNOWLEDGED, version=2, acknowledged_by="carol"))
    await house.world.publish(IncidentAcknowledged(incident=taken), taken.id, 2)


def _summonses(house: House) -> int:
    return sum(request.body["type"] == "page.summons" for request in house.web_server.requests)


def test_who_waits_for_a_provider_that_does_not_answer_is_not_in_the_way_of_others():
    places = Departures(lambda: None, Tallies(ManualClock()), cast(Presence, None), Hearing(Line()))
    pages = [replace(PAGE, id=f"p{number}", queue="checkout") for number in range(2 * EACH_LINGERING)]
    begun: list[domain.Page] = []

    def begin_what_has_a_place() -> int:
        before = len(begun)
        for page in pages[before:]:
            if places.is_full(page):
                break
            places.take(page)
            begun.append(page)
        return len(begun) - before

    assert begin_what_has_a_place() == EACH_QUEUE
    for page in list(begun):
        places.linger(page)
    assert begin_what_has_a_place() == EACH_QUEUE, "whoever waits in vain has left the place to others"
    for _ in range(EACH_LINGERING // EACH_QUEUE + 1):
        for page in begun[-EACH_QUEUE:]:
            places.linger(page)
        begin_what_has_a_place()
    assert len(begun) == EACH_LINGERING + EACH_QUEUE, "but not so many of them that nothing else could be done"
    assert not places.is_full(replace(PAGE, id="another", provider="email"))
    for page in begun:
        places.leave(page)
    assert places.room == AT_ONCE
    assert places.under_way.by_provider[PAGE.provider] == 0


class Accounts:
    """Two accounts of SMS, and pages that go over them."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        driver = cast(ChannelDriver, OneWay())
        self.channels = Channels({Channel.SMS: (Account("main", driver), Account("second", driver))}, self.clock)

    def says(self, account: str, *outcomes: Outcome) -> None:
        for outcome in outcomes:
            self.channels.note(Channel.SMS, account, Receipt(outcome, ""))

    def chosen(self, pages: int = 1, **page: Any) -> list[str]:
        return [self.channels.account_for(replace(PAGE, **page)) for _ in range(pages)]


def test_an_account_that_takes_half_of_a_storm_is_not_left_for_one_that_takes_nothing():
    accounts = Accounts()
    accounts.says("main", *[Outcome.TRANSIENT] * 3)
    accounts.says("second", Outcome.ACCEPTED, *[Outcome.TRANSIENT] * 3)
    assert accounts.chosen(2) == ["second", "second"], "three failures in a row are usual for it"
    accounts.clock.forward(timedelta(seconds=6))
    accounts.says("second", Outcome.TRANSIENT)
    assert accounts.chosen() == ["main"], "it takes nothing any more either: both are asked again"


def test_one_page_finds_out_whether_an_account_takes_again():
    accounts = Accounts()
    accounts.says("main", *[Outcome.TRANSIENT] * 3)
    assert accounts.chosen(3) == ["second"] * 3
    accounts.clock.forward(timedelta(seconds=31))
    assert accounts.chosen(4) == ["main", "second", "second", "second"]
    accounts.says("main", Outcome.ACCEPTED)
    assert accounts.chosen(3) == ["main"] * 3


class Life(RuleBasedStateMachine):
    """One page and its incident, in any order of what can happen. Claiming reads the incident as the sender's transaction does."""

    @initialize(stands=st.booleans())
    def begins(self, stands: bool) -> None:
        self.page = replace(PAGE, stands=stands)
        self.incident = INCIDENT
        self.now = NOW
        self.maybe_taken = False
        self.sent_at_state: list[IncidentState] = []

    def _go_on(self, **changed: Any) -> None:
        version = self.incident.version + 1
        self.incident = replace(self.incident, version=version, **changed).following(self.incident)

    @rule(by=st.sampled_from(["alice", "bob"]))
    def acknowledged(self, by: str) -> None:
        if self.incident.state is not IncidentState.RESOLVED:
            self._go_on(state=IncidentState.ACKNOWLEDGED, acknowledged_by=by)

    @rule()
    def resolved(self) -> None:
        self._go_on(state=IncidentState.RESOLVED)

    @rule()
    def reopened(self) -> None:
        if self.incident.state is IncidentState.RESOLVED:
            self.now += timedelta(seconds=1)
            self._go_on(state=IncidentState.OPEN, acknowledged_by="", opened_at=self.now)

    @rule()
    def answered(self) -> None:
        self.page = replace(self.page, used_at=self.now)

    @rule(seconds=st.sampled_from([1, 61, 600]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def claimed(self) -> None:
        """By the sender, or, if it is being sent, by another one after this one died."""
        waiting = self.page.state is State.PENDING and self.page.attempt_at <= self.now
        if not (waiting or self.page.state is State.SENDING):
            return
        match verdict(self.page, self.incident):
            case Stop(reason, failed):
                self.page = (self.page.fail(reason) if failed else self.page.cancel(reason)).state
                assert self.page.state_reason
            case Continue():
                self.maybe_taken = self.maybe_taken or self.page.state is State.SENDING
                self.page = self.page.begin()
                self.sent_at_state.append(self.incident.state)
                assert self.incident.opened_at == self.page.opening
                assert self.page.used_at is None
                if not self.page.stands:
                    assert self.incident.state is IncidentState.OPEN
                else:
                    assert self.incident.state is not IncidentState.RESOLVED
                assert self.page.resent_after_unknown or not self.maybe_taken

    @rule(outcome=st.sampled_from(list(Outcome)), wait=st.integers(0, 400) | st.none())
    def ended(self, outcome: Outcome, wait: int | None) -> None:
        if self.page.state is State.SENDING:
            before = self.page
            receipt = Receipt(outcome, "said", "id", timedelta(seconds=wait) if wait is not None else None)
            self.maybe_taken = self.maybe_taken or outcome is Outcome.UNKNOWN
            self.page = self.page.finish(receipt, self.now, WAYS).state
            assert self.page.version > before.version
            assert self.page.attempt_at - self.now <= timedelta(minutes=5)

    @rule()
    def no_receipt_came(self) -> None:
        if self.page.state is State.SENT and self.page.receipt_due_at is not None and self.page.receipt_due_at <= self.now:
            self.maybe_taken = True
            self.page = self.page.unreceipted(self.now, WAYS).state

    @rule()
    def arrived(self) -> None:
        if self.page.state is State.SENT or (self.page.state is State.PENDING and self.page.outcome_unknown):
            self.page = self.page.delivered(self.now).state

    @invariant()
    def it_does_not_go_on_for_ever(self) -> None:
        if hasattr(self, "page"):
            assert 0 <= self.page.attempts <= MOST_ATTEMPTS + 1


Life.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Kind.SUMMONS, Kind.SUMMONS, Kind.DIRECT, Kind.TAKEN, Kind.RESOLVED, Kind.BUNDLE]),
            st.sampled_from(["checkout", "payments", "search"]),
            st.sampled_from(list(Urgency)),
            st.integers(0, 100),
        ),
        max_size=20,
    ),
    st.integers(0, 12),
)
def test_sharing_out_loses_nobody_and_sends_no_more_than_may_be_sent(made, free):
    pages = [
        replace(PAGE, id=f"p{number:03}", kind=kind, queue=queue, urgency=urgency, due_at=NOW + timedelta(seconds=age))
        for number, (kind, queue, urgency, age) in enumerate(made)
    ]
    shared = share(pages, free)
    assert sorted(page.id for page in (*shared.alone, *shared.together, *shared.wait)) == sorted(page.id for page in pages)
    assert len(shared.alone) + bool(shared.together) <= free
    assert len(shared.together) != 1
    assert all(page.kind is Kind.SUMMONS for page in shared.together)
    if free:
        assert not [page for page in shared.wait if page.kind is Kind.SUMMONS]
