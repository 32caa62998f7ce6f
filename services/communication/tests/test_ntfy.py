"""ntfy against a server that speaks its protocol, and a phone that presses buttons."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, PUBLIC_URL, TAKEN, Arrived, ChannelConformance, How, outgoing

from tocsin_communication.channels import ntfy
from tocsin_communication.channels.channel import ChannelDriver, Off, Surroundings
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.ntfy import NtfyDriver, NtfySettings, authorization, open_ntfy
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Plan, running
from tocsin_testkit.outside.ntfy import FakeNtfy

TOPIC = "tocsin-alice-9f3c"


class NtfyBench:
    """ntfy in words that fit all channels."""

    kind = ntfy.KIND
    address = TOPIC
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = True
    shows_links = True

    def __init__(self, server: FakeNtfy, http: Any) -> None:
        self.server = server
        self._http = http
        self.driver: ChannelDriver = self.with_token(server.token)

    def with_token(self, token: str) -> NtfyDriver:
        return NtfyDriver(self._http, self.server.url, token, ManualClock(NOW))

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        return [Arrived(m.get("sequence_id", ""), _text(m), ntfy.RESENT in m["message"]) for m in self.server.messages]

    def now_shown(self) -> list[str]:
        return [_text(message) for message in self.server.phone(TOPIC)]

    def nowhere(self) -> ChannelDriver:
        return NtfyDriver(self._http, "http://127.0.0.1:1", self.server.token, ManualClock(NOW))

    async def one(self) -> Any:
        return await self.driver.send(outgoing(Channel.NTFY, TOPIC), KEY, 5.0)


def _text(message: dict[str, Any]) -> str:
    return " ".join([message["title"], message["message"], *(action["url"] for action in message["actions"])])


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[NtfyBench]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(FakeNtfy(now=int(NOW.timestamp()))))
        yield NtfyBench(server, await stack.enter_async_context(http_client(["127.0.0.1"])))


class TestNtfy(ChannelConformance):
    """Everything that every channel must do."""


async def test_a_page_is_loud_and_can_be_answered_on_the_phone(bench):
    await bench.one()
    [message] = bench.server.phone(TOPIC)
    assert (message["priority"], message["tags"]) == (5, ["rotating_light"])
    assert [(action["label"], action["action"]) for action in message["actions"]] == [
        ("Acknowledge", "http"),
        ("Escalate", "http"),
        ("Open", "view"),
    ]
    made = outgoing(Channel.NTFY, TOPIC)
    assert [action["url"] for action in message["actions"]] == [made.acknowledge_url, made.escalate_url, made.incident_url]
    assert {action["method"] for action in message["actions"][:2]} == {"POST"}


async def test_a_button_asks_the_pages_link(bench, web_server):
    made = replace(outgoing(Channel.NTFY, TOPIC), acknowledge_url=f"{web_server.url}/a/token")
    await bench.driver.send(made, KEY, 5.0)
    assert await bench.server.press(bench.server.phone(TOPIC)[0], "Acknowledge") == 200
    assert [request.path for request in web_server.requests] == ["/hook/a/token"]


async def test_a_repeat_takes_the_place_of_the_first(bench):
    bench.next(How.DROP)
    await bench.one()
    await bench.one()
    assert len(bench.server.messages) == 2
    assert len(bench.server.phone(TOPIC)) == 1


async def test_what_is_over_is_quiet_and_has_no_buttons_left(bench):
    sent = await bench.one()
    resolved = replace(TAKEN, state=IncidentState.RESOLVED, resolve_reason="rolled back")
    await bench.driver.edit(outgoing(Channel.NTFY, TOPIC, incident=resolved), sent.provider_id, 5.0)
    [message] = bench.server.phone(TOPIC)
    assert message["message"].startswith("Resolved: rolled back")
    assert message["priority"] == 2
    assert [action["label"] for action in message["actions"]] == ["Open"]


async def test_an_old_server_would_ring_again_so_nothing_is_edited(bench):
    bench.server.updates = False
    sent = await bench.one()
    assert await bench.driver.edit(outgoing(Channel.NTFY, TOPIC, incident=TAKEN), sent.provider_id, 5.0) is None
    found = await bench.driver.recover(outgoing(Channel.NTFY, TOPIC), KEY, 5.0)
    assert found is not None
    assert found.outcome is Outcome.ACCEPTED
    assert len(bench.server.messages) == 1


async def test_who_may_only_write_cannot_look(bench):
    bench.server.readable = False
    await bench.one()
    assert await bench.driver.recover(outgoing(Channel.NTFY, TOPIC), KEY, 5.0) is None


async def test_limits_without_a_time_have_one_all_the_same(bench):
    bench.next(How.THROTTLE)
    assert (await bench.one()).retry_after == timedelta(seconds=5)


@pytest.mark.parametrize("token", ["", "tk_wrong-wrong"])
async def test_a_wrong_token_is_a_flaw_of_the_installation_and_not_told(bench, token):
    receipt = await bench.with_token(token).send(outgoing(Channel.NTFY, TOPIC), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "wrong-wrong" not in receipt.detail


async def test_a_topic_of_unified_push_that_nobody_hears_is_a_dead_address(bench):
    receipt = await bench.driver.send(outgoing(Channel.NTFY, "upAbc123"), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_TARGET


@pytest.mark.parametrize("sign", ["Ä🔥", '"\\', "\x00\n"])
async def test_a_long_body_stays_a_message(bench, sign):
    made = outgoing(Channel.NTFY, TOPIC)
    long = replace(made, page=replace(made.page, subject=sign * 75, body=sign * 3000))
    assert (await bench.driver.send(long, KEY, 5.0)).outcome is Outcome.ACCEPTED
    assert bench.server.messages[0]["message"].startswith(sign)


async def test_what_only_tells_does_not_ring(bench):
    await bench.driver.send(outgoing(Channel.NTFY, TOPIC, incident=TAKEN, kind=Kind.TAKEN), KEY, 5.0)
    assert bench.server.messages[0]["priority"] == 2


async def test_a_topic_may_be_an_address_at_the_server_that_is_set_up(bench):
    own = f"{bench.server.url}/{TOPIC}"
    assert ntfy.topic_flaw(own) == ""
    sent = await bench.driver.send(outgoing(Channel.NTFY, own), KEY, 5.0)
    edited = await bench.driver.edit(outgoing(Channel.NTFY, own, incident=TAKEN), sent.provider_id, 5.0)
    assert edited is not None
    assert len(bench.server.phone(TOPIC)) == 1
    other = await bench.driver.send(outgoing(Channel.NTFY, "https://ntfy.example.test/tocsin"), KEY, 5.0)
    assert other.outcome is Outcome.PERMANENT_TARGET
    assert "another server" in other.detail


@pytest.mark.parametrize("topic", ["docs", "v1", "a/b", "ä", "x" * 65, "https://ntfy.sh/v1", "https://ntfy.sh/", "https://u:p@ntfy.sh/t"])
def test_a_name_that_is_no_topic_is_refused(topic):
    assert ntfy.topic_flaw(topic)


def test_a_user_can_stand_in_for_a_token():
    assert authorization("tk_abc") == "Bearer tk_abc"
    assert authorization("alice:secret") == "Basic YWxpY2U6c2VjcmV0"


async def test_it_is_set_up_by_an_address_and_a_token(bench, tmp_path: Path):
    around = Surroundings(ManualClock(NOW), PUBLIC_URL)
    (tmp_path / "token").write_text(bench.server.token + "\n")
    async with open_ntfy(NtfySettings(ntfy_url=bench.server.url, ntfy_token_file=tmp_path / "token"), around) as [account]:
        assert (await account.driver.send(outgoing(Channel.NTFY, TOPIC), KEY, 5.0)).outcome is Outcome.ACCEPTED
    async with open_ntfy(NtfySettings(), around) as [account]:
        assert isinstance(account.driver, Off)
    with pytest.raises(ValueError, match="TOCSIN_NTFY_URL"):
        async with open_ntfy(NtfySettings(ntfy_url="ntfy.sh"), around):
            pass
