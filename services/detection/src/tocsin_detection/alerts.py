"""What people and programs do with alerts: raise, resolve, look at; and the silent end that time brings."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec import structs
from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage

from tocsin_chassis import paging
from tocsin_chassis.paging import MOST_BYTES
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import tracer
from tocsin_detection import store
from tocsin_detection.alert import Alert, Decision, acknowledge, changed, end_silently, resolve_by_hand, snooze, unacknowledge
from tocsin_detection.alert_list_store import list_alerts
from tocsin_detection.listening import Listening
from tocsin_detection.listing import Look, Position, Wanted, weight
from tocsin_detection.observer import Observer
from tocsin_detection.repeats import Repeats
from tocsin_detection.signal import Signal
from tocsin_detection.signals import contending
from tocsin_detection.wire import alert_message
from tocsin_detection.withheld import store as withheld
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import NotFound

AT_ONCE = 500
READ_FIRST = 50
MOST_LOG_ENTRIES = 1_000
DELIVERIES_KEPT = timedelta(days=1)


class AlertNotFound(NotFound):
    reason = "ALERT_NOT_FOUND"
    message = "there is no alert {alert}"


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of alerts, newest first, and where the next begins; None after the last.

    `incidents` are those of private incidents: which one, by the alert's id.
    """

    alerts: Sequence[Alert]
    incidents: Mapping[str, str]
    following: Position | None

    @property
    def next_page_token(self) -> str:
        return page_token(self.following) if self.following else ""


class Alerts:
    """Raises, resolves and shows alerts; ends those whose senders fell silent, and judges again what is held back.

    The commands take the caller's transaction, in which a repeat of the request is recognised; the queries open their own.
    """

    def __init__(self, database: Database, observer: Observer, repeats: Repeats, clock: Clock, silence_grace: timedelta) -> None:
        self._database = database
        self._observer = observer
        self._repeats = repeats
        self._clock = clock
        self._listening = Listening(clock, silence_grace)

    async def raise_alert(self, request_id: str, signal: Signal) -> AlertMessage:
        """The alert that the signal opened or joined; for a repeated request_id as it was the first time."""

        async def raised(tx: Tx) -> AlertMessage:
            return await once(tx, "RaiseAlert", request_id, AlertMessage, lambda: self._raise(tx, signal))

        return await contending(self._database, raised)

    async def _raise(self, tx: Tx, signal: Signal) -> AlertMessage:
        decisions = await self._observer.observe(tx, [signal], self._clock.now())
        raised = decisions[0].alert
        assert raised is not None  # a signal that is not a resolve always opens or joins an alert
        return alert_message(await store.find_alert(tx, raised.id) or raised)

    async def resolve(self, tx: Tx, alert_id: str, by: str) -> Alert:
        """The alert, resolved now or before. Raises AlertNotFound."""
        found = await self._locked(tx, alert_id)
        return await self.keep(tx, found, resolve_by_hand(found, by, self._clock.now()))

    async def acknowledge(self, tx: Tx, alert_id: str, by: str) -> Alert:
        """The alert, taken now or before. Raises AlertNotFound, AlertHasEnded."""
        found = await self._locked(tx, alert_id)
        return await self.keep(tx, found, acknowledge(found, by, self._clock.now()))

    async def unacknowledge(self, tx: Tx, alert_id: str, by: str) -> Alert:
        """The alert, which nobody has taken any more. Raises AlertNotFound, AlertHasEnded."""
        found = await self._locked(tx, alert_id)
        return await self.keep(tx, found, unacknowledge(found, by))

    async def snooze(self, tx: Tx, alert_id: str, until: datetime, by: str) -> Alert:
        """The alert, put aside until an instant. Raises AlertNotFound, AlertHasEnded."""
        found = await self._locked(tx, alert_id)
        return await self.keep(tx, found, snooze(found, until, by, self._clock.now()))

    async def _locked(self, tx: Tx, alert_id: str) -> Alert:
        """Raises AlertNotFound."""
        [found] = self._repeats.caught_up(tx, [await locked(tx, alert_id)])
        return found

    async def edit(self, tx: Tx, found: Alert, after: Alert, reason: str, by: str, note: str = "") -> Alert:
        """Keep what somebody changed of an alert that is locked; `note` is kept with it in the log."""
        return await self.keep(tx, found, changed(found, after, reason, by, note))

    async def keep(self, tx: Tx, found: Alert, decision: Decision) -> Alert:
        """Keep one decision about an alert that is locked."""
        kept = await self._observer.keep(tx, [found], [decision], self._clock.now())
        return kept[0] if kept else found

    async def get(self, alert_id: str) -> tuple[Alert, list[store.LogEntry]]:
        """An alert and what was decided about it. Raises AlertNotFound."""
        async with self._database.transaction() as tx:
            alert = await store.find_alert(tx, alert_id)
            if alert is None:
                raise AlertNotFound(alert=alert_id)
            log = await store.log_of(tx, alert, MOST_LOG_ENTRIES)
        return structs.replace(alert, occurrences=alert.occurrences + self._repeats.since_written(alert.id)), log

    async def list(self, wanted: Wanted) -> Listing:
        """One page: at most `wanted.limit` of the next alerts, which are looked at up to a bound. It may be empty and not the last."""
        async with self._database.reading() as tx:
            look = await self._look(tx, wanted)
            private = await withheld.of_alerts(tx, [alert.id for alert in look.found]) if look.found else []
        return Listing(look.found, {each.id: each.incident_id for each in private}, look.until)

    async def _look(self, tx: Tx, wanted: Wanted) -> Look:
        """Some alerts first: where these are so large that no more would fit into an answer, no more are read."""
        first = await list_alerts(tx, replace(wanted, limit=min(wanted.limit, READ_FIRST)))
        left = wanted.limit - len(first.found)
        if first.until is None or len(first.found) < READ_FIRST or not left or weight(first.found) * wanted.limit > READ_FIRST * MOST_BYTES:
            return first
        rest = await list_alerts(tx, replace(wanted, limit=left, before=first.until))
        return Look([*first.found, *rest.found], rest.until)

    async def export(self, wanted: Wanted) -> AsyncIterator[Listing]:
        """All pages, one after the other, each read by itself: nobody waits for a slow reader."""
        wanted = replace(wanted, limit=AT_ONCE)
        while True:
            page = await self.list(wanted)
            if page.alerts:
                yield page
            if page.following is None:
                return
            wanted = replace(wanted, before=page.following)

    async def end_silent(self) -> None:
        """End the alerts whose end has passed.

        While detection or its database was down no sender could move an end, so alerts from before get a grace first.
        """
        with self._listening.attempt() as heard_since:
            now = self._clock.now()
            while await self._end_some(now, heard_since) == AT_ONCE:
                pass

    async def _end_some(self, now: datetime, heard_since: datetime) -> int:
        async with self._database.transaction() as tx:
            due = self._repeats.caught_up(tx, await store.lock_overdue_alerts(tx, now, heard_since, AT_ONCE))
            overdue = [alert for alert in due if alert.ends_at is not None and alert.ends_at <= now]
            # Repeats have moved these, and that was not written yet.
            await store.count_repeats(tx, [alert for alert in due if alert.ends_at is not None and alert.ends_at > now])
            if overdue:
                # What time brings has no caller whose trace it could continue: it begins one.
                with tracer.start_as_current_span("end alerts silently"):
                    await self._observer.keep(tx, overdue, [end_silently(alert, now) for alert in overdue], now)
        return len(due)

    async def reconsider(self) -> None:
        """Judge again what is held back, where a hold may have ended."""
        now = self._clock.now()
        while await self._reconsider_some(now) == AT_ONCE:
            pass

    async def _reconsider_some(self, now: datetime) -> int:
        async with self._database.transaction() as tx:
            due = await store.lock_reconsidered_alerts(tx, now, AT_ONCE)
            if due:
                with tracer.start_as_current_span("judge held alerts again"):
                    await self._observer.reconsider(tx, due, now)
        return len(due)

    async def forget_deliveries(self) -> None:
        """Forget what senders delivered long ago."""
        async with self._database.transaction() as tx:
            await store.forget_deliveries(tx, self._clock.now() - DELIVERIES_KEPT)


async def locked(tx: Tx, alert_id: str) -> Alert:
    """The alert, locked. Raises AlertNotFound."""
    found = await store.lock_alert(tx, alert_id)
    if found is None:
        raise AlertNotFound(alert=alert_id)
    return found


def page_token(following: Position) -> str:
    """The token of the page that begins after this place."""
    return paging.encode(following[0].isoformat(), following[1])


def page_start(token: str) -> Position | None:
    """Where the page of a token starts; None for the first. Raises PageTokenInvalid."""
    if not token:
        return None
    opened_at, alert_id = paging.decode(token, 2)
    try:
        return datetime.fromisoformat(opened_at).astimezone(UTC), str(UUID(alert_id))
    except (ValueError, OverflowError) as error:
        raise paging.refused() from error
