"""What is special to Mattermost; what every channel must do is in channel_conformance.py."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, SECRET_TOKEN, TAKEN, Arrived, ChannelConformance, How, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_communication.channels import mattermost
from tocsin_communication.channels.channel import ChannelDriver, Outgoing, Surroundings
from tocsin_communication.channels.chat import RESENT, Buttons, UrlsAndBot
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import (
    Acknowledge,
    BadRequest,
    BadSignature,
    Escalate,
    InboundAnswer,
    InboundRequest,
    Result,
)
from tocsin_communication.channels.mattermost import MattermostApi, MattermostBot, MattermostWebhooks
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Callback, Plan, running
from tocsin_testkit.outside.mattermost import HOOK, OPS, TOKEN, FakeMattermost

HERE = "https://tocsin.example.test/hooks/channels/mattermost/actions"


class MattermostBench:
    """The bot in words that fit all channels."""

    kind = mattermost.KIND
    address = "@alice"
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = True
    shows_links = False

    def __init__(self, server: FakeMattermost, http: Any) -> None:
        self.server = server
        self.http = http
        self.driver = self.at(server.url)

    def at(self, url: str) -> UrlsAndBot:
        return UrlsAndBot(
            MattermostWebhooks(self.http), MattermostBot(MattermostApi(self.http, url, TOKEN), Buttons(["the-next-one", TOKEN]), HERE)
        )

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived(post.said["props"]["tocsin_page"], post.text, RESENT in post.text) for post in self.server.posts]

    def now_shown(self) -> list[str]:
        return [post.text for post in self.server.posts]

    def nowhere(self) -> ChannelDriver:
        return self.at("http://127.0.0.1:1")


class WebhookBench(MattermostBench):
    """Incoming webhooks in words that fit all channels."""

    edits = False
    recovers = False
    shows_links = True

    def __init__(self, server: FakeMattermost, http: Any) -> None:
        super().__init__(server, http)
        self.address = f"{server.url}/hooks/{HOOK}"

    def arrived(self) -> list[Arrived]:
        return [Arrived("", post.text, RESENT in post.text) for post in self.server.posts]

    def nowhere(self) -> ChannelDriver:
        return _Elsewhere(self.driver)


class _Elsewhere(UrlsAndBot):
    """Webhooks know their server by the page's address alone."""

    def __init__(self, driver: UrlsAndBot) -> None:
        self._urls, self._bot = driver._urls, driver._bot

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Any:
        page = replace(outgoing.page, address=f"http://127.0.0.1:1/hooks/{HOOK}")
        return await super().send(replace(outgoing, page=page), idempotency_key, seconds)


@pytest_asyncio.fixture
async def bot() -> AsyncIterator[MattermostBench]:
    async with running(FakeMattermost(now=NOW.timestamp())) as server, http_client(["127.0.0.1"]) as http:
        yield MattermostBench(server, http)


class TestMattermostBot(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, bot: MattermostBench) -> MattermostBench:
        return bot


class TestMattermostWebhook(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, bot: MattermostBench) -> MattermostBench:
        return WebhookBench(bot.server, bot.http)


def summons(address: str = "@alice", **changed: Any) -> Outgoing:
    made = outgoing(Channel.MATTERMOST, address)
    return replace(made, page=replace(made.page, **changed))


def inbound(callback: Callback) -> InboundRequest:
    return InboundRequest("POST", HERE, "/actions", "", callback.headers, callback.body)


async def test_a_repeat_within_half_a_minute_is_the_same_post(bot):
    bot.next(How.DROP)
    await bot.driver.send(summons(), KEY, 5.0)
    again = await bot.driver.send(summons(resent_after_unknown=True), KEY, 5.0)
    assert again.outcome is Outcome.ACCEPTED
    assert again.provider_id == bot.server.posts[0].id
    assert len(bot.server.posts) == 1


async def test_a_repeat_later_is_found_first(bot):
    bot.next(How.DROP)
    await bot.driver.send(summons(), KEY, 5.0)
    bot.server.forget_pending()
    found = await bot.driver.recover(summons(), KEY, 5.0)
    assert found is not None
    assert found.provider_id == bot.server.posts[0].id


async def test_a_repeat_while_the_first_is_being_saved_claims_nothing(bot):
    bot.server.saving.add(KEY)
    assert (await bot.driver.send(summons(), KEY, 5.0)).outcome is Outcome.UNKNOWN


async def test_nobody_of_that_name_and_a_channel_without_the_bot_cannot_be_reached(bot):
    for address in ("@nobody", f"channel:{'x' * 26}"):
        assert (await bot.driver.send(summons(address), KEY, 5.0)).outcome is Outcome.PERMANENT_TARGET


async def test_text_of_others_is_shown_and_does_nothing(bot):
    await bot.driver.send(summons(subject="@channel [you](https://evil.example) ![](x)", body="`@all`"), KEY, 5.0)
    [post] = bot.server.posts
    assert "@channel" not in post.text
    assert "@all" not in post.text
    assert "](" not in post.text


async def test_the_longest_page_fits(bot):
    assert (await bot.driver.send(summons(subject="#" * 5000, body="#" * 50_000), KEY, 5.0)).outcome is Outcome.ACCEPTED
    assert len(bot.server.posts[0].text) < 16_383


async def test_an_incident_has_one_thread_which_may_be_deleted(bot):
    address = f"channel:{OPS}"
    await bot.driver.send(summons(address), KEY, 5.0)
    await bot.at(bot.server.url).send(summons(address, id="taken", kind=Kind.TAKEN, summons_id=KEY), "taken", 5.0)
    root, taken = bot.server.posts
    assert taken.said["root_id"] == root.id
    bot.server.posts.clear()
    assert (await bot.driver.send(summons(address, id="again"), "again", 5.0)).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(("action", "kind"), [("ack", Acknowledge), ("esc", Escalate)])
async def test_each_button_comes_back_as_what_it_means(bot, action, kind):
    await bot.driver.send(summons(), KEY, 5.0)
    answer = await bot.driver.parse_inbound(inbound(bot.server.press(bot.server.posts[0], action, "alice")))
    [event] = answer.events
    assert isinstance(event, kind)
    assert (event.page_id, event.address, event.dedup_id) == (KEY, "@alice", "t1")
    assert answer.finish is not None
    assert json.loads(answer.finish([Result(event, True, "Yours.")]).body) == {"ephemeral_text": "Yours."}


async def test_a_button_that_we_did_not_make_is_refused(bot):
    await bot.driver.send(summons(), KEY, 5.0)
    press = json.loads(bot.server.press(bot.server.posts[0], "ack", "alice").body)
    value = press["context"]["page"]
    for context in ({}, {"page": f"ack:another-page:{value[-32:]}"}, {"page": f"esc{value[3:]}"}, {"page": f"{value[:-1]}ü"}):
        with pytest.raises(BadSignature):
            await bot.driver.parse_inbound(inbound(Callback({}, json.dumps({**press, "context": context}).encode())))


async def test_what_is_taken_can_only_be_resolved(bot):
    sent = await bot.driver.send(summons(), KEY, 5.0)
    [post] = bot.server.posts
    assert set(post.buttons) == {"ack", "esc"}
    await bot.driver.edit(replace(summons(), incident=TAKEN, acknowledge_url="", escalate_url=""), sent.provider_id, 5.0)
    assert set(post.buttons) == {"res"}


async def test_whatever_comes_with_a_good_button_is_understood_or_refused_in_words(bot):
    await bot.driver.send(summons(), KEY, 5.0)
    good = json.loads(bot.server.press(bot.server.posts[0], "ack", "alice").body)
    made: list[dict[str, Any]] = []
    leaves = st.none() | st.integers() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.dictionaries(st.sampled_from([*good, "x"]), leaves | st.dictionaries(st.just("page"), leaves), max_size=4))
    def make(thing: dict[str, Any]) -> None:
        made.append({**good, **thing})

    make()
    for thing in made:
        try:
            answer = await bot.driver.parse_inbound(inbound(Callback({}, json.dumps(thing).encode())))
        except (BadRequest, BadSignature):
            continue
        assert isinstance(answer, InboundAnswer)


async def test_a_webhook_has_links_and_no_secret_in_what_is_told(bot):
    address = f"{bot.server.url}/hooks/{HOOK}"
    await bot.driver.send(summons(address), KEY, 5.0)
    assert SECRET_TOKEN in bot.server.posts[0].text
    refused = await bot.driver.send(summons(f"{bot.server.url}/hooks/unknown"), KEY, 5.0)
    assert refused.outcome is Outcome.PERMANENT_TARGET
    assert "unknown" not in refused.detail


async def test_settings_name_the_only_private_server(bot, tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    around = Surroundings(ManualClock(NOW), "https://tocsin.example.test")
    set_up = mattermost.MattermostSettings(mattermost_url=bot.server.url, mattermost_token_file=tmp_path / "token")
    async with mattermost.open_mattermost(set_up, around) as [account]:
        assert (await account.driver.send(summons(), KEY, 5.0)).outcome is Outcome.ACCEPTED
        assert bot.server.posts[0].buttons["ack"]["integration"]["url"] == HERE
        assert (await account.driver.parse_inbound(inbound(bot.server.press(bot.server.posts[0], "ack", "alice")))).events
    async with mattermost.open_mattermost(mattermost.MattermostSettings(), around) as [account]:
        off = await account.driver.send(summons(), KEY, 5.0)
        refused = await account.driver.send(summons(f"{bot.server.url}/hooks/{HOOK}"), KEY, 5.0)
    assert "TOCSIN_MATTERMOST_URL" in off.detail
    assert (refused.outcome, "private" in refused.detail) == (Outcome.PERMANENT_TARGET, True)
