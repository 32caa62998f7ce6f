"""Tells detection of coverage gaps until it has taken each."""

import logging
from datetime import timedelta
from typing import Protocol

import grpc
from prometheus_client import Gauge

from tocsin_chassis.postgres.database import Database
from tocsin_kernel.clock import Clock
from tocsin_response.gap import store
from tocsin_response.gap.store import GapReport

log = logging.getLogger(__name__)

BATCH = 20
LEASE = timedelta(seconds=30)
LONGEST_PAUSE_SECONDS = 60

waiting = Gauge("tocsin_gap_reports_waiting", "coverage gaps that detection does not know yet")


class Alerts(Protocol):
    """Where alerts are raised."""

    async def raise_alert(self, report: GapReport) -> str:
        """Returns the alert's id. Raises grpc.RpcError."""
        ...


class GapReports:
    """The reports that wait."""

    def __init__(self, database: Database, clock: Clock, alerts: Alerts | None) -> None:
        self._database = database
        self._clock = clock
        self._alerts = alerts
        self._said = 0

    async def send_due(self) -> None:
        """Raise an alert for every report that is due. The same report twice is the same alert: the request id is stable."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            reports = await store.claim_reports(tx, now, now + LEASE, BATCH) if self._alerts is not None else []
            self._show(await store.count_waiting(tx))
        for report in reports:
            await self._send(report)

    async def _send(self, report: GapReport) -> None:
        assert self._alerts is not None
        try:
            alert_id = await self._alerts.raise_alert(report)
        except grpc.aio.AioRpcError as error:
            said = f"{error.code().name}: {error.details()}"
            pause = timedelta(seconds=min(LONGEST_PAUSE_SECONDS, 2 ** min(report.attempts - 1, 6)))
            log.warning("the report of a coverage gap (%s) is sent again in %d s: %s", report.gap, pause.total_seconds(), said)
            async with self._database.transaction() as tx:
                await store.postpone_report(tx, report.id, self._clock.now() + pause, said)
            return
        async with self._database.transaction() as tx:
            await store.accept_report(tx, report.id, alert_id)

    def _show(self, count: int) -> None:
        waiting.set(count)
        if count and count != self._said and self._alerts is None:
            log.warning("%d reports of coverage gaps wait, because TOCSIN_DETECTION_ADDRESS is empty", count)
        self._said = count
