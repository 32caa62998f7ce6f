"""Telegram against a server that speaks its Bot API."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, PUBLIC_URL, TAKEN, Arrived, ChannelConformance, How, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_communication.channels import telegram
from tocsin_communication.channels.channel import ChannelDriver, Off, Surroundings
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import (
    Acknowledge,
    BadRequest,
    BadSignature,
    Escalate,
    InboundRequest,
    OptOut,
    Registered,
    Result,
    Said,
)
from tocsin_communication.channels.telegram import TelegramDriver, TelegramSettings, open_telegram
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Callback, Plan, running
from tocsin_testkit.outside.telegram import FakeTelegram
from tocsin_testkit.world import eventually

AROUND = Surroundings(ManualClock(NOW), PUBLIC_URL)


def as_request(callback: Callback) -> InboundRequest:
    return InboundRequest("POST", f"{PUBLIC_URL}/hooks/channels/telegram/updates", "/updates", "", callback.headers, callback.body)


class TelegramBench:
    """Telegram in words that fit all channels."""

    kind = telegram.KIND
    address = "555"
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = False
    shows_links = True

    def __init__(self, server: FakeTelegram, http: Any) -> None:
        self.server = server
        self._http = http
        self.driver: ChannelDriver = TelegramDriver(http, server.url, server.token, AROUND)
        server.webhook = {"url": "x", "secret_token": TelegramDriver(http, server.url, server.token, AROUND).secret}

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived("", message.text, telegram.RESENT in message.text) for message in self.server.messages]

    def now_shown(self) -> list[str]:
        return [message.text for message in self.server.messages]

    def nowhere(self) -> ChannelDriver:
        return TelegramDriver(self._http, "http://127.0.0.1:1", self.server.token, AROUND)

    async def one(self) -> Any:
        await self.driver.send(outgoing(Channel.TELEGRAM, "555"), KEY, 5.0)
        return self.server.messages[-1]

    async def told(self, callback: Callback) -> Any:
        return await self.driver.parse_inbound(as_request(callback))


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[TelegramBench]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(FakeTelegram()))
        yield TelegramBench(server, await stack.enter_async_context(http_client(["127.0.0.1"])))


class TestTelegram(ChannelConformance):
    """Everything that every channel must do."""


async def test_a_message_has_buttons_that_fit(bench):
    message = await bench.one()
    assert list(message.buttons) == ["Acknowledge", "Escalate", "Open"]
    assert all(len(button.get("callback_data", "").encode()) <= 64 for button in message.buttons.values())


@pytest.mark.parametrize(("button", "event"), [("Acknowledge", Acknowledge), ("Escalate", Escalate)])
async def test_a_press_answers_the_page_in_the_name_of_who_pressed(bench, button, event):
    message = await bench.one()
    answer = await bench.told(bench.server.press(message, button, user=777))
    assert answer.events == (event(dedup_id="telegram:1001", page_id=KEY, address="777"),)
    told = json.loads(answer.finish([Result(answer.events[0], True, "#7 Checkout fails is yours.")]).body)
    assert told.pop("method") == "answerCallbackQuery"
    assert bench.server.answer_query(told["callback_query_id"], told["text"])
    assert told["show_alert"] is False


async def test_a_press_that_came_too_late_is_told_loudly(bench):
    message = await bench.one()
    answer = await bench.told(bench.server.press(message, "Acknowledge"))
    told = json.loads(answer.finish([Result(answer.events[0], False, "x" * 500)]).body)
    assert told["show_alert"] is True
    assert bench.server.answer_query(told["callback_query_id"], told["text"])


async def test_the_same_update_twice_has_the_same_name(bench):
    message = await bench.one()
    press = bench.server.press(message, "Acknowledge")
    assert (await bench.told(press)).events == (await bench.told(press)).events


async def test_data_that_somebody_made_up_answers_nothing(bench):
    message = await bench.one()
    data = message.buttons["Acknowledge"]["callback_data"]
    for made_up in (data.replace(KEY, KEY[:-1] + "2"), data[:-1], data.replace("a:", "r:"), "", "a", "x:y:z", "a::é"):
        with pytest.raises(BadRequest):
            await bench.told(bench.server.press_data(message, made_up))


async def test_who_does_not_know_the_secret_is_refused(bench):
    message = await bench.one()
    press = bench.server.press(message, "Acknowledge")
    for headers in ({}, {"x-telegram-bot-api-secret-token": ""}, {"x-telegram-bot-api-secret-token": "é"}):
        with pytest.raises(BadSignature):
            await bench.told(replace(press, headers=headers))


async def test_the_buttons_follow_the_incident(bench):
    sent = await bench.driver.send(outgoing(Channel.TELEGRAM, "555"), KEY, 5.0)
    await bench.driver.edit(outgoing(Channel.TELEGRAM, "555", incident=TAKEN), sent.provider_id, 5.0)
    message = bench.server.messages[0]
    assert list(message.buttons) == ["Resolve", "Open"]
    assert message.text.startswith("👤 Taken by bob")
    resolved = replace(TAKEN, state=IncidentState.RESOLVED, resolve_reason="rolled back")
    await bench.driver.edit(outgoing(Channel.TELEGRAM, "555", incident=resolved), sent.provider_id, 5.0)
    assert list(message.buttons) == ["Open"]
    assert message.text.startswith("✅ Resolved: rolled back")


async def test_an_approval_is_asked_for_though_the_incident_is_taken(bench):
    asks = outgoing(Channel.TELEGRAM, "555", incident=TAKEN)
    await bench.driver.send(replace(asks, page=replace(asks.page, kind=Kind.APPROVAL)), KEY, 5.0)
    assert list(bench.server.messages[0].buttons) == ["Approve", "Deny", "Open"]


async def test_a_message_that_is_gone_cannot_be_edited(bench):
    receipt = await bench.driver.edit(outgoing(Channel.TELEGRAM, "555", incident=TAKEN), "555:1", 5.0)
    assert "message to edit not found" in receipt.detail
    assert not receipt.outcome.taken


async def test_the_wish_to_wait_is_heard(bench):
    bench.next(How.THROTTLE)
    receipt = await bench.driver.send(outgoing(Channel.TELEGRAM, "555"), KEY, 5.0)
    assert receipt.retry_after.total_seconds() == 7


@pytest.mark.parametrize(("chat", "words"), [("556", "chat not found"), ("557", "blocked")])
async def test_a_chat_that_is_not_there_is_a_dead_address(bench, chat, words):
    bench.server.blocked.add(557)
    receipt = await bench.driver.send(outgoing(Channel.TELEGRAM, chat), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_TARGET
    assert words in receipt.detail


async def test_a_group_that_has_moved_is_followed(bench):
    bench.server.migrated[-100123] = -100456
    bench.server.chats.add(-100456)
    receipt = await bench.driver.send(outgoing(Channel.TELEGRAM, "-100123"), KEY, 5.0)
    assert receipt.outcome is Outcome.ACCEPTED
    assert receipt.provider_id.startswith("-100456:")
    assert "change the contact method" in receipt.detail


async def test_a_wrong_token_is_a_flaw_of_the_installation_and_not_told(bench):
    driver = TelegramDriver(bench._http, bench.server.url, "1:wrong-wrong-wrong-wrong", AROUND)
    receipt = await driver.send(outgoing(Channel.TELEGRAM, "555"), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "wrong" not in receipt.detail


async def test_a_long_body_is_cut_and_keeps_its_link(bench):
    made = outgoing(Channel.TELEGRAM, "555")
    await bench.driver.send(replace(made, page=replace(made.page, body="Ä<&" * 5000)), KEY, 5.0)
    assert len(bench.server.messages[0].text) <= 4096
    assert made.acknowledge_url in bench.server.messages[0].text


async def test_a_code_names_the_chat_that_it_came_from(bench):
    answer = await bench.told(bench.server.text("/start c0de_42", user=999))
    assert answer.events == (Registered(dedup_id="telegram:1001", code="c0de_42", address="999"),)
    told = json.loads(answer.finish([Result(answer.events[0], True, "This chat is alice's now.")]).body)
    assert (told["method"], told["chat_id"], told["text"]) == ("sendMessage", 999, "This chat is alice's now.")
    in_a_group = await bench.told(bench.server.text("/start@tocsin_bot c0de_42", user=999, chat=-100123))
    assert in_a_group.events[0].address == "-100123"


async def test_words_are_passed_on(bench):
    answer = await bench.told(bench.server.text("ack 4711"))
    assert answer.events == (Said(dedup_id="telegram:1001", address="555", text="ack 4711"),)
    assert answer.finish([Result(answer.events[0], True, "")]).body == b""


async def test_who_blocks_the_bot_has_opted_out(bench):
    gone = await bench.told(bench.server.membership("kicked"))
    back = await bench.told(bench.server.membership("member"))
    assert gone.events + back.events == (
        OptOut(dedup_id="telegram:1001", address="555"),
        OptOut(dedup_id="telegram:1002", address="555", again=True),
    )


async def test_other_updates_say_nothing(bench):
    for update in ({"edited_message": {}}, {"message": {"photo": []}}, {"my_chat_member": {}}, {"message": 7}):
        assert (await bench.told(bench.server.update(**update))).events == ()


async def test_telegram_is_told_where_buttons_are_answered(bench, tmp_path: Path):
    (tmp_path / "token").write_text(bench.server.token + "\n")
    bench.server.webhook = {}
    told_by = TelegramSettings(telegram_token_file=tmp_path / "token", telegram_url=bench.server.url)
    async with open_telegram(told_by, AROUND) as [account]:

        async def told() -> bool:
            return bool(bench.server.webhook)

        await eventually(told, 30.0)
        assert bench.server.webhook["url"] == f"{PUBLIC_URL}/hooks/channels/telegram/updates"
        press = bench.server.press(await bench.one(), "Acknowledge")
        assert len((await account.driver.parse_inbound(as_request(press))).events) == 1


async def test_where_telegram_cannot_call_back_there_are_links_only(bench):
    driver = TelegramDriver(bench._http, bench.server.url, bench.server.token, Surroundings(ManualClock(NOW), "http://localhost:8080"))
    made = replace(outgoing(Channel.TELEGRAM, "555"), incident_url="http://localhost:8080/incidents/i1")
    assert (await driver.send(made, KEY, 5.0)).outcome is Outcome.ACCEPTED
    assert bench.server.messages[0].buttons == {}


async def test_without_a_token_it_is_off(tmp_path: Path):
    async with open_telegram(TelegramSettings(), AROUND) as [account]:
        assert isinstance(account.driver, Off)
    (tmp_path / "token").write_text("not a token")
    with pytest.raises(ValueError, match="is no token"):
        async with open_telegram(TelegramSettings(telegram_token_file=tmp_path / "token"), AROUND):
            pass


async def test_whatever_has_the_secret_is_read_or_refused(bench):
    updates = []
    names = st.sampled_from(
        ["callback_query", "message", "my_chat_member", "from", "chat", "id", "data", "text", "new_chat_member", "status"]
    )
    values = st.recursive(
        st.none() | st.integers() | st.sampled_from(["a:x:y", "/start c0de", "kicked", "ack", ""]) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
        max_leaves=12,
    )

    @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(names, values, max_size=4) | values)
    def made(update):
        updates.append(Callback({"x-telegram-bot-api-secret-token": bench.server.webhook["secret_token"]}, json.dumps(update).encode()))

    made()
    for update in updates:
        try:
            answer = await bench.told(update)
        except BadRequest:
            continue
        if answer.finish is not None:
            answer.finish([Result(event, True, "x" * 9000) for event in answer.events])
