"""People press buttons in Slack, Microsoft Teams, Mattermost and Discord: stories through the whole platform, from alert to answer."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest_asyncio
from tocsin.communication.v1 import communication_service_pb2 as pb
from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_testkit.outside import discord, mattermost, slack, teams
from tocsin_testkit.outside.discord import FakeDiscord
from tocsin_testkit.outside.http import Callback, Heard, deliver, running
from tocsin_testkit.outside.mattermost import FakeMattermost
from tocsin_testkit.outside.slack import FakeSlack
from tocsin_testkit.outside.teams import FakeTeams
from tocsin_testkit.platform import Platform
from tocsin_testkit.platform import platform as running_platform
from tocsin_testkit.world import World, eventually

SECONDS = 30.0
# All four show an error to whoever pressed when they have waited so long.
PATIENCE_OF_CHATS = 3.0
FIVE_MINUTES = timedelta(minutes=5)
KINDS = {
    "slack": (ContactMethod.KIND_SLACK, "U0ALICE"),
    "teams": (ContactMethod.KIND_TEAMS, teams.ALICE),
    "mattermost": (ContactMethod.KIND_MATTERMOST, "@bob"),
    "discord": (ContactMethod.KIND_DISCORD, f"user:{discord.ALICE}"),
}


@dataclass
class Office:
    """The platform, and the chats around it."""

    platform: Platform
    slack: FakeSlack
    teams: FakeTeams
    mattermost: FakeMattermost
    discord: FakeDiscord

    async def asks(self, *steps: tuple[str, str]) -> Incident:
        """An alert fires; the policy asks these responders in these chats, five minutes apart. Everybody has this one way only."""
        await self.platform.responders(*(responder for responder, _ in steps))
        made = [
            ContactMethod(name=f"{responder}-{chat}", responder=responder, kind=KINDS[chat][0], address=KINDS[chat][1])
            for responder, chat in steps
        ]
        request = pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=made), prune=True)
        await self.platform.communication.ApplyConfiguration(request)
        await self.platform.policy("office", [(responder, FIVE_MINUTES) for responder, _ in steps])
        await self.platform.service("checkout", "office")
        await self.platform.fire("checkout", "HighErrorRate")
        return await self.platform.expect_incident(state=Incident.STATE_OPEN)

    async def hear(self, kind: str, callback: Callback) -> Heard:
        """The chat calls at our door, and does not wait for long."""
        heard = await deliver(callback, f"{str(self.platform.http.base_url).rstrip('/')}/hooks/channels/{kind}/actions")
        assert heard.seconds < PATIENCE_OF_CHATS
        return heard

    @property
    def now(self) -> float:
        return self.platform.clock.now().timestamp()


async def until(condition: Callable[[], object], what: str) -> None:
    async def true() -> bool:
        return bool(condition())

    await eventually(true, SECONDS, what)


@pytest_asyncio.fixture
async def office(world: World, tmp_path: Path) -> AsyncIterator[Office]:
    now = world.clock.now().timestamp()
    async with AsyncExitStack() as stack:
        in_slack = await stack.enter_async_context(running(FakeSlack(now=now)))
        in_teams = await stack.enter_async_context(running(FakeTeams()))
        in_mattermost = await stack.enter_async_context(running(FakeMattermost(now=now)))
        in_discord = await stack.enter_async_context(running(FakeDiscord(now=now)))
        secrets = {
            "slack_token": slack.TOKEN,
            "slack_signing_secret": slack.SIGNING_SECRET,
            "teams_app_secret": teams.APP_SECRET,
            "mattermost_token": mattermost.TOKEN,
            "discord_token": discord.TOKEN,
        }
        for name, secret in secrets.items():
            (tmp_path / name).write_text(f"{secret}\n")
        settings: dict[str, object] = {
            "slack_api_url": f"{in_slack.url}/api",
            "teams_app_id": teams.APP_ID,
            "teams_tenant_id": teams.TENANT,
            "teams_service_url": in_teams.service_url,
            "teams_login_url": in_teams.url,
            "teams_openid_url": in_teams.openid_url,
            "mattermost_url": in_mattermost.url,
            "discord_api_url": in_discord.api_url,
            "discord_public_key": in_discord.public_key,
            **{f"{name}_file": tmp_path / name for name in secrets},
        }
        platform = await stack.enter_async_context(running_platform(world, channels=settings))
        yield Office(platform, in_slack, in_teams, in_mattermost, in_discord)


async def test_who_cannot_passes_it_on_and_sees_who_took_it(office):
    await office.asks(("alice", "slack"), ("bob", "mattermost"))
    await until(lambda: office.slack.messages, "alice is asked in Slack")
    assert not office.mattermost.posts
    passed = await office.hear("slack", office.slack.press(office.slack.messages[0], "esc", "U0ALICE", office.now))
    assert (passed.status, passed.body) == (200, b"")
    [whispers] = office.slack.response_urls.values()
    await until(lambda: whispers.uses, "alice alone hears what came of it")
    assert "passed on" in whispers.uses[0]["text"]
    office.platform.clock.forward(FIVE_MINUTES)
    await until(lambda: office.mattermost.posts, "bob is asked in Mattermost")
    taken = await office.hear("mattermost", office.mattermost.press(office.mattermost.posts[0], "ack", "bob"))
    assert taken.status == 200
    assert b"bob" in taken.body
    await office.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="bob")
    await until(lambda: "Taken by bob." in office.slack.messages[0].text, "alice sees in her message who took it")
    assert set(office.slack.messages[0].buttons) == {"res", "open"}


async def test_a_message_follows_its_incident_to_the_end(office):
    incident = await office.asks(("alice", "teams"))
    await until(lambda: office.teams.messages, "alice is asked in Teams")
    [message] = office.teams.messages
    assert f"#{incident.number}" in message.text
    heard = await office.hear("teams", office.teams.invoke(message, "ack", office.now))
    assert b"acknowledged by alice" in heard.body
    await until(lambda: "Taken by alice." in message.text, "the card says who took it")
    await office.platform.end("checkout", "HighErrorRate")
    await office.platform.expect_incident(state=Incident.STATE_RESOLVED)
    await until(lambda: "Resolved" in message.text, "the card says that it is over")
    assert not message.buttons
    assert office.teams.messages == [message]


async def test_a_stranger_who_cannot_sign_takes_nothing(office):
    await office.asks(("alice", "discord"))
    await until(lambda: office.discord.messages, "alice is asked in Discord")
    press = office.discord.press(office.discord.messages[0], "Acknowledge", office.now)
    forged = Callback({**press.headers, "x-signature-ed25519": "00" * 64}, press.body)
    assert (await office.hear("discord", forged)).status == 401
    await office.platform.expect_incident(state=Incident.STATE_OPEN)
    assert (await office.hear("discord", press)).status == 200
    await office.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")
