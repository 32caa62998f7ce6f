"""Watches the duty of every schedule: records who really is on call, tells of changes and handoffs to come, warns of gaps ahead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.response.v1.events_pb2 import DutyChanged, HandoffDue

from tocsin_chassis.paging import decode, encode, page_size, refused
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids
from tocsin_oncall.render import Duty, Shift
from tocsin_oncall.stand import contact_of
from tocsin_oncall.wall import FUTURE
from tocsin_response.gap import store as gap_reports
from tocsin_response.gap.store import GapReport
from tocsin_response.oncall import watch_store as store
from tocsin_response.oncall.oncall import NamedDuty
from tocsin_response.oncall.rota import Kept, Rota, rota
from tocsin_response.oncall.watch_store import Record, Watch
from tocsin_response.oncall.wire import duty_to_proto

BATCH = 50
# How often gaps to come are looked for, where nothing else happens.
WARNING_PAUSE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Change:
    """From `at` on these are on call: (person, why), nobody where it is empty."""

    at: datetime
    people: tuple[tuple[str, str], ...]


class DutyWatch:
    """What really happened, and what is about to."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def look(self) -> int:
        """Look at every schedule that is due; returns how many were."""
        done = 0
        while True:
            async with self._database.transaction() as tx:
                now = self._clock.now()
                current = await rota(tx, now)
                await store.add_missing(tx, now)
                watches = await store.claim(tx, now, current.revision.revision, BATCH)
                if not watches:
                    return done
                open_ = await store.load_open(tx, [watch.schedule for watch in watches])
                looked = [await self._look(tx, current, watch, open_.get(watch.schedule, []), now) for watch in watches]
                await store.save(tx, looked)
            done += len(watches)
            if len(watches) < BATCH:
                return done

    async def past(
        self, schedule: str, responder: str, since: datetime | None, until: datetime | None, size: int, token: str
    ) -> tuple[list[Record], str]:
        """A page of who really was on call, newest first, and the token of the next one."""
        limit = page_size(size)
        before = _position(token) if token else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_records(tx, schedule, responder, since, until, before, limit + 1)
        last = found[limit - 1] if len(found) > limit else None
        return found[:limit], encode(last.since.isoformat(), last.id) if last is not None else ""

    async def _look(self, tx: Tx, current: Rota, watch: Watch, open_: Sequence[Record], now: datetime) -> Watch:
        kept = current.kept.get(watch.schedule)
        if kept is None:
            return watch
        version = watch.version
        going_on = list(open_)
        for change in _changes(kept, watch, current.revision.revision, now):
            names = {name for name, _ in change.people} or {""}
            if names == {record.responder for record in going_on}:
                continue
            version += 1
            going_on = await self._record(tx, watch.schedule, going_on, change, version)
            self._tell(tx, current, watch.schedule, change, open_, version)
            open_ = going_on
        noticed, version = self._notice(tx, kept, watch, version, now)
        await self._warn(tx, kept, watch.schedule, now)
        return Watch(watch.schedule, _next_look(kept, noticed, now), now, current.revision.revision, noticed, version)

    async def _record(self, tx: Tx, schedule: str, going_on: Sequence[Record], change: Change, version: int) -> list[Record]:
        """Close the duties of who went, begin those of who came."""
        people = dict(change.people) or {"": "nobody is on call"}
        await store.close(tx, [record.id for record in going_on if record.responder not in people], change.at)
        stay = [record for record in going_on if record.responder in people]
        known = {record.responder for record in stay}
        came = [Record(self._ids.new(), schedule, name, change.at, None, why) for name, why in people.items() if name not in known]
        await store.insert(tx, came)
        return [*stay, *came]

    def _tell(self, tx: Tx, current: Rota, schedule: str, change: Change, before: Sequence[Record], version: int) -> None:
        were, are = persons(record.responder for record in before), persons(name for name, _ in change.people)
        duties = [duty_to_proto(NamedDuty(schedule, current.called(name), Duty(name, change.at, None, why))) for name, why in change.people]
        if not before and not are:
            return
        fact = DutyChanged(schedule=schedule, at=_stamp(change.at), duties=duties, came=sorted(are - were), went=sorted(were - are))
        tx.emit(fact, aggregate=schedule, version=version)

    def _notice(self, tx: Tx, kept: Kept, watch: Watch, version: int, now: datetime) -> tuple[datetime | None, int]:
        """Tell of the next handoff once it is near enough."""
        ahead = notice_of(kept)
        handoff = kept.plan.next_handoff(now) if ahead else None
        if handoff is None or handoff - ahead > now or handoff == watch.noticed_handoff:
            return watch.noticed_handoff, version
        here = persons(duty.responder for duty in kept.duties_at(now))
        there = persons(duty.responder for duty in kept.plan.duties_at(handoff))
        fact = HandoffDue(schedule=watch.schedule, at=_stamp(handoff), coming=sorted(there - here), going=sorted(here - there))
        tx.emit(fact, aggregate=watch.schedule, version=version + 1)
        return handoff, version + 1

    async def _warn(self, tx: Tx, kept: Kept, schedule: str, now: datetime) -> None:
        """An alert for each gap within the time that the schedule wants to be warned ahead."""
        ahead = warning_of(kept)
        for gap in kept.plan.gaps(now, now + ahead) if ahead else ():
            await gap_reports.insert_warning(tx, self._warning(kept, schedule, gap), now)

    def _warning(self, kept: Kept, schedule: str, gap: Shift) -> GapReport:
        # The range that was looked at ends somewhere; the gap goes on until somebody comes, and is the same gap an hour later.
        end = kept.plan.next_change(gap.start)
        until = f"until {end:%Y-%m-%d %H:%M} UTC" if end is not None else "without an end in sight"
        title = f"Nobody will be on call for {schedule} {until}"
        description = f"From {gap.start:%Y-%m-%d %H:%M} UTC {until} nobody is on call for {schedule}: {gap.reason}."
        return GapReport(self._ids.new(), "", f"schedule {schedule} {until}", title, description, 0)


def persons(names: Iterable[str]) -> set[str]:
    """Without nobody, and without contacts that are nobody's own."""
    return {name for name in names if name and not contact_of(name)}


def notice_of(kept: Kept) -> timedelta:
    return _length(kept, "handoff_notice")


def warning_of(kept: Kept) -> timedelta:
    return _length(kept, "gap_warning")


def _length(kept: Kept, field: str) -> timedelta:
    return timedelta(seconds=float(str(kept.plain.get(field) or "0s").removesuffix("s")))


def _changes(kept: Kept, watch: Watch, revision: int, now: datetime) -> list[Change]:
    """What became of a schedule since it was looked at. After downtime every handoff counts at its own time, as long as nobody edited."""
    if watch.looked_at is None or watch.revision != revision or watch.looked_at >= now:
        return [Change(now, _people(kept.duties_at(now)))]
    shifts = kept.plan.shifts(watch.looked_at, now + timedelta(microseconds=1))
    return [Change(shift.start, _people(kept.plan.duties_at(shift.start))) for shift in shifts]


def _people(duties: Sequence[Duty]) -> tuple[tuple[str, str], ...]:
    return tuple((duty.responder, duty.reason) for duty in duties if duty.responder)


def _next_look(kept: Kept, noticed: datetime | None, now: datetime) -> datetime:
    """The next instant at which something is to be done."""
    coming = [kept.next_change(now)]
    if notice_of(kept):
        handoff = kept.plan.next_handoff(now)
        if handoff is not None and handoff != noticed:
            coming.append(handoff - notice_of(kept))
    if warning_of(kept):
        coming.append(now + WARNING_PAUSE)
    return min(max(min(coming), now), FUTURE - timedelta(days=366))


def _position(token: str) -> tuple[datetime, str]:
    since, record = decode(token, 2)
    try:
        return datetime.fromisoformat(since).astimezone(UTC), str(UUID(record))
    except ValueError:
        raise refused() from None


def _stamp(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made
