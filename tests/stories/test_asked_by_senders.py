"""Opsgenie's clients ask for people, and these are woken."""

from datetime import timedelta
from typing import Any

import pytest

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def told(platform):
    """An alert of an Opsgenie client has woken alice; its alias is "disk"."""
    await platform.responders("alice", "bob", "carol")
    await platform.policy("checkout-policy", [("alice", 30 * MINUTE)])
    await platform.policy("deeper", [("carol", 30 * MINUTE)])
    await platform.service("checkout", "checkout-policy")
    await platform.integration("opsgenie")
    await send(platform, "", message="disk full", alias="disk", details={"service": "checkout"}, actions=["restart"])
    await platform.expect_page("alice", about="disk full")
    return platform


async def send(platform, path: str, **body: Any) -> None:
    query = {"identifierType": "alias"} if path else {}
    headers = {"authorization": f"GenieKey {platform.keys['opsgenie']}"}
    answer = await platform.http.post(f"/v2/alerts{path}", json=body, headers=headers, params=query)
    assert answer.status_code == 202, answer.text


async def test_a_responder_who_is_added_is_woken(told):
    await send(told, "/disk/responders", responder={"type": "user", "username": "Bob@shop.example"}, user="eve")
    await told.expect_page("bob", about="disk full")
    await told.expect_quiet()


async def test_an_owner_and_an_escalation_are_asked(told):
    await send(told, "/disk/assign", owner={"username": "bob"}, user="eve")
    await told.expect_page("bob", about="disk full")
    await send(told, "/disk/escalate", escalation={"name": "Deeper"}, user="eve")
    await told.expect_page("carol", about="disk full")


async def test_whom_nobody_knows_is_told_on_the_timeline_and_so_is_an_action(told):
    await send(told, "/disk/responders", responder={"type": "user", "username": "nobody@shop.example"}, user="eve")
    await send(told, "/disk/actions/restart", user="eve")
    incident = await told.expect_incident()
    await told.timeline(incident, "ResponseAsked", "AskedInVain")
    await told.expect_quiet()


async def test_a_person_whom_a_new_alert_asks_for_is_woken_beside_those_of_the_policy(told):
    bob = {"type": "user", "username": "bob"}
    await send(told, "", message="cpu hot", alias="cpu", details={"service": "checkout"}, responders=[bob])
    await told.expect_page("bob", about="cpu hot")
    await told.expect_page("alice", about="cpu hot")
