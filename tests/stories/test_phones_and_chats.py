"""People answer on their phones and in their chats: stories through the whole platform and stand-ins of the providers."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest_asyncio
from tocsin.communication.v1 import communication_service_pb2 as pb
from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod, Page
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_testkit.outside.http import Callback, Plan, running
from tocsin_testkit.outside.ntfy import FakeNtfy
from tocsin_testkit.outside.telegram import FakeTelegram
from tocsin_testkit.outside.twilio import FakeTwilio, Message
from tocsin_testkit.outside.vonage import FakeVonage
from tocsin_testkit.outside.web_push import FakePushService
from tocsin_testkit.platform import Platform
from tocsin_testkit.platform import platform as running_platform
from tocsin_testkit.world import World, eventually

PUBLIC = "https://tocsin.example.test"
MINUTE = timedelta(minutes=1)
ALICE, BOB = "+15550000101", "+15550000102"


@dataclass
class Town:
    """The platform, and the providers around it."""

    platform: Platform
    twilio: FakeTwilio
    telegram: FakeTelegram
    ntfy: FakeNtfy
    push: FakePushService
    vonage: FakeVonage

    async def methods(self, *methods: tuple[str, str, Any, str]) -> None:
        """Contact methods as (name, responder, kind, address), and a policy that asks all of these responders at once."""
        people = list(dict.fromkeys(responder for _, responder, _, _ in methods))
        await self.platform.responders(*people)
        made = [ContactMethod(name=name, responder=responder, kind=kind, address=address) for name, responder, kind, address in methods]
        kept = {method.name for method in made}
        mails = [f"{person}-mail" for person in people if f"{person}-mail" not in kept]
        request = pb.ApplyConfigurationRequest(configuration=Configuration(contact_methods=made), prune=bool(mails))
        await self.platform.communication.ApplyConfiguration(request)
        await self.platform.policy("night", [(person, timedelta()) for person in people[:-1]] + [(people[-1], 5 * MINUTE)])
        await self.platform.service("checkout", "night")

    async def told(self, callback: tuple[str, Callback]) -> httpx.Response:
        """A provider calls back at the public address, which leads to the edge."""
        url, request = callback
        path = url.removeprefix(PUBLIC)
        return await self.platform.http.request(request.method, path, content=request.body, headers=request.headers)

    async def texts(self, number: str, count: int = 1, *, calls: bool = False) -> Message:
        """The newest of so many SMS (or calls) to a number."""
        found: list[Message] = []

        async def there() -> bool:
            found[:] = [each for each in self.twilio.messages if each.to == number and each.call is calls]
            return len(found) >= count

        await eventually(there, 30.0, f"{count} to {number}")
        assert len(found) == count
        return found[-1]

    async def page_is(self, incident: Incident, method: str, state: Any) -> None:
        async def so() -> bool:
            return [page.state for page in await self.platform.pages(incident) if page.contact_method == method] == [state]

        await eventually(so, 30.0, f"the page over {method} to be {Page.State.Name(state)}")


@pytest_asyncio.fixture
async def town(world: World, tmp_path: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        twilio = await stack.enter_async_context(running(FakeTwilio(world.clock.now())))
        telegram = await stack.enter_async_context(running(FakeTelegram()))
        ntfy = await stack.enter_async_context(running(FakeNtfy()))
        push = await stack.enter_async_context(running(FakePushService(world.clock.now())))
        vonage = await stack.enter_async_context(running(FakeVonage(world.clock.now())))
        second = {"name": "second", "api_key": vonage.key, "api_secret": vonage.secret, "signature_secret": vonage.signature_secret}
        account = {"name": "main", "account_sid": twilio.account, "auth_token": twilio.token, "url": twilio.url}
        senders = {"sms_from": "+15550000001", "voice_from": "+15550000001"}
        files = {
            "accounts": json.dumps([account | senders]),
            "vonage": json.dumps([second | {"sms_from": "+15550000002", "url": vonage.url}]),
            "telegram": telegram.token,
            "ntfy": ntfy.token,
            "reply": "a secret of this story only",
            "push": "A" * 42 + "E",
        }
        for name, content in files.items():
            (tmp_path / name).write_text(content)
        settings = {
            "public_url": PUBLIC,
            "twilio_accounts_file": tmp_path / "accounts",
            "vonage_accounts_file": tmp_path / "vonage",
            "telegram_token_file": tmp_path / "telegram",
            "telegram_url": telegram.url,
            "ntfy_url": ntfy.url,
            "ntfy_token_file": tmp_path / "ntfy",
            "web_push_key_file": tmp_path / "push",
            "web_push_allow_private": True,
            "email_reply_domain": "in.example.test",
            "email_reply_secret_file": tmp_path / "reply",
        }
        platform = await stack.enter_async_context(running_platform(world, channels=settings))
        yield Town(platform, twilio, telegram, ntfy, push, vonage)


async def test_an_sms_is_delivered_answered_and_confirmed(town):
    await town.methods(("alice-sms", "alice", ContactMethod.KIND_SMS, ALICE))
    await town.platform.fire("checkout", "HighErrorRate")
    incident = await town.platform.expect_incident(state=Incident.STATE_OPEN)
    sms = await town.texts(ALICE)
    assert f"ACK {incident.number} to take it" in sms.body
    assert (await town.told(town.twilio.status(sms, "delivered"))).status_code == 200
    await town.page_is(incident, "alice-sms", Page.STATE_DELIVERED)

    answer = await town.told(town.twilio.text(f"{PUBLIC}/hooks/channels/sms/main/reply", ALICE, f"ack {incident.number}"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/xml")
    assert "acknowledged by alice" in answer.text
    await town.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")


async def test_a_stranger_cannot_acknowledge_by_sms(town):
    await town.methods(("alice-sms", "alice", ContactMethod.KIND_SMS, ALICE))
    await town.platform.fire("checkout", "HighErrorRate")
    incident = await town.platform.expect_incident(state=Incident.STATE_OPEN)
    await town.texts(ALICE)
    url = f"{PUBLIC}/hooks/channels/sms/main/reply"
    assert (await town.told(town.twilio.text(url, BOB, f"ack {incident.number}", sid="SM" + "8" * 32))).text == "<Response/>"
    forged = town.twilio.signed(url, {"From": ALICE, "Body": f"ack {incident.number}", "MessageSid": "SM" + "7" * 32}, token="guessed")
    assert (await town.told((url, forged))).status_code == 403
    await town.platform.expect_incident(state=Incident.STATE_OPEN)


async def test_an_sms_without_an_answer_is_looked_for_and_not_sent_twice(town):
    town.twilio.plan.append(Plan.DROP)
    await town.methods(("alice-sms", "alice", ContactMethod.KIND_SMS, ALICE))
    await town.platform.fire("checkout", "HighErrorRate")
    incident = await town.platform.expect_incident(state=Incident.STATE_OPEN)
    await town.texts(ALICE)

    async def sent() -> bool:
        town.platform.clock.forward(timedelta(seconds=1))
        [page] = await town.platform.pages(incident)
        return page.state == Page.STATE_SENT and page.provider_id == town.twilio.messages[0].sid

    await eventually(sent, 30.0)
    assert len(town.twilio.messages) == 1


async def test_when_the_first_provider_refuses_us_the_second_one_carries_the_sms(town):
    town.twilio.plan.append(Plan.CONFIG)
    await town.methods(("alice-sms", "alice", ContactMethod.KIND_SMS, ALICE))
    await town.platform.fire("checkout", "HighErrorRate")
    incident = await town.platform.expect_incident(state=Incident.STATE_OPEN)

    async def carried() -> bool:
        town.platform.clock.forward(timedelta(seconds=1))
        return bool(town.vonage.messages)

    await eventually(carried, 30.0, "an SMS by the second provider")
    assert town.twilio.messages == []
    town.vonage.now = town.platform.clock.now()
    answer = town.vonage.text(f"{PUBLIC}/hooks/channels/sms/second/reply", ALICE, f"{incident.number}a")
    assert (await town.told(answer)).status_code == 200
    await town.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")


async def test_a_key_takes_the_incident_and_the_other_phone_stops_ringing(town):
    await town.methods(
        ("alice-call", "alice", ContactMethod.KIND_VOICE, ALICE),
        ("bob-call", "bob", ContactMethod.KIND_VOICE, BOB),
    )
    await town.platform.fire("checkout", "HighErrorRate")
    alices, bobs = await town.texts(ALICE, calls=True), await town.texts(BOB, calls=True)
    answer = await town.told(town.twilio.press(alices, "1"))
    assert "acknowledged by alice" in answer.text
    assert "<Hangup/>" in answer.text
    await town.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")

    async def hung_up() -> bool:
        return bobs.status == "canceled"

    await eventually(hung_up, 30.0, "bob's phone to be silent")
    assert alices.status == "in-progress"


async def test_voicemail_takes_no_incident(town):
    await town.methods(("alice-call", "alice", ContactMethod.KIND_VOICE, ALICE))
    await town.platform.fire("checkout", "HighErrorRate")
    call = await town.texts(ALICE, calls=True)
    await town.told(town.twilio.recognised(call, "machine_start"))
    await town.told(town.twilio.status(call, "completed"))
    await town.platform.expect_incident(state=Incident.STATE_OPEN)


async def test_a_press_in_telegram_takes_it_and_the_message_says_so(town):
    await town.methods(("alice-telegram", "alice", ContactMethod.KIND_TELEGRAM, "555"))
    await town.platform.fire("checkout", "HighErrorRate")

    async def sent() -> bool:
        return bool(town.telegram.messages) and bool(town.telegram.webhook)

    await eventually(sent, 30.0)
    [message] = town.telegram.messages
    press = town.telegram.press(message, "Acknowledge")
    answer = await town.told((f"{PUBLIC}/hooks/channels/telegram/updates", press))
    assert answer.json()["method"] == "answerCallbackQuery"
    assert "acknowledged by alice" in answer.json()["text"]
    await town.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")

    async def edited() -> bool:
        return message.text.startswith("👤 Taken by alice") and "Acknowledge" not in message.buttons

    await eventually(edited, 30.0, "the message to follow")
    assert (await town.told((f"{PUBLIC}/hooks/channels/telegram/updates", press))).status_code == 200


async def test_a_button_of_ntfy_takes_it(town):
    await town.methods(("alice-ntfy", "alice", ContactMethod.KIND_NTFY, "tocsin-alice"))
    await town.platform.fire("checkout", "HighErrorRate")

    async def sent() -> bool:
        return bool(town.ntfy.messages)

    await eventually(sent, 30.0)
    [message] = town.ntfy.phone("tocsin-alice")
    for action in message["actions"]:
        action["url"] = action["url"].replace(PUBLIC, str(town.platform.http.base_url).rstrip("/"))
    assert await town.ntfy.press(message, "Acknowledge") == 200
    await town.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")


async def test_a_browser_says_that_it_showed_the_page(town):
    key = (await town.platform.http.get("/hooks/channels/web-push/key")).json()["key"]
    browser = town.push.subscribe(key)
    await town.methods(("alice-push", "alice", ContactMethod.KIND_WEB_PUSH, json.dumps(town.push.subscription(browser))))
    await town.platform.fire("checkout", "HighErrorRate")
    incident = await town.platform.expect_incident(state=Incident.STATE_OPEN)

    async def shown() -> bool:
        return bool(browser.shown)

    await eventually(shown, 30.0)
    [page] = browser.shown
    receipt = {"page": page["page"], "proof": page["proof"]}
    assert (await town.platform.http.post(f"{page['receipts'].removeprefix(PUBLIC)}shown", json=receipt)).status_code == 200
    await town.page_is(incident, "alice-push", Page.STATE_DELIVERED)
    assert (await town.platform.http.post(page["acknowledge_url"].removeprefix(PUBLIC))).status_code == 200

    async def quiet() -> bool:
        return [(each["loud"], each["body"].splitlines()[0]) for each in browser.shown] == [(False, "Taken by alice")]

    await eventually(quiet, 30.0, "the browser to show who took it")


async def test_an_answer_by_mail_takes_it(town):
    await town.methods(("alice-mail", "alice", ContactMethod.KIND_EMAIL, "alice@example.test"))
    await town.platform.fire("checkout", "HighErrorRate")
    page = await town.platform.expect_page("alice", about="HighErrorRate")
    answer = EmailMessage()
    answer["From"], answer["To"], answer["Message-ID"] = "alice@example.test", page.message["Reply-To"], "<1@example.test>"
    answer.set_content("Ack\n\nOn Monday Tocsin wrote:\n> Acknowledge: …\n")
    headers = {"content-type": "message/rfc822"}
    taken = await town.platform.http.post("/hooks/channels/email/inbox", content=answer.as_bytes(), headers=headers)
    assert taken.status_code == 200
    await town.platform.expect_incident(state=Incident.STATE_ACKNOWLEDGED, acknowledged_by="alice")
