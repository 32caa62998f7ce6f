"""Is the platform down, and who is to be told now? Pure decisions; times are seconds of one clock."""

from dataclasses import dataclass, replace
from enum import Enum

# From one page about the same outage to the next; the last one goes on.
REMINDERS = (300.0, 900.0, 1800.0, 3600.0)


class Round(Enum):
    """What became of one synthetic alert."""

    CAME_THROUGH = "came through"
    NOT_BACK = "was taken, and no page came back"
    NOT_TAKEN = "was not taken"


class Say(Enum):
    """What the people on call are to be told."""

    NOTHING = "nothing"
    DOWN = "down"
    STILL_DOWN = "still down"
    UP_AGAIN = "up again"


@dataclass(frozen=True)
class Watch:
    """What is known of the platform. `failing_since` is when the row of failures began, `down_since` when it was called down."""

    misses: int = 0
    failing_since: float | None = None
    unanswered_since: float | None = None
    down_since: float | None = None
    why: str = ""
    told: int = 0
    told_at: float | None = None
    paused_until: float = 0.0

    @property
    def is_down(self) -> bool:
        return self.down_since is not None


@dataclass(frozen=True)
class Limits:
    """After how many misses, or seconds without any answer, the platform is down."""

    misses: int
    down_seconds: float


def after_round(watch: Watch, outcome: Round, why: str, now: float, limits: Limits) -> Watch:
    """What is known after a synthetic alert. One that came through ends every doubt."""
    if outcome is Round.CAME_THROUGH:
        return replace(watch, misses=0, failing_since=None, unanswered_since=None, down_since=None, why="")
    known = replace(watch, misses=watch.misses + 1, failing_since=_first(watch.failing_since, now))
    if watch.is_down:
        return replace(known, why=why)
    if known.misses >= limits.misses:
        return replace(
            known, down_since=now, why=f"{known.misses} synthetic alerts in a row did not come back as a page: the last one {why}"
        )
    return known


def after_probe(watch: Watch, answered: bool, why: str, now: float, limits: Limits) -> Watch:
    """What is known after asking whether anybody is there. An answer alone does not end an outage: only a page that arrives does."""
    if answered:
        return replace(watch, unanswered_since=None)
    since = watch.unanswered_since if watch.unanswered_since is not None else now
    known = replace(watch, unanswered_since=since)
    if watch.is_down or now - since < limits.down_seconds:
        return known
    failing_since = watch.failing_since if watch.failing_since is not None else since
    return replace(known, failing_since=failing_since, down_since=now, why=f"nothing has answered for {now - since:.0f} s: {why}")


def to_say(watch: Watch, now: float) -> Say:
    """What is due to be told. While paused nothing is; who was told of an outage is told of its end."""
    if not watch.is_down:
        return Say.UP_AGAIN if watch.told else Say.NOTHING
    if now < watch.paused_until:
        return Say.NOTHING
    if watch.told_at is None:
        return Say.DOWN
    wait = REMINDERS[min(watch.told, len(REMINDERS)) - 1] if watch.told else 0.0
    return Say.STILL_DOWN if now - watch.told_at >= wait else Say.NOTHING


def after_saying(watch: Watch, said: Say, now: float) -> Watch:
    """What is known once it was told."""
    if said is Say.UP_AGAIN:
        return replace(watch, told=0, told_at=None)
    return watch if said is Say.NOTHING else replace(watch, told=watch.told + 1, told_at=now)


def _first(known: float | None, now: float) -> float:
    return now if known is None else known
