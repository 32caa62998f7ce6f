"""What people, programs and time do with heartbeats."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1.heartbeat_pb2 import Heartbeat as HeartbeatMessage

from tocsin_chassis.configuration import changes
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import tracer
from tocsin_detection.heartbeat import store
from tocsin_detection.heartbeat.heartbeat import (
    LONGEST_INTERVAL,
    Heartbeat,
    HeartbeatExists,
    HeartbeatNotFound,
    State,
    disable,
    enable,
    expire,
    lateness,
    ping,
    reconfigured,
    recovery,
)
from tocsin_detection.heartbeat.wire import configured, heartbeat_message, heartbeat_of
from tocsin_detection.listening import Listening
from tocsin_detection.observer import Observer
from tocsin_detection.signals import contending
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid

# The kinds of integrations through whose addresses heartbeats can be pinged.
KINDS = ("heartbeat", "opsgenie")
MOST_OF_INTEGRATION = 10_000

Changing = Callable[[Tx, Heartbeat], Awaitable[tuple[Heartbeat, str]]]


class Heartbeats:
    """Keeps heartbeats, takes their pings, and opens and ends their alerts.

    `integration`, where it is given, is the only one whose heartbeats the caller may touch: others do not exist for it.
    """

    def __init__(self, database: Database, observer: Observer, clock: Clock, silence_grace: timedelta) -> None:
        self._database = database
        self._observer = observer
        self._clock = clock
        self._listening = Listening(clock, silence_grace)

    async def all(self, integration: str | None = None) -> list[Heartbeat]:
        """By name."""
        async with self._database.transaction() as tx:
            return await store.heartbeats(tx, integration)

    async def get(self, name: str, integration: str | None = None) -> Heartbeat:
        """Raises HeartbeatNotFound."""
        async with self._database.transaction() as tx:
            return _existing(await store.find_heartbeat(tx, name), name, integration)

    async def create(self, wanted: Heartbeat, request_id: str = "") -> HeartbeatMessage:
        """The new heartbeat; for a repeated request_id as it was the first time. Raises HeartbeatExists, Invalid."""
        async with self._database.transaction() as tx:
            return await once(tx, "CreateHeartbeat", request_id, HeartbeatMessage, lambda: self._create(tx, wanted))

    async def _create(self, tx: Tx, wanted: Heartbeat) -> HeartbeatMessage:
        await _check(tx, wanted, "heartbeat")
        if await store.count_heartbeats(tx, wanted.integration) >= MOST_OF_INTEGRATION:
            raise Invalid(field="heartbeat", detail=f"{wanted.integration} has {MOST_OF_INTEGRATION} already; delete some first")
        if not await store.insert_heartbeat(tx, wanted):
            raise HeartbeatExists(name=wanted.name)
        return heartbeat_message(wanted)

    async def update(self, name: str, change: Callable[[Heartbeat], Heartbeat], integration: str | None = None) -> Heartbeat:
        """Configure it otherwise: `change` says how. Raises HeartbeatNotFound, Invalid."""

        async def configure(tx: Tx, found: Heartbeat) -> tuple[Heartbeat, str]:
            wanted = change(found)
            await _check(tx, wanted, "heartbeat")
            return reconfigured(found, wanted), "the heartbeat was moved to another integration"

        return await self._change(name, integration, configure)

    async def delete(self, name: str, integration: str | None = None) -> None:
        """Remove it and end its alert. Raises HeartbeatNotFound."""

        async def remove(tx: Tx) -> None:
            found = _existing(await store.lock_heartbeat(tx, name), name, integration)
            await self._remove(tx, found)

        await contending(self._database, remove)

    async def enable(self, name: str, integration: str | None = None) -> Heartbeat:
        """Switch it on. Raises HeartbeatNotFound."""

        async def switch(tx: Tx, found: Heartbeat) -> tuple[Heartbeat, str]:
            return enable(found, self._clock.now()), ""

        return await self._change(name, integration, switch)

    async def disable(self, name: str, integration: str | None = None) -> Heartbeat:
        """Switch it off and end its alert. Raises HeartbeatNotFound."""

        async def switch(tx: Tx, found: Heartbeat) -> tuple[Heartbeat, str]:
            return disable(found), "the heartbeat was switched off"

        return await self._change(name, integration, switch)

    async def ping(self, name: str, integration: str | None = None, *, arms: bool = True) -> Heartbeat:
        """It reports in; ends its alert. `arms` says whether the ping may be its first. Raises HeartbeatNotFound."""

        async def report_in(tx: Tx, found: Heartbeat) -> tuple[Heartbeat, str]:
            return ping(found, self._clock.now(), arms=arms), "a ping came"

        return await self._change(name, integration, report_in)

    async def expire_due(self) -> None:
        """Open the alerts of those whose ping did not come in time."""
        with self._listening.attempt() as heard_since:
            while await contending(self._database, lambda tx: self._expire_one(tx, heard_since)):
                pass

    async def _expire_one(self, tx: Tx, heard_since: datetime) -> bool:
        now = self._clock.now()
        found = await store.lock_overdue(tx, now, heard_since)
        if found is None:
            return False
        # What time brings has no caller whose trace it could continue: it begins one.
        with tracer.start_as_current_span("heartbeat is late"):
            late = expire(found, now)
            await store.save_heartbeat(tx, late)
            door = await store.door(tx, late.integration)
            await self._observer.observe(tx, [lateness(late, door.service if door else "", late.late_since or now)], now)
        return True

    async def apply(self, tx: Tx, given: Sequence[HeartbeatMessage], *, dry_run: bool, prune: bool) -> list[Change]:
        """Make the stored heartbeats like the given ones; says what changed, or with `dry_run` only what would. Raises Invalid."""
        wanted = self._by_name(given)
        stored = {heartbeat.name: heartbeat for heartbeat in await store.lock_heartbeats(tx)}
        planned = changes("Heartbeat", _as_configured(stored), _as_configured(wanted), prune)
        if not dry_run:
            for change in planned:
                await self._carry_out(tx, change, stored.get(change.name), wanted.get(change.name))
        return planned

    async def exported(self, tx: Tx) -> list[HeartbeatMessage]:
        """The part of all heartbeats that is kept in files, by name."""
        return [configured(heartbeat) for heartbeat in await store.heartbeats(tx, None)]

    def _by_name(self, given: Sequence[HeartbeatMessage]) -> dict[str, Heartbeat]:
        wanted: dict[str, Heartbeat] = {}
        for index, message in enumerate(given):
            field = f"configuration.heartbeats[{index}]"
            if message.name in wanted:
                raise Invalid(field=f"{field}.name", detail=f"{message.name!r} is given twice; names are unique")
            wanted[message.name] = heartbeat_of(message, self._clock.now())
            _check_interval(wanted[message.name], field)
        return wanted

    async def _carry_out(self, tx: Tx, change: Change, stored: Heartbeat | None, wanted: Heartbeat | None) -> None:
        if wanted is not None and change.action != Change.ACTION_UNCHANGED:
            await _check(tx, wanted, f"heartbeat {wanted.name}")
        if wanted is not None and change.action == Change.ACTION_CREATED:
            await store.insert_heartbeat(tx, wanted)
        elif wanted is not None and stored is not None and change.action == Change.ACTION_UPDATED:
            switched = disable if wanted.disabled else lambda heartbeat: enable(heartbeat, self._clock.now())
            await self._keep(tx, stored, switched(reconfigured(stored, wanted)), "the heartbeat was configured otherwise")
        elif stored is not None and change.action == Change.ACTION_DELETED:
            await self._remove(tx, stored)

    async def _change(self, name: str, integration: str | None, change: Changing) -> Heartbeat:
        async def work(tx: Tx) -> Heartbeat:
            found = _existing(await store.lock_heartbeat(tx, name), name, integration)
            after, why = await change(tx, found)
            await self._keep(tx, found, after, why)
            return after

        return await contending(self._database, work)

    async def _keep(self, tx: Tx, found: Heartbeat, after: Heartbeat, why: str) -> None:
        """Write it; `why` is noted with the end of its alert if it is late no longer."""
        if after == found:
            return
        await store.save_heartbeat(tx, after)
        if found.state is State.LATE and after.late_since is None:
            await self._end_alert(tx, found, why)

    async def _remove(self, tx: Tx, found: Heartbeat) -> None:
        await store.delete_heartbeat(tx, found.name)
        if found.state is State.LATE:
            await self._end_alert(tx, found, "the heartbeat was deleted")

    async def _end_alert(self, tx: Tx, heartbeat: Heartbeat, why: str) -> None:
        now = self._clock.now()
        await self._observer.observe(tx, [recovery(heartbeat, now, why)], now)


def _existing(found: Heartbeat | None, name: str, integration: str | None) -> Heartbeat:
    if found is None or integration not in (None, found.integration):
        raise HeartbeatNotFound(name=name)
    return found


async def _check(tx: Tx, wanted: Heartbeat, field: str) -> None:
    """Raises Invalid for a heartbeat that could not be pinged or would never be late."""
    _check_interval(wanted, field)
    door = await store.door(tx, wanted.integration)
    if door is None or door.kind not in KINDS:
        detail = f"{wanted.integration!r} is no integration of kind {' or '.join(KINDS)}; name one through which it is pinged"
        raise Invalid(field=f"{field}.integration", detail=detail)


def _check_interval(wanted: Heartbeat, field: str) -> None:
    if wanted.every > LONGEST_INTERVAL // wanted.unit.length:
        detail = f"{wanted.every} {wanted.unit.lower()} are more than a year; expect it more often"
        raise Invalid(field=f"{field}.interval", detail=detail)


def _as_configured(heartbeats: Mapping[str, Heartbeat]) -> dict[str, HeartbeatMessage]:
    return {name: configured(heartbeat) for name, heartbeat in heartbeats.items()}
