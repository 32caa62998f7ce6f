"""Who speaks for Teams, and who speaks to it: the bot's own token, and the keys that its callers' tokens are signed with."""

import asyncio
import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tocsin_communication.channels.chat import text_at
from tocsin_communication.channels.http import Deadline, Http, Lost
from tocsin_communication.channels.inbound import BadSignature
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

ISSUER = "https://api.botframework.com"
SCOPE = "https://api.botframework.com/.default"
SKEW = timedelta(minutes=5)
KEYS_KEPT = timedelta(hours=24)
# A key that is not known may be new; but nobody can make us ask for it all the time.
KEYS_ASKED_AGAIN = timedelta(minutes=1)
KEYS_SECONDS = 1.0
LONGEST_TOKEN = 86_400


class NoToken(Exception):
    """There is no token; `receipt` says what that means for a page, which surely has not left."""

    def __init__(self, receipt: Receipt) -> None:
        super().__init__(receipt.detail)
        self.receipt = receipt


class BotToken:
    """The token that the bot speaks with, fetched when it is needed."""

    def __init__(self, http: Http, login_url: str, app_id: str, secret: str, clock: Clock) -> None:
        """`login_url` is the tenant's token address."""
        self._http = http
        self._url = login_url
        self._form = {"grant_type": "client_credentials", "client_id": app_id, "client_secret": secret, "scope": SCOPE}
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._until: datetime | None = None

    async def get(self, deadline: Deadline) -> str:
        """The token. Raises NoToken."""
        async with self._lock:
            if self._until is None or self._clock.now() >= self._until:
                await self._fetch(deadline)
            return self._token

    def forget(self, token: str) -> None:
        """It was refused: fetch another one next time."""
        if token == self._token:
            self._until = None

    async def _fetch(self, deadline: Deadline) -> None:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        try:
            content = urlencode(self._form).encode()
            answer = await self._http.ask("POST", self._url, seconds=deadline.left, headers=headers, content=content)
        except Lost as lost:
            raise NoToken(lost.beforehand) from lost
        token, seconds = text_at(answer.json, "access_token"), answer.json.get("expires_in")
        if answer.success and token and isinstance(seconds, int):
            self._token, self._until = token, self._clock.now() + timedelta(seconds=min(max(seconds, 0), LONGEST_TOKEN)) - SKEW
            return
        later = answer.status >= 500 or answer.status == 429
        said = f"Teams sign-in: HTTP {answer.status} {text_at(answer.json, 'error')}".rstrip()
        raise NoToken(Receipt(Outcome.TRANSIENT if later else Outcome.PERMANENT_CONFIG, said))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of the Bot Framework, and the channels that it may vouch for."""

    key: RSAKey
    endorsements: frozenset[str]


class BotKeys:
    """The keys that the Bot Framework signs with."""

    def __init__(self, http: Http, openid_url: str, clock: Clock) -> None:
        self._http = http
        self._url = openid_url
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: Mapping[str, SigningKey] = {}
        self._at: datetime | None = None

    async def find(self, kid: str) -> SigningKey:
        """Raises BadSignature."""
        async with self._lock:
            age = None if self._at is None else self._clock.now() - self._at
            if age is None or age > KEYS_KEPT or (kid not in self._keys and age > KEYS_ASKED_AGAIN):
                await self._fetch()
        found = self._keys.get(kid)
        if found is None:
            raise BadSignature("the token is signed with a key that is not known")
        return found

    async def _fetch(self) -> None:
        try:
            metadata = await self._http.ask("GET", self._url, seconds=KEYS_SECONDS)
            keys = await self._http.ask("GET", text_at(metadata.json, "jwks_uri"), seconds=KEYS_SECONDS)
        except Lost as lost:
            raise BadSignature(f"the keys of the Bot Framework cannot be had: {lost}") from lost
        found = keys.json.get("keys")
        if not isinstance(found, list):
            raise BadSignature("the keys of the Bot Framework cannot be read")
        read = [(text_at(key, "kid"), _signing_key(key)) for key in found]
        self._keys = {kid: key for kid, key in read if kid and key is not None}
        self._at = self._clock.now()


async def verify(keys: BotKeys, authorization: str, app_id: str, now: datetime) -> tuple[dict[str, Any], SigningKey]:
    """The claims of the caller's token, and the key that it is signed with. Raises BadSignature."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise BadSignature("no bearer token")
    header = _header(token)
    if header.get("alg") != "RS256":
        raise BadSignature("the token is not signed with RS256")
    key = await keys.find(text_at(header, "kid"))
    try:
        claims = jwt.decode(token, key.key, algorithms=["RS256"]).claims
    except (JoseError, ValueError, TypeError) as error:
        raise BadSignature(f"the token is not good: {type(error).__name__}") from error
    _check(claims, app_id, now)
    return claims, key


def _check(claims: Mapping[str, Any], app_id: str, now: datetime) -> None:
    if claims.get("iss") != ISSUER:
        raise BadSignature("the token comes from another issuer")
    if claims.get("aud") != app_id:
        raise BadSignature("the token is for another app")
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or now.timestamp() > expires + SKEW.total_seconds():
        raise BadSignature("the token has expired")
    if not isinstance(begins, int | float) or now.timestamp() < begins - SKEW.total_seconds():
        raise BadSignature("the token is not valid yet")


def _header(token: str) -> dict[str, Any]:
    """The token's own word on how it is signed, not yet to be trusted."""
    encoded = token.partition(".")[0]
    try:
        found = json.loads(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError) as error:
        raise BadSignature("the token cannot be read") from error
    return found if isinstance(found, dict) else {}


def _signing_key(found: Any) -> SigningKey | None:
    """A key that vouches for some channel; None for any other."""
    endorsed = found.get("endorsements") if isinstance(found, dict) else None
    if not isinstance(endorsed, list):
        return None
    try:
        return SigningKey(RSAKey.import_key(found), frozenset(str(channel) for channel in endorsed))
    except (JoseError, ValueError, TypeError):
        return None
