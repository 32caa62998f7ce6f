"""What the chats share, and the way from a press to its answer."""

import asyncio
import json
import re
from dataclasses import replace
from typing import Any

import pytest
from channel_conformance import INCIDENT, KEY, NOW, PUBLIC_URL, TAKEN, outgoing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tocsin_communication.channels.channel import Account, Outgoing
from tocsin_communication.channels.chat import MOST_KEPT, Asides, Button, Buttons, Kept, clip, plain_markdown, state_line
from tocsin_communication.channels.discord import DiscordApi, DiscordBot
from tocsin_communication.channels.hooks import Hooks
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import Acknowledge, InboundEvent, Result
from tocsin_communication.channels.slack import SlackDriver
from tocsin_communication.channels.slack_api import SlackApi
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside import discord, slack
from tocsin_testkit.outside.discord import FakeDiscord
from tocsin_testkit.outside.http import Callback, running
from tocsin_testkit.outside.slack import FakeSlack

AT = NOW.timestamp()
OURS = Buttons(["now", "before"])


def page(**changed: Any) -> Outgoing:
    return replace(outgoing(Channel.SLACK, "U0ALICE"), **changed)


@given(st.text(max_size=60))
def test_nothing_but_our_own_buttons_is_read(value):
    assert OURS.read(value) is None
    assert OURS.read(f"ack:{value}") is None


@given(st.sampled_from(["now", "before"]), st.text(st.characters(codec="ascii", exclude_characters=":"), min_size=1, max_size=40))
def test_our_own_buttons_are_read_with_either_secret(secret, page_id):
    made = page()
    made = replace(made, page=replace(made.page, id=page_id))
    read = [OURS.read(offered.value) for offered in Buttons([secret]).offered(made)]
    assert read == [(Button.ACKNOWLEDGE, page_id), (Button.ESCALATE, page_id)]
    assert all(Buttons(["another"]).read(offered.value) is None for offered in Buttons([secret]).offered(made))


@pytest.mark.parametrize(
    ("incident", "shown"),
    [
        (INCIDENT, "Open: nobody has taken it yet."),
        (TAKEN, "Taken by bob."),
        (replace(TAKEN, state=IncidentState.RESOLVED, resolve_reason="rolled back"), "Resolved: rolled back"),
        (None, ""),
    ],
)
def test_a_message_says_how_it_stands(incident, shown):
    assert state_line(incident) == shown


@pytest.mark.parametrize(
    ("incident", "buttons"),
    [
        (INCIDENT, [Button.ACKNOWLEDGE, Button.ESCALATE]),
        (None, [Button.ACKNOWLEDGE, Button.ESCALATE]),
        (TAKEN, [Button.RESOLVE]),
        (replace(TAKEN, state=IncidentState.RESOLVED), []),
    ],
)
def test_a_message_offers_what_makes_sense(incident, buttons):
    assert [each.button for each in OURS.offered(page(incident=incident))] == buttons
    assert not any(each.button is Button.RESOLVE for each in Buttons([]).offered(page(incident=incident)))


@pytest.mark.parametrize("incident", [INCIDENT, None, TAKEN, replace(TAKEN, state=IncidentState.RESOLVED)])
def test_leave_is_asked_for_whoever_has_taken_the_incident(incident):
    asks = page(incident=incident)
    asks = replace(asks, page=replace(asks.page, kind=Kind.APPROVAL))
    offered = [(each.button, each.label) for each in OURS.offered(asks)]
    assert offered == [(Button.ACKNOWLEDGE, "Approve"), (Button.ESCALATE, "Deny")]


@given(st.text(max_size=200))
def test_markdown_of_others_does_nothing(text):
    shown = plain_markdown(text)
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_~\[\]()<>#|!]", shown)
    assert not re.search(r"@(?!\u200b)", shown)


@given(st.text(max_size=30), st.integers(1, 20))
def test_a_clipped_text_is_never_longer(text, longest):
    assert len(clip(text, longest)) <= longest


def test_what_is_kept_has_an_end():
    kept: Kept[int] = Kept()
    for number in range(MOST_KEPT + 5):
        kept.keep(number, str(number))
        kept.get("0")
    assert kept.get("0") == 0
    assert kept.get("1") is None


async def test_words_beside_are_finished_and_never_hold_up_the_end(monkeypatch):
    monkeypatch.setattr("tocsin_communication.channels.chat.STOP_SECONDS", 0.05)
    asides, said = Asides(), []

    async def say() -> None:
        said.append("once")

    asides.start(say())
    asides.start(asyncio.sleep(3600, None))
    await asides.finish()
    assert said == ["once"]


async def heard_by(hooks: Hooks, kind: str, callback: Callback) -> tuple[int, bytes]:
    answer = await hooks.receive(kind, "POST", "/x", "", callback.headers, callback.body)
    return answer.status, answer.body


async def test_a_press_goes_through_the_door_to_the_answer():
    taken: list[tuple[Channel, InboundEvent]] = []

    async def take(channel: Channel, event: InboundEvent) -> Result:
        taken.append((channel, event))
        return Result(event, True, "#7 is yours.")

    clock, asides = ManualClock(NOW), Asides()
    async with running(FakeSlack(now=AT)) as at_slack, running(FakeDiscord(now=AT)) as at_discord, http_client(["127.0.0.1"]) as http:
        in_slack = SlackDriver(SlackApi(http, f"{at_slack.url}/api", slack.TOKEN), (slack.SIGNING_SECRET,), clock, asides)
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(at_discord.public_key))
        in_discord = DiscordBot(DiscordApi(http, at_discord.api_url, discord.TOKEN), Buttons([discord.TOKEN]), key, clock)
        hooks = Hooks({Channel.SLACK: (Account("slack", in_slack),), Channel.DISCORD: (Account("discord", in_discord),)}, PUBLIC_URL, take)
        await in_slack.send(page(), KEY, 5.0)
        await in_discord.send(outgoing(Channel.DISCORD, f"user:{discord.ALICE}"), KEY, 5.0)
        in_one = at_slack.press(at_slack.messages[0], "ack", "U0ALICE", AT)
        in_other = at_discord.press(at_discord.messages[0], "Acknowledge", AT)
        assert await heard_by(hooks, "slack", in_one) == (200, b"")
        status, body = await heard_by(hooks, "discord", in_other)
        assert (status, json.loads(body)["data"]["content"]) == (200, r"\#7 is yours.")
        assert (await heard_by(hooks, "slack", replace(in_one, body=in_one.body + b"&")))[0] == 403
        assert (await heard_by(hooks, "discord", replace(in_other, body=in_other.body + b" ")))[0] == 401
        await asides.finish()
        assert next(iter(at_slack.response_urls.values())).uses[0]["text"] == "#7 is yours."
    assert [(channel, type(event), event.page_id) for channel, event in taken if isinstance(event, Acknowledge)] == [
        (Channel.SLACK, Acknowledge, KEY),
        (Channel.DISCORD, Acknowledge, KEY),
    ]
