"""Which open alerts matchers match now, for people who are about to silence them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Database
from tocsin_detection import store as alerts
from tocsin_detection.alert import Alert
from tocsin_detection.noise import store
from tocsin_detection.noise.matcher import Matchers, all_match, labels_of

HOUR = timedelta(hours=1)
AT_ONCE = 2_000
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Found:
    """How many open alerts match, and the newest of them."""

    matches: int
    newest: Sequence[Alert] = field(default_factory=tuple)


class Matching:
    """Counts alerts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, matchers: Matchers) -> Found:
        """Reads open alerts page by page, each by itself, so that nothing waits for it."""
        matching: list[str] = []
        after = ""
        while True:
            async with self._database.transaction() as tx:
                page = await store.open_alerts(tx, after, AT_ONCE)
            matching += [alert.id for alert in page if all_match(matchers, labels_of(alert))]
            if len(page) < AT_ONCE:
                break
            after = page[-1].id
        async with self._database.transaction() as tx:
            # Ids rise with time.
            newest = [await alerts.find_alert(tx, alert_id) for alert_id in reversed(matching[-SHOWN:])]
        return Found(len(matching), [alert for alert in newest if alert is not None])

    async def by_hour(self, count: int, now: datetime) -> Sequence[store.OpenedHour]:
        """How many alerts opened in each of the last hours, oldest first; the last one runs."""
        running = now.replace(minute=0, second=0, microsecond=0)
        hours = [running - number * HOUR for number in reversed(range(count))]
        async with self._database.transaction() as tx:
            found = {hour.began: hour for hour in await store.opened_by_hour(tx, hours[0])}
        return [found.get(began, store.OpenedHour(began, 0, 0)) for began in hours]
