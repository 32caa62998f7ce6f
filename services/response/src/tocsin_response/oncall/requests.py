"""What people do about their duties: swaps, temporary schedules, calendars of their own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from tocsin_chassis.paging import decode, encode, page_size, refused
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict, Invalid
from tocsin_kernel.ids import Ids
from tocsin_oncall.schedule import FixedShift, Temporary
from tocsin_response.oncall import store
from tocsin_response.oncall.oncall import require_responders, require_schedule
from tocsin_response.oncall.swap import State, Swap, SwapNotFound

MOST_LISTED = 500


class CalendarInFile(Conflict):
    reason = "CALENDAR_IN_FILE"
    message = "calendar {calendar} is held by the applied configuration; change it there"


class CalendarInUse(Conflict):
    reason = "CALENDAR_IN_USE"
    message = "calendar {calendar} is the source of a layer of schedule {schedule}"


@dataclass(frozen=True, slots=True)
class SwapWish:
    """A swap to ask for."""

    schedule: str
    responder: str
    asked: str
    range: tuple[datetime, datetime]
    in_return: tuple[datetime, datetime] | None
    created_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class TemporaryWish:
    """A temporary schedule to make."""

    schedule: str
    range: tuple[datetime, datetime]
    shifts: tuple[FixedShift, ...]
    created_by: str
    reason: str


class Requests:
    """Swaps, temporary schedules and calendars."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def ask_swap(self, tx: Tx, wish: SwapWish) -> Swap:
        """Ask; nothing changes yet. Raises ScheduleNotFound, ResponderNotFound, Invalid."""
        now = self._clock.now()
        for field, given in (("ends_at", wish.range), ("return_ends_at", wish.in_return)):
            if given is not None and given[1] <= max(given[0], now):
                raise Invalid(field=field, detail="must be later than its start, and not over yet")
        if wish.asked == wish.responder:
            raise Invalid(field="asked", detail="must be somebody else than responder")
        await require_schedule(tx, now, wish.schedule)
        await require_responders(tx, [name for name in (wish.responder, wish.asked) if name])
        made = Swap(
            self._ids.new(),
            wish.schedule,
            wish.responder,
            wish.asked,
            wish.range,
            wish.in_return,
            State.OPEN,
            "",
            wish.created_by,
            now,
            wish.reason,
        )
        await store.insert_swap(tx, made)
        return made

    async def take_swap(self, swap_id: str, by: str) -> Swap:
        """Take over: overrides say so from now on. Raises SwapNotFound, SwapNotOpen, SwapNotForYou, ResponderNotFound, Invalid."""
        async with self._database.transaction() as tx:
            await store.keep_configuration_still(tx)
            await require_responders(tx, [by])
            found = await _swap(tx, swap_id)
            if by == found.responder:
                raise Invalid(field="responder", detail="gives these duties away; somebody else has to take them")
            now = self._clock.now()
            taken = found.take(by, now).state
            if taken != found:
                await store.save_swap(tx, taken)
                for override in taken.overrides((self._ids.new(), self._ids.new()), now):
                    await store.insert_override(tx, override)
        return taken

    async def cancel_swap(self, swap_id: str) -> Swap:
        """Withdraw it. Raises SwapNotFound, SwapNotOpen."""
        async with self._database.transaction() as tx:
            cancelled = (await _swap(tx, swap_id)).cancel().state
            await store.save_swap(tx, cancelled)
        return cancelled

    async def swaps(self, schedule: str, open_only: bool, size: int, token: str) -> tuple[list[Swap], str]:
        """A page of swaps, newest first, and the token of the next one."""
        limit = page_size(size)
        before = id_of(decode(token, 1)[0]) if token else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_swaps(tx, schedule, self._clock.now() if open_only else None, before, limit + 1)
        return found[:limit], encode(found[limit - 1].id) if len(found) > limit else ""

    async def replace_for_a_while(self, tx: Tx, wish: TemporaryWish) -> Temporary:
        """Replace a schedule over a range. Raises ScheduleNotFound, ResponderNotFound, Invalid."""
        now = self._clock.now()
        if wish.range[1] <= wish.range[0]:
            raise Invalid(field="ends_at", detail="must be later than starts_at")
        for number, shift in enumerate(wish.shifts):
            if not wish.range[0] <= shift.start < shift.end <= wish.range[1]:
                raise Invalid(
                    field=f"shifts[{number}]", detail="must lie within the range of the temporary schedule, and end after it starts"
                )
        await store.keep_configuration_still(tx)
        await require_schedule(tx, now, wish.schedule)
        await require_responders(tx, sorted({name for shift in wish.shifts for name in shift.people}))
        made = Temporary(self._ids.new(), wish.schedule, *wish.range, wish.shifts, wish.created_by, now, wish.reason)
        await store.insert_temporary(tx, made)
        return made

    async def remove_temporary(self, temporary_id: str) -> None:
        """End it at once and for good, if it is there."""
        async with self._database.transaction() as tx:
            await store.delete_temporary(tx, temporary_id)

    async def temporaries(self, schedule: str) -> list[Temporary]:
        """Those that have not ended, by start."""
        async with self._database.transaction() as tx:
            return await store.list_temporaries(tx, schedule, self._clock.now(), MOST_LISTED)

    async def put_calendar(self, calendar: store.Calendar) -> None:
        """Keep it, in place of the one with its name. Raises ResponderNotFound, CalendarInFile."""
        async with self._database.transaction() as tx:
            await store.keep_configuration_still(tx)
            held = await store.load_calendar(tx, calendar.name)
            if held is not None and held.from_file:
                raise CalendarInFile(calendar=calendar.name)
            await require_responders(tx, [calendar.responder] if calendar.responder else [])
            await store.save_calendar(tx, replace(calendar, from_file=False))

    async def delete_calendar(self, name: str) -> None:
        """Forget it, if it is there. Raises CalendarInFile, CalendarInUse."""
        async with self._database.transaction() as tx:
            await store.keep_configuration_still(tx)
            held = await store.load_calendar(tx, name)
            if held is not None and held.from_file:
                raise CalendarInFile(calendar=name)
            for user in _users(await store.load_schedules(tx), name):
                raise CalendarInUse(calendar=name, schedule=user)
            await store.delete_calendar(tx, name)

    async def calendars(self) -> list[store.Calendar]:
        """All, by name."""
        async with self._database.transaction() as tx:
            return (await store.load_calendars(tx))[:MOST_LISTED]


def id_of(text: str) -> str:
    """The id that a page token holds. Raises PageTokenInvalid."""
    try:
        return str(UUID(text))
    except ValueError:
        raise refused() from None


async def _swap(tx: Tx, swap_id: str) -> Swap:
    found = await store.load_swap(tx, swap_id)
    if found is None:
        raise SwapNotFound(swap=swap_id)
    return found


def _users(schedules: Sequence[store.Definition], calendar: str) -> list[str]:
    return [each.name for each in schedules if any(layer.get("calendar") == calendar for layer in each.plain.get("layers", ()))]
