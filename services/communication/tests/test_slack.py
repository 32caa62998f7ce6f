"""What is special to Slack; what every channel must do is in channel_conformance.py."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import INCIDENT, KEY, NOW, SECRET_TOKEN, TAKEN, Arrived, ChannelConformance, How, outgoing, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_communication.channels import slack
from tocsin_communication.channels.channel import ChannelDriver, Outgoing
from tocsin_communication.channels.chat import Asides
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
from tocsin_communication.channels.slack import SlackDriver
from tocsin_communication.channels.slack_api import SlackApi
from tocsin_communication.channels.slack_words import RESENT, signature
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Callback, Plan, running
from tocsin_testkit.outside.slack import SIGNING_SECRET, TOKEN, FakeSlack, signed

AT = NOW.timestamp()


class SlackBench:
    """Slack in words that fit all channels."""

    kind = slack.KIND
    address = "U0ALICE"
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = True
    shows_links = False

    def __init__(self, server: FakeSlack, http: Any) -> None:
        self.server = server
        self.http = http
        self.asides = Asides()
        self.driver = self.at(server.url + "/api")

    def at(self, url: str) -> SlackDriver:
        return SlackDriver(SlackApi(self.http, url, TOKEN), ("the-next-one", SIGNING_SECRET), ManualClock(NOW), self.asides)

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived(message.page_id, message.text, RESENT in message.text) for message in self.server.messages]

    def now_shown(self) -> list[str]:
        return [message.text for message in self.server.messages]

    def nowhere(self) -> ChannelDriver:
        return self.at("http://127.0.0.1:1/api")


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[SlackBench]:
    async with running(FakeSlack(now=AT)) as server, http_client(["127.0.0.1"]) as http:
        made = SlackBench(server, http)
        yield made
        await made.asides.finish()


class TestSlack(ChannelConformance):
    """The suite, with the bench of this module."""


def summons(**changed: Any) -> Outgoing:
    made = outgoing(Channel.SLACK, SlackBench.address)
    return replace(made, page=replace(made.page, **changed))


def inbound(callback: Callback, path: str = "/actions") -> InboundRequest:
    return InboundRequest("POST", f"https://tocsin.example.test/hooks/channels/slack{path}", path, "", callback.headers, callback.body)


async def test_the_signature_is_the_published_one():
    body = b"payload=%7B%22type%22%3A%22block_actions%22%7D"
    expected = "v0=e2dd2c7eebf47553698c35fcda3437a3c19594601ef013f7db0ee3eca4c6159f"
    assert signature("tocsin-slack-secret", "1700000000", body) == expected


async def test_text_of_others_calls_nobody_and_links_to_nothing(bench):
    await bench.driver.send(summons(subject="<!channel> <https://evil.example|you>", body="<@U0BOB>"), KEY, 5.0)
    [message] = bench.server.messages
    assert message.said["text"].startswith("&lt;!channel&gt;")
    assert all(text["type"] == "plain_text" for block in message.said["blocks"] for text in [block.get("text")] if text)


async def test_long_text_is_cut_to_what_slack_takes(bench):
    receipt = await bench.driver.send(summons(subject="x" * 5000, body="y" * 50_000, resent_after_unknown=True), KEY, 5.0)
    assert receipt.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(("action", "kind"), [("ack", Acknowledge), ("esc", Escalate)])
async def test_each_button_comes_back_as_what_it_means(bench, action, kind):
    await bench.driver.send(summons(), KEY, 5.0)
    press = bench.server.press(bench.server.messages[0], action, "U0ALICE", AT)
    answer = await bench.driver.parse_inbound(inbound(press))
    [event] = answer.events
    assert isinstance(event, kind)
    assert (event.page_id, event.address) == (KEY, "U0ALICE")
    again = await bench.driver.parse_inbound(inbound(press))
    assert again.events[0].dedup_id == event.dedup_id


async def test_who_presses_hears_what_came_of_it_and_slack_gets_an_empty_answer(bench):
    await bench.driver.send(summons(), KEY, 5.0)
    answer = await bench.driver.parse_inbound(inbound(bench.server.press(bench.server.messages[0], "ack", "U0ALICE", AT)))
    assert answer.finish is not None
    said = answer.finish([Result(answer.events[0], True, "#7 <Checkout> is yours.")])
    assert (said.status, said.body) == (200, b"")
    await bench.asides.finish()
    [used] = bench.server.response_urls.values()
    assert used.uses == [{"response_type": "ephemeral", "replace_original": False, "text": "#7 &lt;Checkout&gt; is yours."}]


async def test_what_is_taken_can_only_be_resolved(bench):
    sent = await bench.driver.send(summons(), KEY, 5.0)
    [message] = bench.server.messages
    assert set(message.buttons) == {"ack", "esc", "open"}
    taken = replace(summons(), incident=TAKEN, acknowledge_url="", escalate_url="")
    await bench.driver.edit(taken, sent.provider_id, 5.0)
    assert set(message.buttons) == {"res", "open"}
    assert "Taken by bob." in message.text


async def test_an_incident_has_one_thread(bench):
    await bench.driver.send(summons(), KEY, 5.0)
    await bench.driver.send(summons(id="again"), "again", 5.0)
    await bench.driver.send(summons(id="taken", kind=Kind.TAKEN, summons_id=KEY), "taken", 5.0)
    root, again, taken = bench.server.messages
    assert "thread_ts" not in root.said
    assert (again.said["thread_ts"], again.said["reply_broadcast"]) == (root.ts, True)
    assert (taken.said["thread_ts"], taken.said["reply_broadcast"]) == (root.ts, False)
    found = await bench.driver.recover(summons(id="taken", kind=Kind.TAKEN, summons_id=KEY), "taken", 5.0)
    assert found is not None
    assert found.outcome is Outcome.ACCEPTED


async def test_a_driver_that_has_forgotten_finds_the_thread_by_the_summons(bench):
    await bench.driver.send(summons(), KEY, 5.0)
    await bench.at(bench.server.url + "/api").send(summons(id="over", kind=Kind.RESOLVED, summons_id=KEY), "over", 5.0)
    root, over = bench.server.messages
    assert over.said["thread_ts"] == root.ts


async def test_a_thread_that_was_deleted_does_not_hold_up_a_page(bench):
    await bench.driver.send(summons(), KEY, 5.0)
    bench.server.messages.clear()
    assert (await bench.driver.send(summons(id="again"), "again", 5.0)).outcome is Outcome.ACCEPTED


async def test_a_pace_that_is_too_fast_is_throttled_and_not_lost(bench):
    bench.server.pace, bench.server.clock = True, lambda: 100.0
    await bench.driver.send(summons(), KEY, 5.0)
    receipt = await bench.driver.send(summons(id="second"), "second", 5.0)
    assert receipt.outcome is Outcome.THROTTLED
    assert receipt.retry_after is not None
    assert receipt.retry_after.total_seconds() == 1.0


async def test_a_long_conversation_is_searched_page_by_page(bench):
    bench.next(How.DROP)
    await bench.driver.send(summons(incident_id=""), KEY, 5.0)
    for number in range(150):
        await bench.driver.send(summons(id=f"p{number}", incident_id=""), f"p{number}", 5.0)
    found = await bench.driver.recover(summons(incident_id=""), KEY, 5.0)
    assert found is not None
    assert found.provider_id == f"D0ALICE/{bench.server.messages[0].ts}"


@pytest.mark.parametrize("seconds", [-301, 301])
async def test_a_stale_request_is_refused(bench, seconds):
    with pytest.raises(BadSignature, match="ago"):
        await bench.driver.parse_inbound(inbound(bench.server.command("U0ALICE", "ack", AT + seconds)))


async def test_another_secret_and_a_changed_body_are_refused(bench):
    good = bench.server.command("U0ALICE", "ack", AT)
    for bad in (signed(good.body, AT, secret="wrong"), Callback(good.headers, good.body + b"x"), Callback({}, good.body)):
        with pytest.raises(BadSignature):
            await bench.driver.parse_inbound(inbound(bad))


async def test_a_slash_command_is_answered_at_once(bench):
    answer = await bench.driver.parse_inbound(inbound(bench.server.command("U0ALICE", "ack 4711", AT)))
    assert answer.events == (Said(address="U0ALICE", text="ack 4711", dedup_id="1.2.c"),)
    confirmed = await bench.driver.parse_inbound(inbound(bench.server.command("U0ALICE", "Confirm 7KQ2-abc", AT)))
    assert confirmed.events == (Registered(code="7KQ2-abc", address="U0ALICE", dedup_id="1.2.c"),)
    assert answer.finish is not None
    said = answer.finish([Result(answer.events[0], True, "Done.")])
    assert json.loads(said.body) == {"response_type": "ephemeral", "text": "Done."}


async def test_what_is_written_to_the_app_is_an_answer_once(bench):
    first = await bench.driver.parse_inbound(inbound(bench.server.writes("U0ALICE", "ack", AT), "/events"))
    again = await bench.driver.parse_inbound(inbound(bench.server.writes("U0ALICE", "ack", AT, retry=1), "/events"))
    assert first.events == again.events == (Said(address="U0ALICE", text="ack", dedup_id="Ev1"),)
    assert first.finish is not None
    first.finish([Result(first.events[0], True, "Done.")])
    await bench.asides.finish()
    assert bench.server.messages[-1].said["text"] == "Done."


async def test_a_new_address_for_events_is_confirmed(bench):
    answer = await bench.driver.parse_inbound(inbound(bench.server.handshake("xyz", AT), "/events"))
    assert (answer.events, answer.answer.body) == ((), b"xyz")


async def test_whatever_is_signed_is_understood_or_refused_in_words(bench):
    made: list[bytes] = []
    values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3))
    names = st.sampled_from(["type", "actions", "user", "id", "event", "text", "container", "value", "challenge", "channel", "event_id"])
    things = st.recursive(
        st.dictionaries(names, values, max_size=4) | st.sampled_from(["block_actions", "message", "event_callback", "ack:1"]),
        lambda inner: st.dictionaries(names, inner | st.lists(inner, max_size=2), max_size=4),
    )

    @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(things | st.binary(max_size=50))
    def make(thing: Any) -> None:
        made.append(thing if isinstance(thing, bytes) else json.dumps(thing).encode())

    make()
    for body in made:
        for kind in ("application/json", "application/x-www-form-urlencoded"):
            for content in (body, b"payload=" + body):
                try:
                    answer = await bench.driver.parse_inbound(inbound(signed(content, AT, kind)))
                except BadRequest:
                    continue
                assert isinstance(answer, InboundAnswer)
                if answer.finish:
                    answer.finish([])


async def test_without_settings_it_is_off_and_says_why():
    around = slack.Surroundings(ManualClock(NOW), "https://tocsin.example.test")
    async with slack.open_slack(slack.SlackSettings(), around) as [account]:
        assert account.off
        receipt = await account.driver.send(summons(), KEY, 1.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "TOCSIN_SLACK_TOKEN_FILE" in receipt.detail


async def test_without_a_signing_secret_buttons_open_links(bench):
    linking = SlackDriver(SlackApi(bench.http, bench.server.url + "/api", TOKEN), (), ManualClock(NOW), bench.asides)
    await linking.send(summons(), KEY, 5.0)
    [message] = bench.server.messages
    assert SECRET_TOKEN in message.buttons["ack"]["url"]
    assert "value" not in message.buttons["ack"]
    with pytest.raises(BadSignature):
        await linking.parse_inbound(inbound(bench.server.command("U0ALICE", "ack", AT)))


async def test_a_button_that_somebody_made_themselves_does_nothing(bench):
    await bench.driver.send(summons(), KEY, 5.0)
    [message] = bench.server.messages
    message.buttons["ack"]["value"] = message.buttons["ack"]["value"].replace(KEY, "0199f0a0-0000-7000-8000-0000000000ff")
    assert (await bench.driver.parse_inbound(inbound(bench.server.press(message, "ack", "U0BOB", AT)))).events == ()


async def test_with_settings_it_reaches_the_workspace(bench, tmp_path):
    for name, content in (("token", TOKEN), ("signing", SIGNING_SECRET)):
        (tmp_path / name).write_text(content + "\n")
    set_up = slack.SlackSettings(
        slack_token_file=tmp_path / "token", slack_signing_secret_file=tmp_path / "signing", slack_api_url=bench.server.url + "/api"
    )
    async with slack.open_slack(set_up, slack.Surroundings(ManualClock(NOW), "https://tocsin.example.test")) as [account]:
        assert (await account.driver.send(summons(), KEY, 5.0)).outcome is Outcome.ACCEPTED
        with pytest.raises(BadSignature):
            await account.driver.parse_inbound(request("/actions"))
    assert INCIDENT.title.split()[0] in bench.server.messages[0].text
