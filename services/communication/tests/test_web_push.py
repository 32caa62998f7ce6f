"""Web Push against a push service that checks who sends, and a browser that decrypts."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from channel_conformance import KEY, NOW, PUBLIC_URL, TAKEN, Arrived, ChannelConformance, How, outgoing, request
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_communication.channels import web_push
from tocsin_communication.channels.channel import ChannelDriver, Off, Surroundings
from tocsin_communication.channels.http import http_client
from tocsin_communication.channels.inbound import BadRequest, BadSignature, Delivered, Registered, Result, Seen
from tocsin_communication.channels.web_push import WebPushDriver, WebPushSettings, open_web_push
from tocsin_communication.channels.web_push_secrecy import ServerKey, Subscription, encrypt, padless, unpadded
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome
from tocsin_kernel.clock import ManualClock
from tocsin_testkit.outside.http import Plan, running
from tocsin_testkit.outside.web_push import Browser, FakePushService, decrypt

AROUND = Surroundings(ManualClock(NOW), PUBLIC_URL)
PRIVATE = ec.derive_private_key(4711, ec.SECP256R1())
SERVER_KEY = ServerKey(PRIVATE)


class WebPushBench:
    """Web Push in words that fit all channels."""

    kind = web_push.KIND
    cannot: frozenset[How] = frozenset()
    accepts = Outcome.ACCEPTED
    edits = True
    recovers = False
    shows_links = True

    def __init__(self, server: FakePushService, http: Any) -> None:
        self.server = server
        self._http = http
        self.browser: Browser = server.subscribe(SERVER_KEY.public)
        self.address = json.dumps(server.subscription(self.browser))
        self.driver: ChannelDriver = self.with_key(SERVER_KEY)

    def with_key(self, key: ServerKey, *, allow_private: bool = True) -> WebPushDriver:
        return WebPushDriver(self._http, key, "mailto:ops@example.test", AROUND, allow_private)

    def next(self, how: How) -> None:
        self.server.plan.append(Plan(how.value))

    def arrived(self) -> list[Arrived]:
        contents = [pushed.content for pushed in self.browser.read]
        return [Arrived(content["tag"], _text(content), web_push.RESENT in content["body"]) for content in contents]

    def now_shown(self) -> list[str]:
        return [_text(content) for content in self.browser.shown]

    def nowhere(self) -> ChannelDriver:
        return _Elsewhere(self.with_key(SERVER_KEY), self.address.replace(self.server.url, "http://127.0.0.1:1"))

    async def one(self) -> Any:
        return await self.driver.send(outgoing(Channel.WEB_PUSH, self.address), KEY, 5.0)


class _Elsewhere:
    """Web Push knows its server by the page's address alone."""

    def __init__(self, driver: WebPushDriver, address: str) -> None:
        self._driver = driver
        self._address = address

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._driver, name)

        async def elsewhere(made: Any, *arguments: Any) -> Any:
            return await method(replace(made, page=replace(made.page, address=self._address)), *arguments)

        return elsewhere


def _text(content: dict[str, Any]) -> str:
    return " ".join([content["title"], content["body"], content["acknowledge_url"]])


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[WebPushBench]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(FakePushService(NOW)))
        yield WebPushBench(server, await stack.enter_async_context(http_client(["127.0.0.1"])))


class TestWebPush(ChannelConformance):
    """Everything that every channel must do."""


def test_a_message_is_encrypted_as_the_standard_shows():
    """RFC 8291, appendix A."""
    theirs = ec.derive_private_key(int.from_bytes(unpadded("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big"), ec.SECP256R1())
    ours = ec.derive_private_key(int.from_bytes(unpadded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), ec.SECP256R1())
    key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
    auth = unpadded("BTBZMqHH6r4Tts7J_aSIgg")
    body = encrypt(
        Subscription("https://push.example.test", unpadded(key), auth),
        b"When I grow up, I want to be a watermelon",
        unpadded("DGv6ra1nlYgDCS1FRnbzlw"),
        ours,
    )
    assert padless(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_"
        "yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert decrypt(body, theirs, auth) == b"When I grow up, I want to be a watermelon"


async def test_a_page_brings_what_the_service_worker_needs(bench):
    await bench.one()
    [content] = bench.browser.shown
    made = outgoing(Channel.WEB_PUSH, bench.address)
    assert content["title"] == "[SEV2] #7 Checkout <b>fails</b>"
    assert (content["page"], content["tag"], content["loud"]) == (KEY, KEY, True)
    assert (content["url"], content["acknowledge_url"], content["escalate_url"]) == (
        made.incident_url,
        made.acknowledge_url,
        made.escalate_url,
    )
    assert content["receipts"] == f"{PUBLIC_URL}/hooks/channels/web-push/"
    headers = bench.browser.read[0].headers
    assert headers["urgency"] == "high"
    assert 0 < int(headers["ttl"]) <= 3600


async def test_the_service_worker_says_that_it_showed_it(bench):
    await bench.one()
    said = json.dumps(bench.browser.shown[0]).encode()
    shown = await bench.driver.parse_inbound(request("/shown", said))
    opened = await bench.driver.parse_inbound(request("/web-push/opened", said))
    assert shown.events == (Delivered(dedup_id=f"{KEY}:shown", at=NOW, page_id=KEY),)
    assert opened.events == (Seen(dedup_id=f"{KEY}:opened", at=NOW, page_id=KEY),)


async def test_a_receipt_for_another_page_is_refused(bench):
    await bench.one()
    content = bench.browser.shown[0]
    for said in (content | {"page": "another"}, content | {"proof": ""}, {"page": KEY, "proof": 7}, {"page": KEY}):
        with pytest.raises(BadSignature):
            await bench.driver.parse_inbound(request("/shown", json.dumps(said).encode()))


async def test_a_browser_that_was_away_gets_the_newest_only(bench):
    bench.browser.online = False
    sent = await bench.one()
    await bench.one()
    await bench.driver.edit(outgoing(Channel.WEB_PUSH, bench.address, incident=TAKEN), sent.provider_id, 5.0)
    bench.browser.wake()
    assert [pushed.content["body"].splitlines()[0] for pushed in bench.browser.read] == ["Taken by bob"]


async def test_what_is_over_makes_no_sound(bench):
    sent = await bench.one()
    resolved = replace(TAKEN, state=IncidentState.RESOLVED, resolve_reason="rolled back")
    await bench.driver.edit(outgoing(Channel.WEB_PUSH, bench.address, incident=resolved), sent.provider_id, 5.0)
    [content] = bench.browser.shown
    assert content["loud"] is False
    assert content["body"].startswith("Resolved: rolled back")
    assert bench.browser.read[-1].headers["urgency"] == "normal"


async def test_what_only_tells_makes_no_sound(bench):
    await bench.driver.send(outgoing(Channel.WEB_PUSH, bench.address, incident=TAKEN, kind=Kind.TAKEN), KEY, 5.0)
    assert bench.browser.shown[0]["loud"] is False


async def test_a_browser_that_unsubscribed_is_a_dead_address(bench):
    bench.browser.gone = True
    assert (await bench.one()).outcome is Outcome.PERMANENT_TARGET
    unknown = bench.address.replace(bench.browser.number, "gone")
    assert (await bench.driver.send(outgoing(Channel.WEB_PUSH, unknown), KEY, 5.0)).outcome is Outcome.PERMANENT_TARGET


async def test_another_key_than_the_browser_subscribed_with_is_a_flaw_of_the_installation(bench):
    other = bench.with_key(ServerKey(ec.derive_private_key(4712, ec.SECP256R1())))
    receipt = await other.send(outgoing(Channel.WEB_PUSH, bench.address), KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_CONFIG
    assert "VAPID" in receipt.detail


async def test_the_wish_to_wait_is_heard(bench):
    bench.next(How.THROTTLE)
    assert (await bench.one()).retry_after.total_seconds() == 11


@pytest.mark.parametrize("body", ["x" * 20_000, "🔥" * 9_000, '"\\' * 9_000, "\x00\n" * 9_000])
async def test_a_long_page_still_fits(bench, body):
    made = outgoing(Channel.WEB_PUSH, bench.address)
    long = replace(made, page=replace(made.page, subject="Ä" * 150, body=body))
    assert (await bench.driver.send(long, KEY, 5.0)).outcome is Outcome.ACCEPTED
    assert bench.browser.shown[0]["body"].endswith("…")


async def test_nobody_is_written_to_inside_or_without_tls(bench):
    guarded = bench.with_key(SERVER_KEY, allow_private=False)
    assert "https" in (await guarded.send(outgoing(Channel.WEB_PUSH, bench.address), KEY, 5.0)).detail
    async with http_client() as http:
        inside = WebPushDriver(http, SERVER_KEY, "mailto:ops@example.test", AROUND)
        made = outgoing(Channel.WEB_PUSH, bench.address.replace("http://", "https://"))
        receipt = await inside.send(made, KEY, 5.0)
    assert receipt.outcome is Outcome.PERMANENT_TARGET
    assert "private" in receipt.detail
    assert bench.browser.read == []


async def test_a_browser_registers_with_the_code_of_its_contact_method(bench):
    asked = json.dumps({"code": "c0de", "subscription": json.loads(bench.address)}).encode()
    answer = await bench.driver.parse_inbound(request("/subscription", asked))
    [event] = answer.events
    assert isinstance(event, Registered)
    assert event.code == "c0de"
    assert web_push.subscription_flaw(event.address) == ""
    assert "expirationTime" not in event.address
    assert answer.finish([Result(event, True, "This browser is alice's.")]).status == 200
    assert answer.finish([Result(event, False, "The code is not known.")]).status == 409
    sent = await bench.driver.send(outgoing(Channel.WEB_PUSH, event.address), KEY, 5.0)
    assert sent.outcome is Outcome.ACCEPTED


async def test_the_public_key_is_there_for_browsers(bench):
    answer = await bench.driver.parse_inbound(request("/key", method="GET"))
    assert json.loads(answer.answer.body) == {"key": SERVER_KEY.public}
    assert len(unpadded(SERVER_KEY.public)) == 65


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"endpoint": "ftp://push.example.test"}, "endpoint must be an http"),
        ({"keys": {"p256dh": "AAAA", "auth": "BTBZMqHH6r4Tts7J_aSIgg"}}, "p256dh"),
        ({"keys": {}}, "must be the JSON"),
        ({"keys": None}, "must be the JSON"),
    ],
)
async def test_what_is_no_subscription_is_refused_in_words(bench, change, problem):
    subscription = json.loads(bench.address) | change
    assert problem in web_push.subscription_flaw(json.dumps(subscription))
    with pytest.raises(BadRequest, match=problem):
        await bench.driver.parse_inbound(request("/subscription", json.dumps({"code": "c", "subscription": subscription}).encode()))


async def test_it_is_set_up_by_a_key_in_either_form(bench, tmp_path: Path):
    pem = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    raw = padless((4711).to_bytes(32, "big")).encode()
    for content in (pem, raw):
        (tmp_path / "key").write_bytes(content + b"\n")
        set_up = WebPushSettings(web_push_key_file=tmp_path / "key", web_push_allow_private=True)
        async with open_web_push(set_up, AROUND) as [account]:
            sent = await account.driver.send(outgoing(Channel.WEB_PUSH, bench.address), KEY, 5.0)
            assert sent.outcome is Outcome.ACCEPTED
    async with open_web_push(WebPushSettings(), AROUND) as [account]:
        assert isinstance(account.driver, Off)


@pytest.mark.parametrize("content", [b"", b"s3cr3t", b"-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----", b"\xff\xfe"])
async def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ValueError, match="must be a private key") as raised:
        async with open_web_push(WebPushSettings(web_push_key_file=tmp_path / "key"), AROUND):
            pass
    assert "s3cr3t" not in str(raised.value)


async def test_somebody_must_be_there_to_complain_to(tmp_path: Path):
    (tmp_path / "key").write_text(padless((4711).to_bytes(32, "big")))
    with pytest.raises(ValueError, match="TOCSIN_WEB_PUSH_CONTACT"):
        async with open_web_push(
            WebPushSettings(web_push_key_file=tmp_path / "key"), Surroundings(ManualClock(NOW), "http://localhost:8080")
        ):
            pass


async def test_whatever_a_browser_says_is_read_or_refused(bench):
    bodies = []
    names = st.sampled_from(["code", "subscription", "endpoint", "keys", "p256dh", "auth", "page", "proof"])
    values = st.recursive(
        st.none() | st.integers() | st.sampled_from(["https://push.example.test", "BTBZMqHH6r4Tts7J_aSIgg", "=", ""]) | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
        max_leaves=12,
    )

    @settings(max_examples=400, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(["/subscription", "/shown", "/opened"]), values | st.dictionaries(names, values, max_size=4))
    def made(path, said):
        bodies.append((path, json.dumps(said).encode()))

    made()
    for path, body in bodies:
        with pytest.raises((BadRequest, BadSignature)):
            await bench.driver.parse_inbound(request(path, body))
