"""Ids and secrets come in by the door too."""

import os
import secrets
import threading
import time
from array import array
from typing import Protocol
from uuid import UUID

CHANCE_BITS = 74
LOW_BITS = 62
# How far, at random, the next id within a millisecond is from the last one: it cannot be guessed, and there is room for many.
STEP_BITS = 56
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
        digits = f"{_sequence.next():032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def secret(self) -> str:
        return secrets.token_urlsafe(32)


def uuid7() -> UUID:
    """A UUID version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then chance; greater than all this process made before."""
    return UUID(int=_sequence.next())


class _Sequence:
    """What was made last. Within a millisecond, and while the clock goes back, the next one is a little greater (RFC 9562, section 6.2)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._chance: list[int] = []
        os.register_at_fork(after_in_child=self._forget_chance)

    def next(self) -> int:
        milliseconds = time.time_ns() // 1_000_000 & (1 << 48) - 1
        with self._lock:
            if milliseconds > self._last >> CHANCE_BITS:
                fresh = milliseconds << CHANCE_BITS | self._bits() << CHANCE_BITS - 64 | self._bits() >> 128 - CHANCE_BITS
            else:
                fresh = self._last + 1 + (self._bits() >> 64 - STEP_BITS)
            self._last = fresh
        return _with_version(fresh)

    def _bits(self) -> int:
        """64 bits of the system's chance, each used once."""
        if not self._chance:
            self._chance = array("Q", os.urandom(CHANCE_BYTES)).tolist()
        return self._chance.pop()

    def _forget_chance(self) -> None:
        """Two processes must not use the same."""
        self._chance = []


def _with_version(value: int) -> int:
    """The time and the chance in their places around the version (7) and the variant (binary 10)."""
    time_part, high, low = value >> CHANCE_BITS, value >> LOW_BITS & 0xFFF, value & (1 << LOW_BITS) - 1
    return time_part << 80 | 0x7 << 76 | high << 64 | 0x2 << 62 | low


_sequence = _Sequence()
