"""What lies in no day's partition because that day had none: counted, so that somebody is told, and forgotten when its time is over."""

import logging
from datetime import datetime, time, timedelta

from prometheus_client import Gauge

from tocsin_chassis.postgres.database import Database
from tocsin_detection import store
from tocsin_kernel.clock import Clock

log = logging.getLogger(__name__)

rows = Gauge(
    "tocsin_default_partition_rows", "rows that lie in no day's partition, by table; more than 0: look at the retention", ["table"]
)


class Strays:
    """Looks after the default partitions of the tables that have one for each day. Their other partitions are dropped whole."""

    def __init__(self, database: Database, clock: Clock, kept_days: int) -> None:
        self._database = database
        self._clock = clock
        self._kept = timedelta(days=kept_days)

    async def look(self) -> store.StrayRows:
        """Forget those of the days that are forgotten, and say how many are left."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            await store.forget_strays(tx, datetime.combine(now.date() - self._kept, time(), now.tzinfo))
            found = await store.count_strays(tx)
        rows.labels("resolved_alert").set(found.resolved_alerts)
        rows.labels("alert_log").set(found.log_entries)
        if found.resolved_alerts or found.log_entries:
            log.warning(
                "%d resolved alerts and %d log entries came on days that had no partition: they are kept, but forgotten row by row",
                found.resolved_alerts,
                found.log_entries,
            )
        return found
