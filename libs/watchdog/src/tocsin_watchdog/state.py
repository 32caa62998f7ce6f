"""What must outlive the watchdog itself: an outage that is known is not told anew after a restart."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tocsin_watchdog.verdict import Watch


@dataclass
class State:
    """The watch over the platform and over the peer, and the rounds whose alert is still open. Times are seconds since 1970."""

    platform: Watch = field(default_factory=Watch)
    peer: Watch = field(default_factory=Watch)
    open_rounds: list[str] = field(default_factory=list)
    told_people: list[str] = field(default_factory=list)
    last_came_through: float | None = None

    def save(self, path: Path) -> None:
        """Replace the file in one step."""
        fresh = path.with_name(f".{path.name}.new")
        with open(fresh, "w", encoding="utf-8", opener=_private) as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)


def load(path: Path) -> State:
    """The state of the last run; a fresh one if there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return State(
            platform=Watch(**found["platform"]),
            peer=Watch(**found["peer"]),
            open_rounds=[str(name) for name in found["open_rounds"]],
            told_people=[str(name) for name in found["told_people"]],
            last_came_through=found["last_came_through"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return State()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
