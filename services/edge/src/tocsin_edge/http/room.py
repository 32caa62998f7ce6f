"""Room for work that comes from outside: so much at once, and whoever finds none is told at once instead of waiting in a pile."""

from collections.abc import Iterator
from contextlib import contextmanager


class Full(Exception):
    """There is no room now; it was not begun."""


class Room:
    """Counts what is being worked on and how many bytes that keeps in memory."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self._free = most
        self._free_bytes = most_bytes

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Room for one piece of work of at most `size` bytes. Raises Full."""
        if self._free < 1 or self._free_bytes < size:
            raise Full()
        self._free -= 1
        self._free_bytes -= size
        try:
            yield
        finally:
            self._free += 1
            self._free_bytes += size
