"""Who answers when a button is pressed."""

from dataclasses import replace

import pytest
from test_page import PAGE

from tocsin_communication.answers.answerer import answerer, refusal
from tocsin_communication.contacts.contact import Channel


@pytest.mark.parametrize(
    ("channel", "place", "presser", "known", "by"),
    [
        (Channel.SLACK, "C0ROOM", "U0BOB", ["bob"], "bob"),
        (Channel.SLACK, "C0ROOM", "U0BOB", [], None),
        (Channel.SLACK, "D0ALICE", "U0ALICE", [], "alice"),
        (Channel.SLACK, "C0ROOM", "U0X", ["alice", "bob"], "alice"),
        (Channel.SLACK, "C0ROOM", "U0X", ["bob", "carol"], None),
        (Channel.TEAMS, "19:abc@thread.tacv2", "11111111-2222-3333-4444-555555555555", [], None),
        (Channel.TEAMS, "11111111-2222-3333-4444-555555555555", "other", [], "alice"),
        (Channel.TELEGRAM, "-1001234", "42", [], None),
        (Channel.TELEGRAM, "42", "42", [], "alice"),
        (Channel.MATTERMOST, "channel:abc", "@bob", [], None),
        (Channel.DISCORD, "channel:123456", "user:99999", [], None),
        (Channel.EMAIL, "alice@example.test", "alice@elsewhere.test", [], "alice"),
        (Channel.SLACK, "C0ROOM", "", [], "alice"),
    ],
)
def test_whom_the_channel_proves_or_nobody(channel, place, presser, known, by):
    page = replace(PAGE, channel=channel, address=place, responder="alice")
    assert answerer(page, presser, known) == by


def test_a_stranger_is_told_how_to_become_known():
    assert "tocsin contact add web-push X1" in refusal(Channel.WEB_PUSH, "X1", [])
    assert "2 responders" in refusal(Channel.SLACK, "U0X", ["bob", "carol"])
