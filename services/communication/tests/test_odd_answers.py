"""Whatever a provider answers is a receipt: no driver raises, and nothing that was not taken for sure counts as taken."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, outgoing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_communication.channels.channel import ChannelDriver
from tocsin_communication.channels.chat import Asides, Buttons
from tocsin_communication.channels.discord import DiscordApi, DiscordBot, DiscordWebhooks
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.mattermost import MattermostApi, MattermostBot, MattermostWebhooks
from tocsin_communication.channels.slack import SlackDriver
from tocsin_communication.channels.slack_api import SlackApi
from tocsin_communication.channels.teams import Bot, BotConnector, TeamsBot, TeamsWorkflows
from tocsin_communication.channels.teams_identity import BotKeys, BotToken
from tocsin_communication.channels.webhook import UpdatingWebhookChannel, WebhookSecret
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import HttpRequest, HttpResponse, OutsideServer, running

PERSON = "0a0a0a0a-1111-4222-8333-444444444444"
STATUSES = (200, 201, 202, 204, 301, 400, 401, 403, 404, 408, 410, 412, 413, 418, 429, 500, 502, 503, 504)
NAMES = ("ok", "error", "needed", "ts", "channel", "id", "messages", "metadata", "response_metadata", "next_cursor", "code", "message")
MORE = ("retry_after", "posts", "props", "access_token", "expires_in", "embeds", "footer", "text", "event_payload", "event_type")
# Enough to be led further in.
PLAUSIBLE = {"ok": True, "id": "7", "ts": "1.2", "channel": {"id": "D1"}, "access_token": "t", "expires_in": 3600}


class Odd(OutsideServer):
    """Answers with the next of what it was given, whatever it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[tuple[int, bytes, str]] = []
        self._next = 0

    async def answer(self, request: HttpRequest) -> HttpResponse:
        status, body, wait = self.answers[self._next % len(self.answers)]
        self._next += 1
        return HttpResponse(status, b"" if status == 204 else body, {"retry-after": wait, "content-type": "application/json"})


def invented() -> list[tuple[int, bytes, str]]:
    """Answers that no documentation describes."""
    made: list[tuple[int, bytes, str]] = []
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**30)
    names = st.sampled_from(NAMES + MORE)
    things = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=4))
    likely = st.dictionaries(names, things, max_size=4).map(lambda found: {**PLAUSIBLE, **found})
    bodies = likely | likely | st.lists(likely, max_size=3) | things | st.binary(max_size=20)
    waits = st.sampled_from(["", "1", "-1", "nan", "inf", "1e9", "soon"])

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from((200,) * 20 + STATUSES), bodies, waits)
    def make(status: int, body: Any, wait: str) -> None:
        made.append((status, body if isinstance(body, bytes) else json.dumps(body).encode(), wait))

    make()
    return made


@pytest_asyncio.fixture
async def odd() -> AsyncIterator[Odd]:
    async with running(Odd()) as server:
        yield server


def drivers(http: Any, url: str) -> dict[str, tuple[ChannelDriver, Channel, str]]:
    """Each with an address that it would use."""
    clock, bot = ManualClock(NOW), Bot("app", "tenant", url)
    token = BotToken(http, f"{url}/token", "app", "secret", clock)
    teams = TeamsBot(BotConnector(http, bot, token), BotKeys(http, url, clock), bot, Buttons(["s"]), clock, Asides())
    mattermost = MattermostBot(MattermostApi(http, url, "t"), Buttons(["s"]), f"{url}/hook")
    secret = WebhookSecret("whsec_dG9jc2luLXdlYmhvb2stc2VjcmV0LTI0")
    return {
        "slack": (SlackDriver(SlackApi(http, url, "t"), ("s",), clock, Asides()), Channel.SLACK, "U0ALICE"),
        "teams": (teams, Channel.TEAMS, PERSON),
        "workflow": (TeamsWorkflows(http), Channel.TEAMS, f"{url}/workflow"),
        "mattermost": (mattermost, Channel.MATTERMOST, "@alice"),
        "incoming": (MattermostWebhooks(http), Channel.MATTERMOST, f"{url}/hooks/x"),
        "discord": (DiscordBot(DiscordApi(http, url, "t"), Buttons(["s"]), None, clock), Channel.DISCORD, "user:80351110224678912"),
        "discord webhook": (DiscordWebhooks(http), Channel.DISCORD, f"{url}/api/webhooks/1/x"),
        "webhook": (UpdatingWebhookChannel(http, secret, clock), Channel.WEBHOOK, f"{url}/in"),
    }


@pytest.mark.parametrize("name", ["slack", "teams", "workflow", "mattermost", "incoming", "discord", "discord webhook", "webhook"])
async def test_whatever_is_answered_is_a_receipt(odd, name):
    odd.answers = invented()
    async with http_client(["127.0.0.1"]) as http:
        for _ in odd.answers[:60]:
            driver, channel, address = drivers(http, odd.url)[name]
            made = outgoing(channel, address)
            told = [
                await driver.send(made, KEY, 5.0),
                await driver.edit(made, "a/b|c", 5.0),
                await driver.recover(made, KEY, 5.0),
            ]
            for receipt in told:
                assert receipt is None or isinstance(receipt, Receipt)
                if receipt is not None and receipt.outcome is Outcome.THROTTLED and receipt.retry_after is not None:
                    assert 0 <= receipt.retry_after.total_seconds() <= 86_400
                assert receipt is None or len(receipt.detail) < 1000
            # Whoever is led on by a success that names no message would never look for it again.
            sent = told[0]
            assert sent is not None
            assert not sent.outcome.taken or sent.provider_id
