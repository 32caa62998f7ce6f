"""Who is calling, and the tokens that say so."""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey
from tocsin.access.v1.access_pb2 import Role

from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Unauthenticated

AUDIENCE = "tocsin"
TOKEN_SECONDS = 300
RENEW_SECONDS = 60
# Two services that follow the same database differ by as much as it takes to ask it for the time.
LEEWAY_SECONDS = 10
EDGE = "edge"
REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Caller:
    """A person, an API key, or a service on its own behalf.

    `name` is the account's, key's or service's name; `role` is ROLE_UNSPECIFIED for a service; `service` is empty for people and keys.
    """

    name: str
    role: int = Role.ROLE_UNSPECIFIED
    service: str = ""
    api_key: bool = False


_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def caller() -> Caller:
    """Who made the RPC that is being handled. Raises NotSignedIn for an anonymous one."""
    found = _current.get()
    if found is None:
        raise NotSignedIn()
    return found


def caller_or_none() -> Caller | None:
    """Who made the RPC that is being handled; None for an anonymous one."""
    return _current.get()


def reader() -> str | None:
    """By which name the caller may know of private incidents; None for a service, which knows of all. Raises NotSignedIn."""
    who = caller()
    return None if who.service else who.name


def set_caller(value: Caller | None) -> None:
    """For the authentication interceptor: say who made this RPC."""
    _current.set(value)


class NotSignedIn(Unauthenticated):
    reason = "NOT_SIGNED_IN"
    message = "sign in, or send an API key as 'authorization: Bearer …'"


class TokenInvalid(Unauthenticated):
    reason = "TOKEN_INVALID"
    message = "the token is not valid: {detail}"


class Identity:
    """A service's own key: mints the tokens that it calls others with, by the clock that all services follow."""

    def __init__(self, service: str, key: OKPKey, clock: Clock | None = None) -> None:
        self.service = service
        self._key = key
        self._now = _seconds(clock)
        self._minted: OrderedDict[Caller, tuple[str, float]] = OrderedDict()

    @classmethod
    def read(cls, service: str, file: Path, clock: Clock | None = None) -> "Identity":
        """The identity whose private key (JWK) is in `file`."""
        return cls(service, OKPKey.import_key(json.loads(file.read_text())), clock)

    @property
    def public_key(self) -> bytes:
        """The raw public key (Ed25519)."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, content: bytes) -> bytes:
        """Sign something that is no token. What it is for has to be said at its beginning, so that it cannot be taken for anything else."""
        return self._private.sign(content)

    @property
    def _private(self) -> Ed25519PrivateKey:
        found = self._key.get_op_key("sign")
        assert isinstance(found, Ed25519PrivateKey)
        return found

    def token(self, on_behalf: Caller | None = None) -> str:
        """A token for the service itself, or (the edge only: others are not believed) for the caller it authenticated."""
        whom = on_behalf or Caller(self.service, service=self.service)
        minted = self._minted.get(whom)
        now = self._now()
        # One that is good for longer than any was minted before the clock was set right.
        if minted is None or not now + RENEW_SECONDS <= minted[1] <= now + TOKEN_SECONDS + 1:
            minted = (self._mint(whom, now), now + TOKEN_SECONDS)
            self._minted[whom] = minted
            if len(self._minted) > REMEMBERED:
                self._minted.popitem(last=False)
        return minted[0]

    def _mint(self, whom: Caller, now: float) -> str:
        claims = {
            "iss": self.service,
            "aud": AUDIENCE,
            "sub": whom.name,
            "role": whom.role,
            "service": whom.service,
            "api_key": whom.api_key,
            "iat": int(now),
            "exp": int(now) + TOKEN_SECONDS,
        }
        return jwt.encode({"alg": "Ed25519", "kid": self.service}, claims, self._key, algorithms=["Ed25519"])


def _seconds(clock: Clock | None) -> Callable[[], float]:
    """What tells the time: a clock that follows the database's, or this machine's where there is none."""
    return time.time if clock is None else lambda: clock.now().timestamp()


def is_signed(public_key: bytes, signature: bytes, content: bytes) -> bool:
    """Whether this is the signature of `content` by the private key that belongs to a raw public key (Ed25519)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


class TrustedKeys:
    """The public keys of all services: tells who a token speaks for, by the clock that all services follow."""

    def __init__(self, keys: KeySet, clock: Clock | None = None) -> None:
        self._now = _seconds(clock)
        self._keys = {str(key.kid): key for key in keys.keys}
        self._seen: OrderedDict[str, tuple[Caller, float]] = OrderedDict()

    @classmethod
    def read(cls, file: Path, clock: Clock | None = None) -> "TrustedKeys":
        """The keys of a JWKS file, whose kids are the services' names."""
        return cls(KeySet.import_key_set(json.loads(file.read_text())), clock)

    def verify(self, token: str) -> Caller:
        """Whom the token speaks for. Raises TokenInvalid. Only the edge may speak for people and keys; others for themselves."""
        seen = self._seen.get(token)
        now = self._now()
        if seen is None or seen[1] <= now:
            seen = self._check(token, int(now))
            self._seen[token] = seen
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return seen[0]

    def _check(self, token: str, now: int) -> tuple[Caller, float]:
        needed: dict[str, Any] = {"aud": {"essential": True, "value": AUDIENCE}} | {
            name: {"essential": True} for name in ("exp", "iss", "sub")
        }
        try:
            decoded = jwt.decode(token, self._find, algorithms=["Ed25519"])
            jwt.JWTClaimsRegistry(now=now, leeway=LEEWAY_SECONDS, **needed).validate(decoded.claims)
        except (JoseError, ValueError, KeyError) as error:
            raise TokenInvalid(detail=str(error) or type(error).__name__) from error
        claims = decoded.claims
        issuer = str(decoded.header.get("kid"))
        service = str(claims.get("service", ""))
        if claims["iss"] != issuer or (issuer != EDGE and service != issuer) or (service and service != issuer):
            raise TokenInvalid(detail=f"{issuer} may not speak for {claims['sub']}")
        role = 0 if service else int(claims.get("role", 0))
        return Caller(str(claims["sub"]), role, service, bool(claims.get("api_key"))), float(claims["exp"])

    def _find(self, token: object) -> OKPKey:
        headers = token.headers()  # type: ignore[attr-defined]  # joserfc passes a guest protocol without public type
        key = self._keys[str(headers.get("kid"))]
        assert isinstance(key, OKPKey)
        return key
