"""Pages in chats, on real servers: a press anywhere is heard, every message says so, and an incident keeps its thread."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2 as pb
from tocsin.communication.v1.communication_service_pb2_grpc import CommunicationServiceStub
from tocsin.communication.v1.events_pb2 import ReplyReceived
from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod, Page
from tocsin.response.v1.escalation_pb2 import Summons
from tocsin.response.v1.events_pb2 import ResponderSummoned
from tocsin.response.v1.playbook_events_pb2 import ApprovalGranted, ApprovalSought
from tocsin.response.v1.playbook_pb2 import Question
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.incident_pb2 import Incident
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis.grpc.caller import Caller
from tocsin_communication.app import communication
from tocsin_communication.settings import CommunicationSettings
from tocsin_kernel.ids import uuid7
from tocsin_testkit.outside import discord, mattermost, slack, teams
from tocsin_testkit.outside.discord import FakeDiscord
from tocsin_testkit.outside.http import Callback, Plan, running
from tocsin_testkit.outside.mattermost import FakeMattermost
from tocsin_testkit.outside.slack import FakeSlack, socket_mode
from tocsin_testkit.outside.teams import FakeTeams
from tocsin_testkit.outside.telegram import FakeTelegram
from tocsin_triage.app import triage
from tocsin_triage.settings import TriageSettings

MANAGER = Caller("maria", Role.ROLE_MANAGER)
EDGE = Caller("edge", service="edge")
SECONDS = 30.0
A_SECOND = timedelta(seconds=1)


class Chats:
    """Communication and triage with four chats around them, in each of which Alice can be paged."""

    def __init__(self, world: Any, app: Any, triage_app: Any, outside: tuple[FakeSlack, FakeTeams, FakeMattermost, FakeDiscord]) -> None:
        self.world = world
        self.slack, self.teams, self.mattermost, self.discord = outside
        self.api = world.stub(CommunicationServiceStub, app, MANAGER)
        self.edge = world.stub(CommunicationServiceStub, app, EDGE)
        self.triage = world.stub(TriageServiceStub, triage_app, MANAGER)

    @property
    def now(self) -> float:
        at: float = self.world.clock.now().timestamp()
        return at

    @property
    def shown(self) -> list[str]:
        """What Alice sees in each chat: all of it."""
        lists: tuple[list[Any], ...] = (self.slack.messages, self.teams.messages, self.mattermost.posts, self.discord.messages)
        return ["\n".join(message.text for message in messages) for messages in lists]

    @property
    def counts(self) -> list[int]:
        """How many messages there are in each chat."""
        return [len(self.slack.messages), len(self.teams.messages), len(self.mattermost.posts), len(self.discord.messages)]

    @property
    def buttons(self) -> list[set[str]]:
        """Which answers the first message in each chat offers."""
        lists: tuple[list[Any], ...] = (self.slack.messages, self.teams.messages, self.mattermost.posts, self.discord.messages)
        return [{name.lower()[:3] for name in messages[0].buttons} & {"ack", "esc"} for messages in lists]

    async def reachable(self, *kinds: tuple[int, str]) -> None:
        """Alice has these contact methods."""
        methods = [ContactMethod(name=f"alice-{kind}", responder="alice", kind=kind, address=address) for kind, address in kinds]
        await self.api.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=methods)))

    async def summon(self) -> Incident:
        """Alice is summoned to an incident, the first time to a new one."""
        declared = (await self.triage.DeclareIncident(triage_pb.DeclareIncidentRequest(request_id="d", title="Checkout fails"))).incident
        at = Timestamp()
        at.FromDatetime(self.world.clock.now())
        summons = Summons(id=str(uuid7()), responder="alice", reason="STEP_STARTED", explanation="step 1: on call", at=at)
        await self.world.publish(ResponderSummoned(summons=summons, incident=declared), declared.id)
        return declared

    async def hear(self, kind: str, callback: Callback) -> tuple[int, bytes]:
        """A provider calls."""
        asked = pb.ReceiveInboundRequest(kind=kind, method="POST", path="/x", headers=callback.headers, body=callback.body)
        answer = await self.edge.ReceiveInbound(asked)
        return answer.status, answer.body

    async def acknowledged_by(self, incident: Incident) -> str:
        found = (await self.triage.GetIncident(triage_pb.GetIncidentRequest(incident_id=incident.id))).incident
        return str(found.acknowledged_by)

    async def until(self, condition: Any, what: str) -> None:
        """Wait for something that is true at once, or soon."""

        async def true() -> bool:
            return bool(condition())

        await self.world.eventually(true, SECONDS, what)


def settings(world: Any, folder: Path, outside: tuple[FakeSlack, FakeTeams, FakeMattermost, FakeDiscord], triage_port: int) -> Any:
    at_slack, at_teams, at_mattermost, at_discord = outside
    secrets = {
        "slack_token": slack.TOKEN,
        "slack_signing_secret": slack.SIGNING_SECRET,
        "slack_app_token": slack.APP_TOKEN,
        "teams_app_secret": teams.APP_SECRET,
        "mattermost_token": mattermost.TOKEN,
        "discord_token": discord.TOKEN,
    }
    for name, secret in secrets.items():
        (folder / name).write_text(f"{secret}\n")
    return world.settings(
        "communication",
        CommunicationSettings,
        public_url="https://tocsin.example.test",
        triage_address=f"127.0.0.1:{triage_port}",
        slack_api_url=f"{at_slack.url}/api",
        teams_app_id=teams.APP_ID,
        teams_tenant_id=teams.TENANT,
        teams_service_url=at_teams.service_url,
        teams_login_url=at_teams.url,
        teams_openid_url=at_teams.openid_url,
        mattermost_url=at_mattermost.url,
        discord_api_url=at_discord.api_url,
        discord_public_key=at_discord.public_key,
        **{f"{name}_file": folder / name for name in secrets},
    )


@pytest_asyncio.fixture
async def chats(world: Any, tmp_path: Path) -> AsyncIterator[Chats]:
    async with (
        surroundings(world, tmp_path) as (made, triage_app, outside),
        world.running(communication(made, clock=world.clock)) as app,
    ):
        yield Chats(world, app, triage_app, outside)


@asynccontextmanager
async def surroundings(world: Any, folder: Path) -> AsyncIterator[Any]:
    """What communication needs around it: its settings, triage, and four chats."""
    now = world.clock.now().timestamp()
    async with (
        running(FakeSlack(now=now)) as at_slack,
        socket_mode(at_slack),
        running(FakeTeams()) as at_teams,
        running(FakeMattermost(now=now)) as at_mattermost,
        running(FakeDiscord(now=now)) as at_discord,
        world.running(triage(world.settings("triage", TriageSettings), clock=world.clock)) as triage_app,
    ):
        outside = (at_slack, at_teams, at_mattermost, at_discord)
        yield settings(world, folder, outside, triage_app.port), triage_app, outside


EVERYWHERE = (
    (ContactMethod.KIND_SLACK, "U0ALICE"),
    (ContactMethod.KIND_TEAMS, teams.ALICE),
    (ContactMethod.KIND_MATTERMOST, "@alice"),
    (ContactMethod.KIND_DISCORD, f"user:{discord.ALICE}"),
)


async def test_a_press_in_one_chat_is_seen_in_all(chats):
    await chats.reachable(*EVERYWHERE)
    incident = await chats.summon()
    await chats.until(lambda: all(chats.shown), "a message in every chat")
    assert chats.buttons == [{"ack", "esc"}] * 4
    status, _ = await chats.hear("mattermost", chats.mattermost.press(chats.mattermost.posts[0], "ack", "alice"))
    assert status == 200
    assert await chats.acknowledged_by(incident) == "alice"
    await chats.until(lambda: all("Taken by alice." in shown for shown in chats.shown), "every message says who took it")
    assert chats.buttons == [set()] * 4
    assert chats.counts == [1] * 4


async def test_each_chat_can_answer_and_a_repeat_is_the_same_answer(chats):
    await chats.reachable(*EVERYWHERE)
    incident = await chats.summon()
    await chats.until(lambda: all(chats.shown), "a message in every chat")
    presses = {
        "slack": chats.slack.press(chats.slack.messages[0], "ack", "U0ALICE", chats.now),
        "teams": chats.teams.invoke(chats.teams.messages[0], "ack", chats.now),
        "discord": chats.discord.press(chats.discord.messages[0], "Acknowledge", chats.now),
    }
    for kind, press in presses.items():
        for _ in range(2):
            status, body = await chats.hear(kind, press)
            assert status == 200
            assert b"rror" not in body
    assert await chats.acknowledged_by(incident) == "alice"
    assert all(status in (401, 403) for status, _ in [await chats.hear(kind, Callback({}, press.body)) for kind, press in presses.items()])


async def test_whoever_is_nobody_here_answers_nothing_in_a_channel_that_others_read(chats):
    """The page goes to a room; only who is known by a contact method of their own answers, and in their own name."""
    bob = ContactMethod(name="bob-slack", responder="bob", kind=ContactMethod.KIND_SLACK, address="U0BOB")
    room = ContactMethod(name="room", responder="alice", kind=ContactMethod.KIND_SLACK, address="C0OPS")
    await chats.api.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=[bob, room])))
    incident = await chats.summon()
    await chats.until(lambda: chats.slack.messages, "a message in the room")
    status, _ = await chats.hear("slack", chats.slack.press(chats.slack.messages[0], "ack", "U0MALLORY", chats.now))
    assert status == 200 and await chats.acknowledged_by(incident) == ""
    await chats.hear("slack", chats.slack.press(chats.slack.messages[0], "ack", "U0BOB", chats.now))
    assert await chats.acknowledged_by(incident) == "bob"


async def test_in_a_room_everybody_who_is_asked_for_an_approval_has_a_vote_and_nobody_else(chats):
    """The page goes to a room, about an incident that somebody has taken already."""
    bob, carol = (
        ContactMethod(name=f"{name}-slack", responder=name, kind=ContactMethod.KIND_SLACK, address=f"U0{name.upper()}")
        for name in ("bob", "carol")
    )
    room = ContactMethod(name="room", responder="alice", kind=ContactMethod.KIND_SLACK, address="C0OPS")
    own = ContactMethod(name="alice-slack", responder="alice", kind=ContactMethod.KIND_SLACK, address="U0ALICE")
    methods = [bob, carol, room, own]
    await chats.api.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=methods)))
    incident = Incident(
        id=str(uuid7()), number=7, title="Ransomware", state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice", version=2
    )
    question = Question(id=str(uuid7()), incident_id=incident.id, step_name="isolate", quorum=2, kind=Question.KIND_APPROVAL)
    await chats.world.publish(ApprovalSought(question=question, responders=["alice", "bob"], incident=incident), incident.id)
    await chats.until(lambda: len(chats.slack.messages) == 3, "a message in the room, one to Alice, one to Bob")
    shown = next(message for message in chats.slack.messages if message.channel == "C0OPS")
    assert {"ack", "esc"} == set(shown.buttons) - {"open"}
    for name in ("MALLORY", "CAROL", "ALICE", "BOB", "BOB"):
        await chats.hear("slack", chats.slack.press(shown, "ack", f"U0{name}", chats.now))
    votes = [(fact.responder, fact.answer) for fact in await chats.world.facts(ReplyReceived, 2)]
    assert votes == [("alice", "APPROVE"), ("bob", "APPROVE")]

    def told() -> str:
        return str([use for url in chats.slack.response_urls.values() for use in url.uses])

    await chats.until(lambda: "Carol is not among those who are asked" in told() and "not known here" in told(), "each hears why not")
    question.explanation = "approved by alice, bob"
    await chats.world.publish(ApprovalGranted(question=question, by="bob"), incident.id, 2)
    await chats.until(
        lambda: all("Approved by alice, bob." in each.text for each in chats.slack.messages), "every message says how it ended"
    )
    assert not any({"ack", "esc"} & set(each.buttons) for each in chats.slack.messages)


async def test_what_is_taken_is_resolved_by_its_button(chats):
    await chats.reachable(*EVERYWHERE)
    incident = await chats.summon()
    await chats.until(lambda: all(chats.shown), "a message in every chat")
    await chats.hear("slack", chats.slack.press(chats.slack.messages[0], "ack", "U0ALICE", chats.now))
    await chats.until(lambda: all("Taken by alice." in shown for shown in chats.shown), "every message says who took it")
    await chats.until(lambda: "res" in {name.lower()[:3] for name in chats.slack.messages[0].buttons}, "the message offers to resolve it")
    for _ in range(2):
        await chats.hear("slack", chats.slack.press(chats.slack.messages[0], "res", "U0ALICE", chats.now))
    found = (await chats.triage.GetIncident(triage_pb.GetIncidentRequest(incident_id=incident.id))).incident
    assert (found.state, found.resolved_by, found.resolve_reason) == (Incident.STATE_RESOLVED, "alice", "resolved by alice over slack")
    await chats.until(lambda: all("Resolved" in shown for shown in chats.shown), "every message says that it is over")


async def test_a_press_is_heard_where_slack_cannot_reach_us(chats):
    await chats.reachable((ContactMethod.KIND_SLACK, "U0ALICE"))
    incident = await chats.summon()
    await chats.until(lambda: chats.slack.messages and chats.slack.sockets, "a message, and a connection to answer it over")
    await chats.slack.tell("interactive", chats.slack.pressed(chats.slack.messages[0], "ack", "U0ALICE"))
    await chats.until(lambda: chats.slack.confirmed == [{"envelope_id": "e-1"}], "the press is confirmed")
    assert await chats.acknowledged_by(incident) == "alice"
    await chats.until(lambda: "Taken by alice." in chats.slack.messages[0].text, "the message says who took it")


async def test_a_message_that_nobody_confirmed_is_found_and_not_sent_again(chats):
    await chats.reachable((ContactMethod.KIND_SLACK, "U0ALICE"))
    chats.slack.plan.append(Plan.DROP)
    await chats.summon()
    await chats.until(lambda: chats.slack.messages, "the message that was taken")

    async def sent() -> bool:
        chats.world.clock.forward(A_SECOND)
        pages = (await chats.api.ListPages(pb.ListPagesRequest(page_size=10))).pages
        return [page.state for page in pages] == [Page.STATE_SENT]

    await chats.world.eventually(sent, SECONDS, "the page is known to be there")
    assert len(chats.slack.messages) == 1


async def test_where_nothing_can_be_edited_another_message_tells_who_took_it(chats):
    await chats.reachable((ContactMethod.KIND_MATTERMOST, f"{chats.mattermost.url}/hooks/{mattermost.HOOK}"))
    incident = await chats.summon()
    await chats.until(lambda: chats.mattermost.posts, "the page")
    asked = triage_pb.AcknowledgeIncidentRequest(request_id="a", incident_id=incident.id, acknowledged_by="bob")
    await chats.triage.AcknowledgeIncident(asked)
    await chats.until(lambda: len(chats.mattermost.posts) == 2, "the message that tells")
    assert "Taken by bob" in chats.mattermost.posts[1].text


ROOMS = (
    (ContactMethod.KIND_SLACK, "C0OPS"),
    (ContactMethod.KIND_TEAMS, teams.CHANNEL),
    (ContactMethod.KIND_MATTERMOST, f"channel:{mattermost.OPS}"),
    (ContactMethod.KIND_DISCORD, f"channel:{discord.OPS}"),
    (ContactMethod.KIND_TELEGRAM, "-100123"),
)


async def test_an_incident_goes_on_in_its_threads_after_a_restart_and_in_another_process(world, tmp_path):
    """Each process pages five rooms and ends. What the next one writes hangs from the first one's message, unless that is gone."""
    async with surroundings(world, tmp_path) as (made, triage_app, outside), running(FakeTelegram()) as telegram:
        (tmp_path / "telegram_token").write_text(telegram.token)
        made = replace(made, telegram_token_file=tmp_path / "telegram_token", telegram_url=telegram.url)
        in_slack, in_teams, in_mattermost, in_discord = outside
        rooms: tuple[list[Any], ...] = (
            in_slack.messages,
            in_teams.messages,
            in_mattermost.posts,
            in_discord.messages,
            telegram.messages,
        )

        async def page_by_a_new_process(number: int) -> None:
            async with world.running(communication(made, clock=world.clock)) as app:
                chats = Chats(world, app, triage_app, outside)
                await chats.reachable(*ROOMS)
                await chats.summon()
                await chats.until(lambda: [len(room) for room in rooms] == [number] * 5, f"message {number} in every room")

        def hang_together() -> None:
            assert in_slack.messages[1].said["thread_ts"] == in_slack.messages[0].ts
            assert in_teams.messages[1].conversation == f"{teams.CHANNEL};messageid={in_teams.messages[0].id}"
            assert in_mattermost.posts[1].said["root_id"] == in_mattermost.posts[0].id

        await page_by_a_new_process(1)
        await page_by_a_new_process(2)
        hang_together()
        assert in_discord.messages[1].said["message_reference"]["message_id"] == in_discord.messages[0].id
        assert telegram.messages[1].reply_to == telegram.messages[0].number
        for room in rooms:
            room.clear()
        await page_by_a_new_process(1)
        await page_by_a_new_process(2)
        hang_together()
