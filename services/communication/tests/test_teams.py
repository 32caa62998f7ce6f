"""What is special to Microsoft Teams; what every channel must do is in channel_conformance.py."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, SECRET_TOKEN, TAKEN, Arrived, ChannelConformance, How, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import RSAKey

from tocsin_communication.channels import teams
from tocsin_communication.channels.channel import ChannelDriver, Outgoing, Surroundings
from tocsin_communication.channels.chat import RESENT, Asides, Buttons, UrlsAndBot
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import (
    Acknowledge,
    BadRequest,
    BadSignature,
    Escalate,
    InboundAnswer,
    InboundRequest,
    Registered,
    Result,
    Said,
)
from tocsin_communication.channels.teams import Bot, BotConnector, TeamsBot, TeamsWorkflows
from tocsin_communication.channels.teams_identity import BotKeys, BotToken
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Callback, Plan, running
from tocsin_testkit.outside.teams import ALICE, APP_ID, APP_SECRET, CHANNEL, TENANT, FakeTeams

AT = NOW.timestamp()


class TeamsBench:
    """The bot in words that fit all channels."""

    kind = teams.KIND
    address = ALICE
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = False
    shows_links = False

    def __init__(self, server: FakeTeams, http: Any) -> None:
        self.server = server
        self.http = http
        self.clock = ManualClock(NOW)
        self.asides = Asides()
        self.driver = self.at(server.service_url)

    def at(self, service_url: str, secret: str = APP_SECRET, login_url: str = "") -> UrlsAndBot:
        bot = Bot(APP_ID, TENANT, service_url)
        token = BotToken(self.http, login_url or self.server.login_url, APP_ID, secret, self.clock)
        keys = BotKeys(self.http, self.server.openid_url, self.clock)
        return UrlsAndBot(
            TeamsWorkflows(self.http), TeamsBot(BotConnector(self.http, bot, token), keys, bot, Buttons([secret]), self.clock, self.asides)
        )

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [
            Arrived(message.said["channelData"]["tocsin"]["key"], message.text, RESENT in message.text) for message in self.server.messages
        ]

    def now_shown(self) -> list[str]:
        return [message.text for message in self.server.messages]

    def nowhere(self) -> ChannelDriver:
        return self.at("http://127.0.0.1:1")


class WorkflowBench(TeamsBench):
    """Workflows in words that fit all channels."""

    edits = False
    shows_links = True

    def __init__(self, server: FakeTeams, http: Any) -> None:
        super().__init__(server, http)
        self.address = server.workflow_url

    def arrived(self) -> list[Arrived]:
        return [Arrived("", message.text, RESENT in message.text) for message in self.server.posted_by_workflow]

    def now_shown(self) -> list[str]:
        return [arrived.text for arrived in self.arrived()]

    def nowhere(self) -> ChannelDriver:
        return _Elsewhere(self.driver)


class _Elsewhere(UrlsAndBot):
    """Workflows know their server by the page's address alone."""

    def __init__(self, driver: UrlsAndBot) -> None:
        self._urls, self._bot = driver._urls, driver._bot

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Any:
        page = replace(outgoing.page, address="http://127.0.0.1:1/workflows/w1")
        return await super().send(replace(outgoing, page=page), idempotency_key, seconds)


@pytest_asyncio.fixture
async def bot() -> AsyncIterator[TeamsBench]:
    async with running(FakeTeams()) as server, http_client(["127.0.0.1"]) as http:
        made = TeamsBench(server, http)
        yield made
        await made.asides.finish()


class TestTeamsBot(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, bot: TeamsBench) -> TeamsBench:
        return bot


class TestTeamsWorkflow(ChannelConformance):
    @pytest_asyncio.fixture
    async def bench(self, bot: TeamsBench) -> TeamsBench:
        return WorkflowBench(bot.server, bot.http)


def summons(address: str = ALICE, **changed: Any) -> Outgoing:
    made = outgoing(Channel.TEAMS, address)
    return replace(made, page=replace(made.page, **changed))


def inbound(callback: Callback) -> InboundRequest:
    url = "https://tocsin.example.test/hooks/channels/teams/messages"
    return InboundRequest("POST", url, "/messages", "", callback.headers, callback.body)


async def test_a_token_is_fetched_once_and_again_before_it_expires(bot):
    for number in range(3):
        await bot.driver.send(summons(id=f"p{number}"), f"p{number}", 5.0)
    assert bot.server.signed_in == 1
    bot.clock.forward(timedelta(minutes=56))
    await bot.driver.send(summons(id="late"), "late", 5.0)
    assert bot.server.signed_in == 2


async def test_a_token_that_is_refused_is_fetched_anew_once(bot):
    await bot.driver.send(summons(), KEY, 5.0)
    bot.server.tokens.clear()
    assert (await bot.driver.send(summons(id="second"), "second", 5.0)).outcome is Outcome.ACCEPTED
    assert bot.server.signed_in == 2


async def test_a_wrong_secret_is_told_as_a_fault_of_the_set_up(bot):
    receipt = await bot.at(bot.server.service_url, secret="wrong").send(summons(), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "invalid_client" in receipt.detail


async def test_silence_at_the_sign_in_means_that_no_page_has_left(bot):
    receipt = await bot.at(bot.server.service_url, login_url="http://127.0.0.1:1/token").send(summons(), KEY, 5.0)
    assert receipt.outcome is Outcome.TRANSIENT


async def test_somebody_without_the_app_cannot_be_reached(bot):
    receipt = await bot.driver.send(summons("0b0b0b0b-1111-4222-8333-444444444444"), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_TARGET
    assert "BotNotInConversationRoster" in receipt.detail


async def test_the_longest_page_fits(bot):
    sent = await bot.driver.send(summons(subject="\U0001f525" * 500, body="\U0001f525" * 20_000, resent_after_unknown=True), KEY, 5.0)
    assert sent.outcome is Outcome.ACCEPTED
    assert (await bot.driver.send(summons(bot.server.workflow_url, body="\U0001f525" * 20_000), KEY, 5.0)).outcome is Outcome.ACCEPTED


async def test_a_channel_has_one_thread_an_incident_which_may_be_deleted(bot):
    await bot.driver.send(summons(CHANNEL), KEY, 5.0)
    await bot.driver.send(summons(CHANNEL, id="taken", kind=Kind.TAKEN, summons_id=KEY), "taken", 5.0)
    root, taken = bot.server.messages
    assert taken.conversation == f"{CHANNEL};messageid={root.id}"
    bot.server.messages.clear()
    assert (await bot.driver.send(summons(CHANNEL, id="again"), "again", 5.0)).outcome is Outcome.ACCEPTED
    assert bot.server.messages[0].conversation == CHANNEL


@pytest.mark.parametrize("way", ["invoke", "submit"])
@pytest.mark.parametrize(("verb", "kind"), [("ack", Acknowledge), ("esc", Escalate)])
async def test_each_button_comes_back_as_what_it_means(bot, way, verb, kind):
    await bot.driver.send(summons(), KEY, 5.0)
    press = getattr(bot.server, way)(bot.server.messages[0], verb, AT)
    answer = await bot.driver.parse_inbound(inbound(press))
    [event] = answer.events
    assert isinstance(event, kind)
    assert (event.page_id, event.address, event.dedup_id) == (KEY, ALICE, "f:1")


async def test_a_button_that_somebody_made_themselves_does_nothing(bot):
    await bot.driver.send(summons(), KEY, 5.0)
    [message] = bot.server.messages
    message.buttons["ack"]["data"]["tocsin"] = message.buttons["ack"]["data"]["tocsin"].replace("ack", "esc")
    answer = await bot.driver.parse_inbound(inbound(bot.server.invoke(message, "ack", AT)))
    assert (answer.events, answer.answer.status) == ((), 501)


async def test_who_presses_is_answered_in_the_answer(bot):
    await bot.driver.send(summons(), KEY, 5.0)
    answer = await bot.driver.parse_inbound(inbound(bot.server.invoke(bot.server.messages[0], "ack", AT)))
    assert answer.finish is not None
    said = json.loads(answer.finish([Result(answer.events[0], True, "#7 is yours.")]).body)
    assert said == {"statusCode": 200, "type": "application/vnd.microsoft.activity.message", "value": "#7 is yours."}


async def test_who_writes_is_answered_in_a_message(bot):
    answer = await bot.driver.parse_inbound(inbound(bot.server.writes("<at>Tocsin</at> ack 4711", AT)))
    assert answer.events == (Said(address=ALICE, text="ack 4711", dedup_id="f:1"),)
    assert answer.finish is not None
    answer.finish([Result(answer.events[0], True, "#7 is yours.")])
    await bot.asides.finish()
    assert bot.server.messages[-1].text == "#7 is yours."
    answer = await bot.driver.parse_inbound(inbound(bot.server.writes("confirm 7KQ2-abc", AT)))
    assert answer.events == (Registered(code="7KQ2-abc", address=ALICE, dedup_id="f:1"),)


async def test_a_burst_into_one_conversation_is_throttled_and_not_lost(bot):
    bot.server.pace, bot.server.clock = True, lambda: 100.0
    sent = [await bot.driver.send(summons(id=f"p{number}"), f"p{number}", 5.0) for number in range(9)]
    assert {receipt.outcome for receipt in sent[:7]} == {Outcome.ACCEPTED}
    assert {receipt.outcome for receipt in sent[7:]} == {Outcome.THROTTLED}
    assert len(bot.server.messages) == 7


async def test_what_is_taken_can_only_be_resolved(bot):
    sent = await bot.driver.send(summons(), KEY, 5.0)
    [message] = bot.server.messages
    assert set(message.buttons) == {"ack", "esc"}
    await bot.driver.edit(replace(summons(), incident=TAKEN, acknowledge_url="", escalate_url=""), sent.provider_id, 5.0)
    assert set(message.buttons) == {"res"}


async def test_a_workflow_has_links_and_no_buttons(bot):
    await bot.driver.send(summons(bot.server.workflow_url), KEY, 5.0)
    [message] = bot.server.posted_by_workflow
    assert not message.buttons
    assert [action["title"] for action in message.card["actions"]] == ["Acknowledge", "Escalate", "Open"]
    assert SECRET_TOKEN in message.text


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": "another-app"},
        {"iss": "https://login.microsoftonline.com"},
        {"exp": int(AT) - 301},
        {"exp": None},
        {"nbf": int(AT) + 301},
        {"serviceurl": "https://evil.example"},
        {"serviceurl": None},
        {"algorithm": "HS256"},
        {"algorithm": "none"},
    ],
)
async def test_a_token_that_is_not_for_us_is_refused(bot, wrong):
    activity = bot.server.activity("message", ALICE, "f:1", text="ack")
    with pytest.raises(BadSignature):
        await bot.driver.parse_inbound(inbound(bot.server.signed(activity, AT, **wrong)))


async def test_a_key_that_may_not_vouch_for_teams_is_refused(bot):
    bot.server.endorsements = ["webchat"]
    with pytest.raises(BadSignature, match="vouch"):
        await bot.driver.parse_inbound(inbound(bot.server.writes("ack", AT)))


async def test_another_tenant_is_refused(bot):
    activity = bot.server.activity("message", ALICE, "f:1", text="ack", channelData={"tenant": {"id": "another"}})
    with pytest.raises(BadSignature, match="tenant"):
        await bot.driver.parse_inbound(inbound(bot.server.signed(activity, AT)))


async def test_keys_are_kept_and_a_stranger_cannot_make_us_ask_all_the_time(bot):
    good = bot.server.writes("ack", AT)
    for _ in range(5):
        await bot.driver.parse_inbound(inbound(good))
    assert bot.server.keys_asked == 1
    bot.server.key = RSAKey.generate_key(2048, {"kid": "key-2", "use": "sig"})
    for _ in range(5):
        with pytest.raises(BadSignature):
            await bot.driver.parse_inbound(inbound(bot.server.writes("ack", AT)))
    assert bot.server.keys_asked == 1


async def test_an_exchanged_key_is_learned(bot):
    await bot.driver.parse_inbound(inbound(bot.server.writes("ack", AT)))
    bot.clock.forward(timedelta(days=1, seconds=1))
    bot.server.key = RSAKey.generate_key(2048, {"kid": "key-1", "use": "sig"})
    assert (await bot.driver.parse_inbound(inbound(bot.server.writes("ack", bot.clock.now().timestamp())))).events


async def test_whatever_is_signed_is_understood_or_refused_in_words(bot):
    made: list[Any] = []
    names = st.sampled_from(["type", "value", "action", "data", "tocsin", "from", "text", "id", "name", "conversation", "channelData"])
    leaves = st.none() | st.integers() | st.text(max_size=9) | st.sampled_from(["invoke", "message", "adaptiveCard/action", "ack:1"])
    things = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4))

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.dictionaries(names, things, max_size=6) | st.binary(max_size=40))
    def make(thing: Any) -> None:
        made.append(thing)

    make()
    token = bot.server.writes("ack", AT).headers
    for thing in made:
        body = thing if isinstance(thing, bytes) else json.dumps({**bot.server.activity("message", ALICE, "f:1"), **thing}).encode()
        try:
            answer = await bot.driver.parse_inbound(inbound(Callback(token, body)))
        except (BadRequest, BadSignature):
            continue
        assert isinstance(answer, InboundAnswer)
        if answer.finish:
            answer.finish([])


async def test_without_settings_only_workflows_are_left(tmp_path):
    async with teams.open_teams(teams.TeamsSettings(), Surroundings(ManualClock(NOW), "https://tocsin.example.test")) as [account]:
        receipt = await account.driver.send(summons(), KEY, 1.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "TOCSIN_TEAMS_APP_ID" in receipt.detail


async def test_a_workflow_does_not_reach_inside(bot, tmp_path):
    (tmp_path / "secret").write_text(APP_SECRET)
    set_up = teams.TeamsSettings(
        teams_app_id=APP_ID,
        teams_tenant_id=TENANT,
        teams_app_secret_file=tmp_path / "secret",
        teams_service_url=bot.server.service_url,
        teams_login_url=bot.server.url,
        teams_openid_url=bot.server.openid_url,
    )
    async with teams.open_teams(set_up, Surroundings(ManualClock(NOW), "https://tocsin.example.test")) as [account]:
        assert (await account.driver.send(summons(), KEY, 5.0)).outcome is Outcome.ACCEPTED
        refused = await account.driver.send(summons(bot.server.workflow_url), KEY, 5.0)
    assert refused.outcome is Outcome.PERMANENT_TARGET
    assert "private" in refused.detail


@pytest.mark.parametrize("address", ["alice@example.org", "29:abc", "19:x@evil", "ftp://x.example/"])
def test_what_is_no_address_is_refused(address):
    assert teams.address_flaw(address)
