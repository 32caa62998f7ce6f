"""Whose turn it is where one of many is asked: known by name, so that restarts and edits of the list do not disturb it."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cursor:
    """Who was asked last, and the list as it was then."""

    last: str = ""
    ring: tuple[str, ...] = ()

    def following(self, names: Sequence[str]) -> str:
        """Who of `names` (not empty) is next: the one after who was last; if they are gone, the one who came after them then."""
        if self.last in names:
            return names[(names.index(self.last) + 1) % len(names)]
        place = self.ring.index(self.last) if self.last in self.ring else -1
        after = (*self.ring[place + 1 :], *self.ring[: max(place, 0)]) if place >= 0 else ()
        return next((name for name in after if name in names), names[0])

    def taken(self, name: str, names: Sequence[str]) -> "Cursor":
        """This one was asked."""
        return Cursor(name, tuple(names))
