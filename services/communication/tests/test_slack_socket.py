"""Socket Mode: what Slack tells us over a connection that we open."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, outgoing

from tocsin_communication.channels import slack_socket
from tocsin_communication.channels.chat import Asides
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import Acknowledge, InboundEvent, Result, Said
from tocsin_communication.channels.slack import SlackDriver
from tocsin_communication.channels.slack_api import SlackApi
from tocsin_communication.channels.slack_socket import SlackSocket, trusted
from tocsin_communication.contacts.contact import Channel
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import running
from tocsin_testkit.outside.slack import APP_TOKEN, SIGNING_SECRET, TOKEN, FakeSlack, socket_mode
from tocsin_testkit.world import eventually

SECONDS = 30.0


class Listening:
    """A driver that listens, and what it has taken."""

    def __init__(self, server: FakeSlack, http: Any) -> None:
        self.server = server
        self.driver = SlackDriver(SlackApi(http, f"{server.url}/api", TOKEN), (SIGNING_SECRET,), ManualClock(NOW), Asides())
        self.socket = SlackSocket(SlackApi(http, f"{server.url}/api", APP_TOKEN).open_socket, self.driver.heard)
        self.taken: list[InboundEvent] = []
        self.problem: Exception | None = None

    async def take(self, event: InboundEvent) -> Result:
        if self.problem is not None:
            raise self.problem
        self.taken.append(event)
        return Result(event, True, "Done.")

    async def until(self, condition: Callable[[], object], what: str) -> None:
        async def true() -> bool:
            return bool(condition())

        await eventually(true, SECONDS, what)


@pytest_asyncio.fixture
async def listening(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    monkeypatch.setattr(slack_socket, "WAITS", (0.02,))
    async with running(FakeSlack(now=NOW.timestamp())) as server, socket_mode(server), http_client(["127.0.0.1"]) as http:
        made = Listening(server, http)
        task = asyncio.create_task(made.socket.listen(made.take))
        await made.until(lambda: server.sockets, "a connection")
        yield made
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_press_is_taken_and_confirmed(listening):
    await listening.driver.send(outgoing(Channel.SLACK, "U0ALICE"), KEY, 5.0)
    await listening.server.tell("interactive", listening.server.pressed(listening.server.messages[0], "ack", "U0ALICE"))
    await listening.until(lambda: listening.server.confirmed, "a confirmation")
    assert listening.server.confirmed == [{"envelope_id": "e-1"}]
    [event] = listening.taken
    assert isinstance(event, Acknowledge)
    assert (event.page_id, event.address) == (KEY, "U0ALICE")


async def test_a_slash_command_is_answered_with_its_confirmation(listening):
    await listening.server.tell("slash_commands", {"command": "/tocsin", "user_id": "U0ALICE", "text": "ack 7", "trigger_id": "t"})
    await listening.until(lambda: listening.server.confirmed, "a confirmation")
    assert listening.server.confirmed == [{"envelope_id": "e-1", "payload": {"response_type": "ephemeral", "text": "Done."}}]
    assert listening.taken == [Said(address="U0ALICE", text="ack 7", dedup_id="t")]


async def test_the_next_connection_is_there_before_the_old_one_ends(listening):
    [old] = listening.server.sockets
    await old.send(json.dumps({"type": "disconnect", "reason": "warning"}))
    await listening.until(lambda: len(listening.server.sockets) == 2, "two connections")
    for number, socket in enumerate(list(listening.server.sockets)):
        told = {"type": "slash_commands", "envelope_id": f"e-{number}", "payload": {"user_id": "U0ALICE", "text": "ack", "trigger_id": "t"}}
        await socket.send(json.dumps(told))
    await listening.until(lambda: len(listening.server.confirmed) == 2, "both are heard")


async def test_a_connection_that_breaks_is_opened_again(listening):
    [old] = listening.server.sockets
    old.transport.abort()
    await listening.until(lambda: listening.server.sockets and listening.server.sockets != [old], "another connection")
    listening.server.tickets.clear()
    await listening.server.sockets[0].close()
    await listening.until(lambda: listening.server.sockets, "another one")


async def test_what_cannot_be_taken_is_not_confirmed_and_ends_nothing(listening):
    listening.problem = RuntimeError("the database is away")
    await listening.server.tell("events_api", {"type": "event_callback"}, "e-0")
    await listening.server.tell("slash_commands", {"user_id": "U0ALICE", "text": "ack", "trigger_id": "t"}, "e-1")
    for junk in ("not json", "[]", '{"type": 7}', '{"type": "interactive"}', '{"type": "new", "envelope_id": "e-2", "payload": {}}'):
        await listening.server.sockets[0].send(junk)
    await listening.until(lambda: listening.server.confirmed, "what needs nothing is confirmed")
    listening.problem = None
    await listening.server.tell("slash_commands", {"user_id": "U0ALICE", "text": "ack", "trigger_id": "t"}, "e-3")
    await listening.until(lambda: len(listening.server.confirmed) == 2, "the next one is confirmed")
    assert [confirmed["envelope_id"] for confirmed in listening.server.confirmed] == ["e-0", "e-3"]
    assert len(listening.server.sockets) == 1


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("wss://wss-primary.slack.com/link/?ticket=1", True),
        ("ws://127.0.0.1:1/", True),
        ("ws://slack.com/", False),
        ("https://slack.com/", False),
    ],
)
def test_only_encrypted_connections_are_opened(url, good):
    assert trusted(url) is good
