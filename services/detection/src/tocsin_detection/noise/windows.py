"""What people do with maintenance windows that are not kept in files, and when windows are open."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin.detection.v1.noise_pb2 import MaintenanceWindow

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_detection import store as alerts
from tocsin_detection.noise import store
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.window import (
    Occurrence,
    Window,
    WindowExists,
    WindowInvalid,
    WindowKeptInFiles,
    WindowNotFound,
    occurrences,
)
from tocsin_detection.noise.wire import window_of
from tocsin_kernel.clock import Clock

NEXT_TIMES = 3


@dataclass(frozen=True, slots=True)
class Planned:
    """A window, and when it is open next."""

    window: Window
    occurrences: Sequence[Occurrence]


class Windows:
    """Adds, closes, removes and shows windows. What changes them is done in the caller's transaction."""

    def __init__(self, database: Database, rulebook: Rulebook, clock: Clock) -> None:
        self._database = database
        self._rulebook = rulebook
        self._clock = clock

    async def add(self, tx: Tx, wanted: MaintenanceWindow, by: str) -> Planned:
        """A new window. Raises WindowExists, WindowInvalid, MatcherInvalid."""
        now = self._clock.now()
        window = window_of(wanted, "window", now, by)
        times = occurrences(window, now, NEXT_TIMES)
        if not times:
            raise WindowInvalid(field="window.starts_at", detail="it is over before it begins; give a time to come")
        await self._rulebook.changes(tx)
        if any(stored.name == window.name for stored in await store.windows(tx)):
            raise WindowExists(window=window.name)
        await store.save_window(tx, window)
        return Planned(window, times)

    async def end(self, tx: Tx, name: str) -> Planned:
        """The window, closed now if it was open. Raises WindowNotFound."""
        await self._rulebook.changes(tx)
        window = await _existing(tx, name)
        now = self._clock.now()
        if any(each.starts_at <= now for each in occurrences(window, now, 1)):
            window = replace(window, closed_at=now)
            await store.save_window(tx, window)
            await alerts.reconsider(tx, [name], now)
        return Planned(window, occurrences(window, now, NEXT_TIMES))

    async def remove(self, tx: Tx, name: str) -> None:
        """Raises WindowNotFound, WindowKeptInFiles."""
        await self._rulebook.changes(tx)
        if (await _existing(tx, name)).kept_in_files:
            raise WindowKeptInFiles(window=name)
        await store.delete_window(tx, name)
        await alerts.reconsider(tx, [name], self._clock.now())

    async def list(self, most: int) -> list[Planned]:
        """All by name, with at most so many of their next times."""
        now: datetime = self._clock.now()
        async with self._database.transaction() as tx:
            return [Planned(window, occurrences(window, now, most)) for window in await store.windows(tx)]


async def _existing(tx: Tx, name: str) -> Window:
    found = next((window for window in await store.windows(tx) if window.name == name), None)
    if found is None:
        raise WindowNotFound(window=name)
    return found
