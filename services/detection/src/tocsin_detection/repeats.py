"""What senders say again and again, word for word: remembered, so that a repeat that changes nothing needs no write of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec.structs import replace

from tocsin_chassis.postgres.announcements import Announcements
from tocsin_chassis.postgres.database import Contended, Database, Tx
from tocsin_detection import store
from tocsin_detection.alert import Alert
from tocsin_detection.hold import HoldKind

MOST_REMEMBERED = 200_000
# How long counts wait to be written, where the stored end lies far enough ahead.
LONGEST_WAIT = timedelta(seconds=30)
CHANNEL = "alerts_changed"
NOTHING = ("", b"")


@dataclass(slots=True)
class _Known:
    """One statement as it was last stored, and what its repeats since then moved."""

    alert_id: str
    stored_end: datetime
    end: datetime
    heard_at: datetime
    repeats: int = 0
    # Those that go into what somebody who has locked the alert decides just now.
    taken: int = 0
    # Since when there is something to write.
    moved_at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether what repeats moved is written now: what they say should stay durable well before the stored end is too near."""
        waited = self.moved_at is not None and now - self.moved_at >= LONGEST_WAIT
        return waited or (self.stored_end - now) * 4 < (self.end - now) * 3


@dataclass(frozen=True, slots=True)
class Repeated:
    """What repeats moved of one alert since it was last written."""

    id: str
    ends_at: datetime
    last_signal_at: datetime
    occurrences: int


class Repeats:
    """Remembers statements by a digest of all they say but their end.

    A statement is only taken as a repeat while its alert is open, unchanged and told, and while the stored end lies at least half as
    far ahead as the end that it gives: what it says is durable already. Counts and ends are written together when the stored end
    comes near, or after half a minute; a crash loses only those, and the sender's next repeat brings the end again. Other processes
    say which alerts they changed; as long as they cannot be heard, nothing is taken as a repeat.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[tuple[str, bytes], _Known] = {}
        self._of_alert: dict[str, tuple[str, bytes]] = {}
        self._moved: set[tuple[str, bytes]] = set()
        # What was counted of alerts whose statements are forgotten, by alert.
        self._left: dict[str, _Known] = {}
        self._others = Announcements(database, CHANNEL, self._forget, self._forget_all)

    async def run(self) -> None:
        """Hear what other processes change."""
        await self._others.run()

    @property
    def hears_others(self) -> bool:
        """Whether other processes are heard; only then anything is taken as a repeat."""
        return self._others.listening

    def is_repeat(self, integration: str, digest: bytes, end: datetime, now: datetime) -> bool:
        """Whether this says nothing new; then it is counted."""
        thing = (integration, digest)
        known = self._known.get(thing)
        if known is None or not self.hears_others or end <= now or (known.stored_end - now) * 2 < end - now:
            return False
        if not known.repeats:
            known.moved_at = now
            self._moved.add(thing)
        known.repeats += 1
        known.heard_at = now
        if end > known.end:
            known.end = end
        return True

    def remember(self, said: Iterable[tuple[bytes, Alert | None]]) -> None:
        """Remember statements that were just stored, each with its alert as it is stored."""
        for digest, alert in said:
            if alert is None or not alert.open or alert.ends_at is None or not _settled(alert):
                continue
            self._drop(alert.id)
            thing = (alert.integration, digest)
            self._known[thing] = _Known(alert.id, alert.ends_at, alert.ends_at, alert.last_signal_at)
            self._of_alert[alert.id] = thing
        while len(self._known) > MOST_REMEMBERED:
            oldest = next(iter(self._known))
            self._drop(self._known[oldest].alert_id)

    def changed(self, alert_ids: Sequence[str]) -> None:
        """These alerts ended, or say something else now: here at once, in other processes within a moment."""
        self._forget(alert_ids)
        self._others.say(list(alert_ids))

    def caught_up(self, tx: Tx, alerts: Sequence[Alert]) -> list[Alert]:
        """The alerts, which are locked, with what repeats moved since they were written. They are written now, or are `unwritten`."""
        return [self._catch_up(tx, alert) for alert in alerts]

    def _catch_up(self, tx: Tx, alert: Alert) -> Alert:
        pending = self._about(alert.id)
        for known in pending:
            known.taken, known.repeats = known.repeats, 0
            if known.taken and alert.ends_at is not None:
                alert = replace(
                    alert,
                    occurrences=alert.occurrences + known.taken,
                    ends_at=max(alert.ends_at, known.end),
                    last_signal_at=max(alert.last_signal_at, known.heard_at),
                )
        if any(known.taken for known in pending):
            tx.after_rollback(lambda: self.unwritten([alert.id]))
        return alert

    def unwritten(self, alert_ids: Iterable[str]) -> None:
        """Nothing is written of these now."""
        for alert_id in alert_ids:
            for known in self._about(alert_id):
                counted, known.taken = known.taken, 0
                self._give_back(known, counted)

    def since_written(self, alert_id: str) -> int:
        """How often an alert was repeated since its count was last written."""
        return sum(known.repeats for known in self._about(alert_id))

    def _about(self, alert_id: str) -> list[_Known]:
        """What is remembered of an alert, and what is left of what was."""
        known, left = self._known.get(self._of_alert.get(alert_id, NOTHING)), self._left.get(alert_id)
        return [item for item in (known, left) if item is not None]

    async def write(self, now: datetime) -> None:
        """Write the counts and ends that repeats moved, where they are due."""
        await self._write([thing for thing in self._moved if (known := self._known.get(thing)) is None or known.due(now)])

    async def write_all(self) -> None:
        """Write all of them: this process stops."""
        await self._write(list(self._moved))

    async def _write(self, things: Sequence[tuple[str, bytes]]) -> None:
        """Those that cannot be written now are written the next time."""
        self._moved.difference_update(things)
        known = [item for thing in things if (item := self._known.get(thing)) is not None and item.repeats]
        known += self._left.values()
        self._left = {}
        if not known:
            return
        repeated = [Repeated(item.alert_id, item.end, item.heard_at, item.repeats) for item in known]
        for item in known:
            item.repeats = 0
        try:
            async with self._database.transaction() as tx:
                await store.add_repeats(tx, repeated)
        except BaseException as error:
            for item, what in zip(known, repeated, strict=True):
                self._give_back(item, what.occurrences)
            if isinstance(error, Contended):
                return
            raise
        for item, what in zip(known, repeated, strict=True):
            item.stored_end = max(item.stored_end, what.ends_at)

    def _give_back(self, known: _Known, counted: int) -> None:
        """They were not written: the next time."""
        if not counted:
            return
        known.repeats += counted
        known.moved_at = known.moved_at or known.heard_at
        thing = self._of_alert.get(known.alert_id, NOTHING)
        if self._known.get(thing) is known:
            self._moved.add(thing)
        else:
            self._leave(known)

    def _leave(self, known: _Known) -> None:
        """Keep what it counted until that is written."""
        before = self._left.get(known.alert_id)
        if before is None:
            self._left[known.alert_id] = known
        elif before is not known:
            before.repeats += known.repeats
            before.end, before.heard_at = max(before.end, known.end), max(before.heard_at, known.heard_at)

    def _forget(self, alert_ids: Sequence[str]) -> None:
        for alert_id in alert_ids:
            self._drop(alert_id)

    def _forget_all(self) -> None:
        self._forget(list(self._of_alert))

    def _drop(self, alert_id: str) -> None:
        known = self._known.pop(self._of_alert.pop(alert_id, NOTHING), None)
        if known is not None and known.repeats:
            self._leave(known)


def _settled(alert: Alert) -> bool:
    """Whether a repeat could not tell it to anybody: it is told, or it waits for the end of a flood."""
    return alert.told or (bool(alert.holds) and all(hold.kind is HoldKind.STORM for hold in alert.holds))
