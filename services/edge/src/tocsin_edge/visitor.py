"""Who stands at the door, and what secrets look like. Pure."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_chassis.grpc.caller import Caller

SESSION_LASTS = timedelta(hours=12)
LINK_LASTS = timedelta(hours=24)

_API_KEY = re.compile(r"tocsin_[0-9a-f]{8}\.[A-Za-z0-9_-]{20,}")
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person with a session, or a program with an API key.

    `credential` is the SHA-256 of the secret that was shown; `expires_at` is when it ends, None for never.
    """

    name: str
    role: int
    api_key: bool
    credential: bytes
    expires_at: datetime | None

    def as_caller(self) -> Caller:
        """As the services behind the door know them."""
        return Caller(self.name, self.role, api_key=self.api_key)

    def admitted(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


def hashed(secret: str) -> bytes:
    """What is stored of a secret. Secrets have 256 bits of chance, so one round without salt is enough."""
    return hashlib.sha256(secret.encode()).digest()


def is_api_key(secret: str) -> bool:
    return _API_KEY.fullmatch(secret) is not None


def is_plausible(secret: str) -> bool:
    """False for what cannot be a secret of ours, so that nobody has to look it up."""
    return 20 <= len(secret) <= _MOST_CHARACTERS


def api_key(number: str, secret: str) -> str:
    """An API key of 8 hex digits, by which a leaked one is recognised, and a secret."""
    return f"tocsin_{number}.{secret}"
