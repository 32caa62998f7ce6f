"""Keeps processes alive: starts again what dies, later and later if it keeps dying, and stops everything in order."""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tocsin_standalone.canary import Canary
from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.nats import EmbeddedNats
from tocsin_standalone.process import Child, rotate

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY_SECONDS = 60.0
ROOM_BYTES = 64 * 1024 * 1024


@dataclass
class Backoff:
    """How long to wait before the next start."""

    failures: int = 0

    def after(self, uptime: float) -> float:
        """Seconds to wait now that it ended after `uptime` seconds: 0.5, doubled each time up to 30; after a minute up it begins anew."""
        self.failures = 1 if uptime >= STEADY_SECONDS else self.failures + 1
        return float(min(FIRST_DELAY * 2 ** min(self.failures - 1, 10), LONGEST_DELAY))


@dataclass
class Kept:
    """One process that is kept alive."""

    child: Child
    backoff: Backoff
    restart_at: float | None = None


class Supervisor:
    """Tends its processes from one thread. Stops them group by group, the last one added first."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._groups: list[list[Kept]] = []
        self._canary: tuple[Canary, EmbeddedNats] | None = None
        self._canary_heard = 0.0

    def keep(self, *children: Child) -> None:
        """Start these side by side, and keep them alive from now on."""
        group = [Kept(child, Backoff()) for child in children]
        self._groups.append(group)
        for kept in group:
            if not kept.child.running:
                kept.child.start()

    def listen_to(self, canary: Canary, nats: EmbeddedNats) -> None:
        """Restart nats-server when the canary says that it is deaf though it runs."""
        self._canary = (canary, nats)
        canary.start()

    def tend(self) -> None:
        """Look after everything once; call it often."""
        for group in self._groups:
            for kept in group:
                self._tend_one(kept, time.monotonic())
        self._heed_canary()

    def run(self, stop: threading.Event) -> None:
        """Tend until `stop` is set."""
        rounds = 0
        while not stop.wait(0.2):
            self.tend()
            rounds += 1
            if rounds % 50 == 0:
                self._rotate_logs()

    def failed_at_start(self) -> Child | None:
        """A process that ended three times and never stayed up; None if there is none."""
        return next((kept.child for group in self._groups for kept in group if kept.backoff.failures >= 3), None)

    def stop(self) -> None:
        """Stop everything: what was started last goes first, each group side by side."""
        if self._canary is not None:
            self._canary[0].end()
        for group in reversed(self._groups):
            for kept in group:
                kept.child.ask_to_stop()
            for kept in group:
                kept.child.finish()
        self._groups.clear()

    def _tend_one(self, kept: Kept, now: float) -> None:
        child = kept.child
        if child.running:
            return
        if kept.restart_at is None:
            delay = kept.backoff.after(now - child.started_at)
            kept.restart_at = now + delay
            self._say(f"{child.program.name} ended ({_reason(child.status)}); it starts again in {delay:g} s. Its log: {child.program.log}")
        elif now >= kept.restart_at:
            kept.restart_at = None
            self._start_again(kept)

    def _start_again(self, kept: Kept) -> None:
        try:
            kept.child.start()
        except (OSError, StandaloneError) as error:
            kept.restart_at = time.monotonic() + kept.backoff.after(0)
            self._say(f"{kept.child.program.name} cannot start: {error}")

    def _heed_canary(self) -> None:
        if self._canary is None:
            return
        canary, nats = self._canary
        if self._canary_heard != nats.child.started_at:
            self._canary_heard = nats.child.started_at
            canary.forgive()
        elif canary.dead and nats.child.running and _has_room(nats.store):
            self._say("JetStream does not write though nats-server runs: it is killed")
            nats.kill()  # what it has acknowledged is on the disk, and one that hangs would not heed a request

    def _rotate_logs(self) -> None:
        for group in self._groups:
            for kept in group:
                rotate(kept.child.program.log)


def _has_room(store: Path) -> bool:
    """True if a restart can help: a full disk is no better after it."""
    return shutil.disk_usage(store).free > ROOM_BYTES


def _reason(status: int | None) -> str:
    return f"signal {-status}" if status is not None and status < 0 else f"status {status}"
