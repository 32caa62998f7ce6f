"""What people and programs do with alerts: raise, resolve, look at; and the silent end that time brings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage

from tocsin_chassis import paging
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import tracer
from tocsin_detection import store
from tocsin_detection.alert import Alert, Decision, end_silently, resolve_by_hand
from tocsin_detection.signal import Signal
from tocsin_detection.signals import contending, observe_in, tell
from tocsin_detection.wire import alert_message
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import NotFound
from tocsin_kernel.ids import Ids

AT_ONCE = 500
MOST_LOG_ENTRIES = 1_000
LONG_AGO = datetime.min.replace(tzinfo=UTC)


class AlertNotFound(NotFound):
    reason = "ALERT_NOT_FOUND"
    message = "there is no alert {alert}"


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of alerts, newest first, and the token of the next; empty on the last."""

    alerts: list[Alert]
    next_page_token: str


class Alerts:
    """Raises, resolves and shows alerts, and ends those whose senders fell silent."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, silence_grace: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._silence_grace = silence_grace
        self._listening_since = clock.now()
        self._deaf = False

    async def raise_alert(self, request_id: str, signal: Signal) -> AlertMessage:
        """The alert that the signal opened or joined; for a repeated request_id as it was the first time."""

        async def raised(tx: Tx) -> AlertMessage:
            return await once(tx, "RaiseAlert", request_id, AlertMessage, lambda: self._raise(tx, signal))

        return await contending(self._database, raised)

    async def _raise(self, tx: Tx, signal: Signal) -> AlertMessage:
        decisions = await observe_in(tx, [signal], self._clock.now(), self._ids)
        alert = decisions[0].alert
        assert alert is not None  # a signal that is not a resolve always opens or joins an alert
        return alert_message(alert)

    async def resolve(self, request_id: str, alert_id: str, by: str) -> AlertMessage:
        """The alert, resolved now or before. Raises AlertNotFound."""
        async with self._database.transaction() as tx:
            return await once(tx, "ResolveAlert", request_id, AlertMessage, lambda: self._resolve(tx, alert_id, by))

    async def _resolve(self, tx: Tx, alert_id: str, by: str) -> AlertMessage:
        found = await store.lock_alert(tx, alert_id)
        if found is None:
            raise AlertNotFound(alert=alert_id)
        now = self._clock.now()
        decision = resolve_by_hand(found, by, now)
        alert = decision.alert or found
        if not alert.open and found.open:
            await self._save(tx, [decision], now)
        return alert_message(alert)

    async def get(self, alert_id: str) -> tuple[Alert, list[store.LogEntry]]:
        """An alert and what was decided about it. Raises AlertNotFound."""
        async with self._database.transaction() as tx:
            alert = await store.find_alert(tx, alert_id)
            if alert is None:
                raise AlertNotFound(alert=alert_id)
            return alert, await store.log_of(tx, alert_id, MOST_LOG_ENTRIES)

    async def list(self, wanted: store.Wanted) -> Listing:
        """One page; `wanted.limit` is its size."""
        async with self._database.transaction() as tx:
            # One more than wanted says whether there is a next page.
            found = await store.list_alerts(tx, replace(wanted, limit=wanted.limit + 1))
        page = found[: wanted.limit]
        return Listing(page, paging.encode(page[-1].opened_at.isoformat(), page[-1].id) if len(found) > len(page) else "")

    async def end_silent(self) -> None:
        """End the alerts whose end has passed.

        While detection or its database was down no sender could move an end, so alerts from before get a grace first.
        """
        try:
            now = self._clock.now()
            if self._deaf:
                self._listening_since, self._deaf = now, False
            graced = now < self._listening_since + self._silence_grace
            while await self._end_some(now, self._listening_since if graced else LONG_AGO) == AT_ONCE:
                pass
        except Exception:
            self._deaf = True
            raise

    async def _end_some(self, now: datetime, heard_since: datetime) -> int:
        async with self._database.transaction() as tx:
            overdue = await store.lock_overdue_alerts(tx, now, heard_since, AT_ONCE)
            if overdue:
                # What time brings has no caller whose trace it could continue: it begins one.
                with tracer.start_as_current_span("end alerts silently"):
                    await self._save(tx, [end_silently(alert, now) for alert in overdue], now)
        return len(overdue)

    async def _save(self, tx: Tx, decisions: Sequence[Decision], now: datetime) -> None:
        await store.update_alerts(tx, [decision.alert for decision in decisions if decision.alert is not None])
        await tell(tx, decisions, now)


def page_start(token: str) -> tuple[datetime, str] | None:
    """Where the page of a token starts; None for the first. Raises PageTokenInvalid."""
    if not token:
        return None
    opened_at, alert_id = paging.decode(token, 2)
    try:
        return datetime.fromisoformat(opened_at).astimezone(UTC), str(UUID(alert_id))
    except (ValueError, OverflowError) as error:
        raise paging.refused() from error
