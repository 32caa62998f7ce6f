"""A stand-in for a browser and the push service of its maker: checks who sends, decrypts, keeps what is for a browser that is away."""

import base64
import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives import hmac as cryptography_hmac
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from tocsin_testkit.outside.http import HttpRequest, HttpResponse, OutsideServer, Plan

LARGEST = 4096
LONGEST_PROOF = timedelta(hours=24)
LONGEST_TOPIC = 32


@dataclass
class Pushed:
    """A message as the browser reads it."""

    content: dict[str, Any]
    headers: Mapping[str, str]
    topic: str


@dataclass
class Browser:
    """A subscription. `kept` waits for a browser that is away; `read` is what the service worker got, in order."""

    number: str
    server_key: str
    key: ec.EllipticCurvePrivateKey
    auth: bytes
    online: bool = True
    gone: bool = False
    kept: list[Pushed] = field(default_factory=list)
    read: list[Pushed] = field(default_factory=list)

    @property
    def shown(self) -> list[dict[str, Any]]:
        """What stands on the screen: the newest of each tag."""
        return list({pushed.content["tag"]: pushed.content for pushed in self.read}.values())

    def wake(self) -> None:
        """The browser is back and gets what was kept."""
        self.online = True
        self.read += self.kept
        self.kept = []


class Refused(Exception):
    """The push service refuses."""

    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        said = json.dumps({"code": status, "error": error, "message": error}).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.response = HttpResponse(status, said, {"content-type": "application/json", **named})


class FakePushService(OutsideServer):
    """The push service; `subscribe` is what a page in a browser does."""

    def __init__(self, now: datetime | None = None) -> None:
        super().__init__()
        self.now = now or datetime.now(UTC)
        self.browsers: dict[str, Browser] = {}
        self._numbers = itertools.count(1)

    def subscribe(self, server_key: str) -> Browser:
        """A browser that lets the holder of this key write to it."""
        browser = Browser(f"gAAA{len(self.browsers)}", server_key, ec.generate_private_key(ec.SECP256R1()), os.urandom(16))
        self.browsers[browser.number] = browser
        return browser

    def subscription(self, browser: Browser) -> dict[str, Any]:
        """What `PushSubscription.toJSON()` gives."""
        keys = {"p256dh": _text(point(browser.key.public_key())), "auth": _text(browser.auth)}
        return {"endpoint": f"{self.url}/wpush/v2/{browser.number}", "expirationTime": None, "keys": keys}

    async def answer(self, request: HttpRequest) -> HttpResponse:
        browser = self.browsers.get(request.path.removeprefix("/wpush/v2/"))
        try:
            if request.method != "POST" or browser is None:
                raise Refused(404, "no such subscription")
            return self._taken(request, browser)
        except Refused as refused:
            return refused.response

    def _taken(self, request: HttpRequest, browser: Browser) -> HttpResponse:
        plan = self.planned()
        self._refuse(plan, browser)
        ttl, topic = request.headers.get("ttl", ""), request.headers.get("topic", "")
        if not ttl.isdecimal():
            raise Refused(400, "missing TTL header")
        if len(topic) > LONGEST_TOPIC or not topic.replace("-", "").replace("_", "").isalnum():
            raise Refused(400, "invalid Topic header")
        if request.headers.get("urgency") not in ("very-low", "low", "normal", "high"):
            raise Refused(400, "invalid Urgency header")
        self._proven(request, browser)
        if len(request.raw) > LARGEST:
            raise Refused(413, "payload too large")
        if request.headers.get("content-encoding") != "aes128gcm":
            raise Refused(400, "unknown Content-Encoding")
        pushed = Pushed(json.loads(decrypt(request.raw, browser.key, browser.auth)), request.headers, topic)
        browser.kept = [kept for kept in browser.kept if kept.topic != topic] + [pushed]
        if browser.online:
            browser.wake()
        headers = {"location": f"{self.url}/m/{next(self._numbers)}", "ttl": ttl}
        return HttpResponse(201, b"", headers, plan)

    def _refuse(self, plan: Plan, browser: Browser) -> None:
        if plan is Plan.THROTTLE:
            raise Refused(429, "too many requests", retry_after="11")
        if plan is Plan.REFUSE_NOW:
            raise Refused(503, "try again")
        if plan is Plan.CONFIG:
            raise Refused(403, "VAPID public key mismatch")
        if plan is Plan.TARGET or browser.gone:
            raise Refused(410, "push subscription has unsubscribed or expired")

    def _proven(self, request: HttpRequest, browser: Browser) -> None:
        scheme, _, rest = request.headers.get("authorization", "").partition(" ")
        parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        if scheme.lower() != "vapid" or parts.get("k") != browser.server_key:
            raise Refused(403, "VAPID public key mismatch")
        raw = _bytes(parts["k"])
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        try:
            claims = jwt.decode(parts.get("t", ""), ECKey.import_key(public), algorithms=["ES256"]).claims
        except (JoseError, ValueError):
            raise Refused(403, "invalid VAPID signature") from None
        expires = datetime.fromtimestamp(int(claims.get("exp", 0)), UTC)
        if claims.get("aud") != self.url or not self.now < expires <= self.now + LONGEST_PROOF:
            raise Refused(403, "invalid aud or exp")
        if not str(claims.get("sub", "")).startswith(("mailto:", "https:")):
            raise Refused(403, "invalid sub")


def decrypt(body: bytes, key: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes:
    """Read a message as RFC 8291 and RFC 8188 say, step by step, so that it shares no code with whoever wrote it."""
    salt, size, length = body[:16], int.from_bytes(body[16:20], "big"), body[20]
    theirs, sealed = body[21 : 21 + length], body[21 + length :]
    if length != 65 or size < 18 or len(sealed) > size:
        raise Refused(400, "not one record of aes128gcm")
    shared = key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
    ikm = _expand(_mac(auth, shared), b"WebPush: info\x00" + point(key.public_key()) + theirs, 32)
    prk = _mac(salt, ikm)
    plain = AESGCM(_expand(prk, b"Content-Encoding: aes128gcm\x00", 16)).decrypt(
        _expand(prk, b"Content-Encoding: nonce\x00", 12), sealed, None
    )
    content, delimiter = plain.rstrip(b"\x00")[:-1], plain.rstrip(b"\x00")[-1:]
    if delimiter != b"\x02":
        raise Refused(400, "the last record does not end")
    return content


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """A public key as 65 bytes."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _mac(key: bytes, text: bytes) -> bytes:
    made = cryptography_hmac.HMAC(key, SHA256())
    made.update(text)
    return made.finalize()


def _expand(key: bytes, info: bytes, length: int) -> bytes:
    return _mac(key, info + b"\x01")[:length]


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
