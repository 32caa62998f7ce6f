"""What is worked out once for each part of a playbook, however many steps run by it: a playbook that was read never changes."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")

REMEMBERED = 2_000


class Once(Generic[Found]):
    """Remembers by the object itself, not by what stands in it: looking at all of that would cost as much as working it out."""

    def __init__(self, work_out: Callable[[Mapping[str, Any]], Found], most: int = REMEMBERED) -> None:
        self._work_out = work_out
        self._most = most
        # The part is kept beside what was found, so that no other one can take its place in memory.
        self._known: OrderedDict[int, tuple[Mapping[str, Any], Found]] = OrderedDict()

    def __call__(self, part: Mapping[str, Any]) -> Found:
        """What was found for this part, or is found now."""
        known = self._known.get(id(part))
        if known is not None:
            return known[1]
        found = self._work_out(part)
        self._known[id(part)] = (part, found)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return found
