"""What the use cases of alerts ask of the noise rules."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold


class Judge(Protocol):
    """Says what holds alerts back."""

    async def judge(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> Sequence[tuple[Hold, ...]]:
        """For each open alert, in order, what holds it back now; empty: nothing.

        Called within the transaction of a report, after its alerts are locked and before they are written, with those that have just
        opened or changed and are not told; and again for alerts that are held, when one of their holds may have ended. It makes
        no statement where no rule needs one: this is the hot path.
        """
        ...

    async def explained(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> Sequence[tuple[Hold, ...]]:
        """For each open alert, in order, what explains it now: of all holds the only ones that concern an alert that was told."""
        ...

    async def changed(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> None:
        """Open alerts that were told say something else now, and may explain others by it."""
        ...


class NothingHolds:
    """The judge of an installation without rules."""

    async def judge(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> Sequence[tuple[Hold, ...]]:
        return [()] * len(alerts)

    async def explained(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> Sequence[tuple[Hold, ...]]:
        return [()] * len(alerts)

    async def changed(self, tx: Tx, alerts: Sequence[Alert], now: datetime) -> None:
        pass
