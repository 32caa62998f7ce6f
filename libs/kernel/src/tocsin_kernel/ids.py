"""Ids and secrets come in by the door too."""

import secrets
import time
from typing import Protocol
from uuid import UUID


class Ids(Protocol):
    """Makes ids and secrets."""

    def new(self) -> str:
        """A new UUIDv7 in its usual text form; later ones sort after earlier ones, to the millisecond."""
        ...

    def secret(self) -> str:
        """43 characters from the URL-safe alphabet, 256 bits of chance."""
        ...


class RandomIds:
    """The ids of production."""

    def new(self) -> str:
        return str(uuid7())

    def secret(self) -> str:
        return secrets.token_urlsafe(32)


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then chance."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
