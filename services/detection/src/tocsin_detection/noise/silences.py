"""What people and time do with silences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tocsin.detection.v1.noise_events_pb2 import SilenceCreated, SilenceExpired, SilenceExpiring

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_detection import store as alerts
from tocsin_detection.noise import store
from tocsin_detection.noise.matcher import Operator, matcher
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.silence import Silence, SilenceNotFound, State, Wanted, edited, expired, made
from tocsin_detection.noise.wire import silence_message
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids

AT_ONCE = 100
NEVER = timedelta(0)
GOING_ON = (State.PENDING, State.ACTIVE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A silence, and how many open alerts it holds back now."""

    silence: Silence
    held: int


class Silences:
    """Makes, changes, ends and shows silences. What changes them is done in the caller's transaction."""

    def __init__(self, database: Database, rulebook: Rulebook, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._rulebook = rulebook
        self._clock = clock
        self._ids = ids

    async def create(self, tx: Tx, wanted: Wanted, by: str) -> Silence:
        """A new silence. Raises SilenceInvalid."""
        now = self._clock.now()
        longest = (await self._rulebook.rules(tx, now)).policy.longest
        return await self._keep(tx, made(wanted, by, now, longest, self._ids), f"made by {by}", now)

    async def edit(self, tx: Tx, silence_id: str, wanted: Wanted, by: str) -> Silence:
        """The silence as it is now, or the one in its place. Raises SilenceNotFound, SilenceInvalid."""
        existing = await self._locked(tx, silence_id)
        now = self._clock.now()
        longest = (await self._rulebook.rules(tx, now)).policy.longest
        edit = edited(existing, wanted, by, now, longest, self._ids)
        if edit.silence.id == existing.id:
            return await self._keep(tx, edit.silence, f"changed by {by}", now)
        kept = await self._keep(tx, edit.silence, f"made by {by} in place of {existing.id}", now)
        if edit.ended is not None:
            await self._end(tx, edit.ended, f"{kept.id} stands in its place", by, now)
        return kept

    async def expire(self, tx: Tx, silence_id: str, by: str) -> Silence:
        """The silence, ended now or before. Raises SilenceNotFound."""
        existing = await self._locked(tx, silence_id)
        now = self._clock.now()
        if existing.state(now) is State.EXPIRED:
            return existing
        return await self._end(tx, expired(existing, now), f"ended by {by}", by, now)

    async def silence_alert(self, tx: Tx, alert_id: str, ends_at: datetime, comment: str, by: str) -> Silence | None:
        """Silence one alert alone, also if it opens again; None if there is no such alert. Raises SilenceInvalid."""
        alert = await alerts.find_alert(tx, alert_id)
        if alert is None:
            return None
        matchers = (
            matcher("integration", Operator.EQUAL, alert.integration),
            matcher("fingerprint", Operator.EQUAL, alert.fingerprint),
        )
        return await self.create(tx, Wanted(matchers, None, ends_at, comment), by)

    async def get(self, silence_id: str) -> Listed:
        """Raises SilenceNotFound."""
        async with self._database.transaction() as tx:
            [listed] = await _with_held(tx, [await self._locked(tx, silence_id)])
            return listed

    async def list(self, states: Iterable[State] = GOING_ON, most: int = AT_ONCE) -> list[Listed]:
        """Active ones first, by their end, then pending ones, then those that expired last."""
        now = self._clock.now()
        wanted = set(states)
        async with self._database.transaction() as tx:
            going_on = await store.silences(tx, now) if wanted & set(GOING_ON) else []
            gone = await store.expired_silences(tx, now, most) if State.EXPIRED in wanted else []
            active = [silence for silence in going_on if silence.state(now) is State.ACTIVE and State.ACTIVE in wanted]
            pending = [silence for silence in going_on if silence.state(now) is State.PENDING and State.PENDING in wanted]
            return await _with_held(tx, [*active, *pending, *gone][:most])

    async def tell_ends(self) -> None:
        """Tell which silences have ended, and which will soon."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            notice = (await self._rulebook.rules(tx, now)).policy.notice or NEVER
            for silence in await store.lock_ending_silences(tx, now, now + notice, AT_ONCE):
                if silence.state(now) is State.EXPIRED:
                    await self._tell_end(tx, silence, "it reached its end", "", now)
                else:
                    await self._give_notice(tx, silence, notice, now)

    async def _give_notice(self, tx: Tx, silence: Silence, notice: timedelta, now: datetime) -> None:
        """A silence that is shorter than the notice is not announced: whoever made it knows."""
        told = replace(silence, notice_given=True)
        await store.save_silence(tx, told)
        if silence.ends_at - silence.starts_at > notice:
            [listed] = await _with_held(tx, [told])
            message = silence_message(told, now, listed.held)
            tx.emit(SilenceExpiring(silence=message), aggregate=silence.id, version=version_at(now))

    async def _locked(self, tx: Tx, silence_id: str) -> Silence:
        found = await store.lock_silence(tx, silence_id)
        if found is None:
            raise SilenceNotFound(silence=silence_id)
        return found

    async def _keep(self, tx: Tx, silence: Silence, reason: str, now: datetime) -> Silence:
        await store.save_silence(tx, silence)
        tx.emit(SilenceCreated(silence=silence_message(silence, now), reason=reason), aggregate=silence.id, version=version_at(now))
        await self._changed(tx, silence, now)
        return silence

    async def _end(self, tx: Tx, silence: Silence, reason: str, by: str, now: datetime) -> Silence:
        await self._tell_end(tx, silence, reason, by, now)
        await self._changed(tx, silence, now)
        return silence

    async def _tell_end(self, tx: Tx, silence: Silence, reason: str, by: str, now: datetime) -> None:
        await store.save_silence(tx, replace(silence, end_told=True))
        message = silence_message(silence, now)
        tx.emit(SilenceExpired(silence=message, reason=reason, by=by), aggregate=silence.id, version=version_at(now))

    async def _changed(self, tx: Tx, silence: Silence, now: datetime) -> None:
        await self._rulebook.changes(tx)
        await alerts.reconsider(tx, [silence.id], now)


async def _with_held(tx: Tx, silences: Sequence[Silence]) -> list[Listed]:
    held = await store.count_held(tx, [silence.id for silence in silences])
    return [Listed(silence, held.get(silence.id, 0)) for silence in silences]


def version_at(now: datetime) -> int:
    """A version that rises with every change: facts of one silence are seconds apart, not microseconds."""
    return int(now.timestamp() * 1_000_000)
