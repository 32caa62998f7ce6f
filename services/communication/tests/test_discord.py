"""What is special to Discord; what every channel must do is in channel_conformance.py."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, SECRET_TOKEN, TAKEN, Arrived, ChannelConformance, How, outgoing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_communication.channels import discord
from tocsin_communication.channels.channel import ChannelDriver, Outgoing, Surroundings
from tocsin_communication.channels.chat import RESENT, Buttons, UrlsAndBot
from tocsin_communication.channels.discord import DiscordApi, DiscordBot, DiscordWebhooks
from tocsin_communication.channels.discord_words import NotDiscord
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import (
    Acknowledge,
    BadRequest,
    Escalate,
    InboundAnswer,
    InboundRequest,
    Registered,
    Result,
    Said,
)
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.discord import ALICE, HOOK, OPS, TOKEN, FakeDiscord
from tocsin_testkit.outside.http import Callback, Plan, running

AT = NOW.timestamp()


class DiscordBench:
    """The bot in words that fit all channels."""

    kind = discord.KIND
    address = f"user:{ALICE}"
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = True
    shows_links = False

    def __init__(self, server: FakeDiscord, http: Any) -> None:
        self.server = server
        self.http = http
        self.driver = self.at(server.api_url)

    def at(self, url: str) -> UrlsAndBot:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.server.public_key))
        return UrlsAndBot(
            DiscordWebhooks(self.http), DiscordBot(DiscordApi(self.http, url, TOKEN), Buttons([TOKEN]), key, ManualClock(NOW))
        )

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived(message.footer.split()[-1], message.text, RESENT in message.text) for message in self.server.messages]

    def now_shown(self) -> list[str]:
        return [message.text for message in self.server.messages]

    def nowhere(self) -> ChannelDriver:
        return self.at("http://127.0.0.1:1/api/v10")


class WebhookBench(DiscordBench):
    """Webhooks in words that fit all channels."""

    recovers = False
    shows_links = True

    def __init__(self, server: FakeDiscord, http: Any) -> None:
        super().__init__(server, http)
        self.address = server.webhook_url

    def nowhere(self) -> ChannelDriver:
        return _Elsewhere(self.driver)


class _Elsewhere(UrlsAndBot):
    """Webhooks know their server by the page's address alone."""

    def __init__(self, driver: UrlsAndBot) -> None:
        self._urls, self._bot = driver._urls, driver._bot

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Any:
        return await super().send(_elsewhere(outgoing), idempotency_key, seconds)

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Any:
        return await super().edit(_elsewhere(outgoing), provider_id, seconds)


def _elsewhere(outgoing: Outgoing) -> Outgoing:
    return replace(outgoing, page=replace(outgoing.page, address=f"http://127.0.0.1:1/api/webhooks/{HOOK}"))


@pytest_asyncio.fixture
async def bot() -> AsyncIterator[DiscordBench]:
    async with running(FakeDiscord(now=AT)) as server, http_client(["127.0.0.1"]) as http:
        yield DiscordBench(server, http)


class TestDiscordBot(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, bot: DiscordBench) -> DiscordBench:
        return bot


class TestDiscordWebhook(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, bot: DiscordBench) -> DiscordBench:
        return WebhookBench(bot.server, bot.http)


def summons(address: str = DiscordBench.address, **changed: Any) -> Outgoing:
    made = outgoing(Channel.DISCORD, address)
    return replace(made, page=replace(made.page, **changed))


def inbound(callback: Callback) -> InboundRequest:
    url = "https://tocsin.example.test/hooks/channels/discord/interactions"
    return InboundRequest("POST", url, "/interactions", "", callback.headers, callback.body)


async def test_a_repeat_within_minutes_is_the_same_message(bot):
    bot.next(How.DROP)
    await bot.driver.send(summons(), KEY, 5.0)
    again = await bot.driver.send(summons(resent_after_unknown=True), KEY, 5.0)
    assert again.provider_id.endswith(bot.server.messages[0].id)
    assert len(bot.server.messages) == 1


async def test_a_repeat_later_is_found_first_even_among_many(bot):
    address = f"channel:{OPS}"
    for number in range(120):
        await bot.driver.send(summons(address, id=f"p{number}"), f"p{number}", 5.0)
    bot.next(How.DROP)
    await bot.driver.send(summons(address), KEY, 5.0)
    bot.server.forget_nonces()
    found = await bot.driver.recover(summons(address), KEY, 5.0)
    assert found is not None
    assert found.provider_id == f"{OPS}/{bot.server.messages[-1].id}"


async def test_a_wish_to_wait_is_heard_to_the_fraction(bot):
    bot.next(How.THROTTLE)
    receipt = await bot.driver.send(summons(), KEY, 5.0)
    assert receipt.retry_after is not None
    assert receipt.retry_after.total_seconds() == 1.337


async def test_text_of_others_is_shown_and_does_nothing(bot):
    await bot.driver.send(summons(subject="@everyone [you](https://evil.example)", body="<@1>"), KEY, 5.0)
    [message] = bot.server.messages
    assert message.said["allowed_mentions"] == {"parse": []}
    assert "](" not in message.text


@pytest.mark.parametrize("address", [f"channel:{OPS}", "webhook"])
async def test_the_longest_page_fits(bot, address):
    made = summons(bot.server.webhook_url if address == "webhook" else address, subject="#" * 5000, body="#" * 50_000)
    assert (await bot.driver.send(made, KEY, 5.0)).outcome is Outcome.ACCEPTED


async def test_a_second_message_refers_to_the_first(bot):
    await bot.driver.send(summons(), KEY, 5.0)
    await bot.driver.send(summons(id="again"), "again", 5.0)
    first, again = bot.server.messages
    assert again.said["message_reference"] == {"message_id": first.id, "fail_if_not_exists": False}


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize(("label", "kind"), [("Acknowledge", Acknowledge), ("Escalate", Escalate)])
async def test_each_button_comes_back_as_what_it_means(bot, label, kind, direct):
    await bot.driver.send(summons(), KEY, 5.0)
    answer = await bot.driver.parse_inbound(inbound(bot.server.press(bot.server.messages[0], label, AT, direct=direct)))
    [event] = answer.events
    assert isinstance(event, kind)
    assert (event.page_id, event.address, event.dedup_id) == (KEY, f"user:{ALICE}", "i1")
    assert answer.finish is not None
    said = json.loads(answer.finish([Result(event, True, "Yours.")]).body)
    assert (said["type"], said["data"]["content"], said["data"]["flags"]) == (4, "Yours.", 64)


async def test_without_a_public_key_buttons_open_links(bot):
    linking = DiscordBot(DiscordApi(bot.http, bot.server.api_url, TOKEN), Buttons(()), None, ManualClock(NOW))
    await linking.send(summons(), KEY, 5.0)
    [message] = bot.server.messages
    assert not message.buttons
    assert SECRET_TOKEN in json.dumps(message.said["components"])


async def test_a_slash_command_is_an_answer(bot):
    answer = await bot.driver.parse_inbound(inbound(bot.server.command("ack 4711", AT)))
    assert answer.events == (Said(address=f"user:{ALICE}", text="ack 4711", dedup_id="i1"),)
    answer = await bot.driver.parse_inbound(inbound(bot.server.command("confirm 7KQ2-abc", AT)))
    assert answer.events == (Registered(code="7KQ2-abc", address=f"user:{ALICE}", dedup_id="i1"),)


async def test_what_is_taken_can_only_be_resolved(bot):
    sent = await bot.driver.send(summons(), KEY, 5.0)
    [message] = bot.server.messages
    assert set(message.buttons) == {"Acknowledge", "Escalate"}
    await bot.driver.edit(replace(summons(), incident=TAKEN, acknowledge_url="", escalate_url=""), sent.provider_id, 5.0)
    assert set(message.buttons) == {"Resolve"}


async def test_a_ping_is_answered_and_a_bad_signature_is_not(bot):
    ping = bot.server.interaction({"type": 1}, AT)
    assert json.loads((await bot.driver.parse_inbound(inbound(ping))).answer.body) == {"type": 1}
    stale = bot.server.interaction({"type": 1}, AT - 301)
    assert NotDiscord.status == 401
    for bad in (stale, Callback(ping.headers, ping.body + b" "), Callback({**ping.headers, "x-signature-ed25519": "zz"}, ping.body)):
        with pytest.raises(NotDiscord):
            await bot.driver.parse_inbound(inbound(bad))


async def test_whatever_is_signed_is_understood_or_refused_in_words(bot):
    made: list[Any] = []
    names = st.sampled_from(["type", "data", "custom_id", "options", "value", "member", "user", "id"])
    leaves = st.none() | st.integers(0, 5) | st.text(max_size=9) | st.sampled_from(["ack:1", "esc:"])
    things = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4))

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.dictionaries(names, things, max_size=5) | st.binary(max_size=40) | things)
    def make(thing: Any) -> None:
        made.append(thing)

    make()
    for thing in made:
        try:
            answer = await bot.driver.parse_inbound(inbound(bot.server.interaction(thing, AT)))
        except BadRequest:
            continue
        assert isinstance(answer, InboundAnswer)
        if answer.finish:
            answer.finish([])


async def test_a_webhook_has_links_keeps_its_thread_and_hides_its_key(bot):
    await bot.driver.send(summons(f"{bot.server.webhook_url}?thread_id=42"), KEY, 5.0)
    assert SECRET_TOKEN in bot.server.messages[0].text
    assert bot.server.requests[-1].query == {"thread_id": "42", "wait": "true"}
    refused = await bot.driver.send(summons(bot.server.webhook_url[:-1] + "x"), KEY, 5.0)
    assert refused.outcome is Outcome.PERMANENT_TARGET
    assert HOOK[:30] not in refused.detail


@pytest.mark.parametrize("address", ["user:x", "alice", "https://discord.com/", "https://discord.com/api/webhooks/1"])
def test_what_is_no_address_is_refused(address):
    assert discord.address_flaw(address)


async def test_settings_open_the_bot_and_nothing_inside(bot, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    around = Surroundings(ManualClock(NOW), "https://tocsin.example.test")
    set_up = discord.DiscordSettings(
        discord_token_file=tmp_path / "token", discord_public_key=bot.server.public_key, discord_api_url=bot.server.api_url
    )
    async with discord.open_discord(set_up, around) as [account]:
        assert (await account.driver.send(summons(), KEY, 5.0)).outcome is Outcome.ACCEPTED
        assert (await account.driver.parse_inbound(inbound(bot.server.press(bot.server.messages[0], "Acknowledge", AT)))).events
    async with discord.open_discord(discord.DiscordSettings(), around) as [account]:
        off = await account.driver.send(summons(), KEY, 5.0)
        refused = await account.driver.send(summons(bot.server.webhook_url), KEY, 5.0)
    assert "TOCSIN_DISCORD_TOKEN_FILE" in off.detail
    assert (refused.outcome, "private" in refused.detail) == (Outcome.PERMANENT_TARGET, True)


@pytest.mark.parametrize("text", ["zz", "00" * 31, "not hex"])
def test_a_key_that_is_none_names_its_setting(text):
    with pytest.raises(ValueError, match="TOCSIN_DISCORD_PUBLIC_KEY"):
        discord.public_key(text)
