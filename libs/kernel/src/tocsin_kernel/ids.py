"""Ids and secrets come in by the door too."""

import os
import secrets
import threading
import time
from array import array
from typing import Protocol
from uuid import UUID

# Of an id: 48 bits of time, the version, 12 bits of chance; the variant, 62 bits of chance.
TIME = (1 << 48) - 1
HIGH_BITS, LOW_BITS = 12, 62
HIGH, LOW = (1 << HIGH_BITS) - 1, (1 << LOW_BITS) - 1
VERSION, VARIANT = 0x7 << HIGH_BITS, 0x2 << LOW_BITS
# How far, at random, the next id within a millisecond is from the last one: it cannot be guessed, and there is room for many.
STEP = (1 << 56) - 1
# So much chance is asked of the system at once: a question for each id costs more than the rest of it.
CHANCE_BYTES = 4_096


class Ids(Protocol):
    """Makes ids and secrets."""

    def new(self) -> str:
        """A new UUIDv7 in its usual text form. Later ones sort after earlier ones; those of other processes, to the millisecond."""
        ...

    def secret(self) -> str:
        """43 characters from the URL-safe alphabet, 256 bits of chance."""
        ...


class RandomIds:
    """The ids of production."""

    def new(self) -> str:
        high, low = _sequence.next()
        first, second = f"{high:016x}", f"{low:016x}"
        return f"{first[:8]}-{first[8:12]}-{first[12:]}-{second[:4]}-{second[4:]}"

    def secret(self) -> str:
        return secrets.token_urlsafe(32)


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then chance; greater than all this process made before."""
    high, low = _sequence.next()
    return UUID(int=high << 64 | low)


class _Sequence:
    """What was made last. Within a millisecond, and while the clock goes back, the next one is a little greater (RFC 9562, section 6.2)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._high = self._low = 0
        self._chance: list[int] = []
        os.register_at_fork(after_in_child=self._forget_chance)

    def next(self) -> tuple[int, int]:
        """The two halves: time, version and 12 bits; variant and 62 bits. Two small numbers cost less than one that is large."""
        earliest = (time.time_ns() // 1_000_000 & TIME) << HIGH_BITS
        with self._lock:
            if earliest > self._high:
                self._high, self._low = earliest | self._bits() & HIGH, self._bits() & LOW
            else:
                self._low += 1 + (self._bits() & STEP)
                self._high += self._low >> LOW_BITS
                self._low &= LOW
            high, low = self._high, self._low
        return (high & ~HIGH) << 4 | VERSION | high & HIGH, VARIANT | low

    def _bits(self) -> int:
        """64 bits of the system's chance, each used once."""
        if not self._chance:
            self._chance = array("Q", os.urandom(CHANCE_BYTES)).tolist()
        return self._chance.pop()

    def _forget_chance(self) -> None:
        """Two processes must not use the same."""
        self._chance = []


_sequence = _Sequence()
