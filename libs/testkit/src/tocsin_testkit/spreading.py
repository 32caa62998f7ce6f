"""How a run by several workers (pytest-xdist) is spread over them: by files, the longest first."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from xdist.scheduler import LoadFileScheduling

Kind = TypeVar("Kind")

# What a test costs that asks for one of these: an installation of its own, a shared one, all services in one process, a database.
SECONDS = {"home": 15.0, "up": 4.0, "platform": 2.0, "world": 0.7}
OTHERWISE = 0.05
# Its tests share an installation, which costs each worker that starts one a tenth of a processor for as long as it runs.
TOGETHER = "tests/e2e"


class LongestFirst(LoadFileScheduling):
    """Hands the files out in the order in which the workers have collected them, and what lies in TOGETHER to one worker."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return part(nodeid)


def part(nodeid: str) -> str:
    """What is not split over workers: a file, or TOGETHER."""
    file = nodeid.partition("::")[0]
    return TOGETHER if Path(file).is_relative_to(TOGETHER) else file


def longest_first(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests, those of one part beside each other, in their order, the part that takes longest first."""
    files: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in items:
        files[item.nodeid.partition("::")[0]].append(item)
    parts: dict[str, list[pytest.Item]] = defaultdict(list)
    for file in sorted(files):  # in whatever order this worker has read them, see `turned`
        parts[part(file)].extend(files[file])
    return [item for tests in sorted(parts.values(), key=_seconds, reverse=True) for item in tests]


def turned(found: Sequence[Kind], number: int, of: int) -> list[Kind]:
    """What is to be read, for worker `number` of so many beginning at a place of its own.

    What one worker has compiled the others then find, where all in one order would compile the same at the same time.
    """
    start = number * len(found) // of
    return [*found[start:], *found[:start]]


def _seconds(items: list[pytest.Item]) -> float:
    return sum(max((SECONDS.get(name, OTHERWISE) for name in getattr(item, "fixturenames", ())), default=OTHERWISE) for item in items)
