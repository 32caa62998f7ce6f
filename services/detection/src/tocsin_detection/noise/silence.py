"""A silence: somebody says that what its matchers match shall wake nobody for a while. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin_detection.noise.matcher import Matchers, in_words, match_nothing_said
from tocsin_kernel.errors import Invalid, NotFound
from tocsin_kernel.ids import Ids


class SilenceNotFound(NotFound):
    reason = "SILENCE_NOT_FOUND"
    message = "there is no silence {silence}"


class SilenceInvalid(Invalid):
    """`field` names what to mend."""

    reason = "SILENCE_INVALID"


class State(StrEnum):
    """Where a silence is in its life."""

    PENDING = "PENDING"
    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants silenced. `starts_at` None: now."""

    matchers: Matchers
    starts_at: datetime | None
    ends_at: datetime
    comment: str


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence. It acts from `starts_at` until just before `ends_at`. `created_by` is who answers for it."""

    id: str
    matchers: Matchers
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime
    # Whether it was said that it ends soon, and that it has ended.
    notice_given: bool = False
    end_told: bool = False

    def state(self, now: datetime) -> State:
        if self.ends_at <= now:
            return State.EXPIRED
        return State.ACTIVE if self.starts_at <= now else State.PENDING

    @property
    def reason(self) -> str:
        """Why it holds something back, for people."""
        return f"{self.created_by} silenced {in_words(self.matchers)} until {self.ends_at:%Y-%m-%d %H:%M:%S}Z: {self.comment}"


@dataclass(frozen=True, slots=True)
class Edited:
    """A silence as it is after an edit; `ended` is the one that ended in its favour, None where it was changed in place."""

    silence: Silence
    ended: Silence | None


def made(wanted: Wanted, by: str, now: datetime, longest: timedelta, ids: Ids) -> Silence:
    """A new silence. It begins now at the earliest. Raises SilenceInvalid."""
    starts_at = max(wanted.starts_at or now, now)
    check(wanted, starts_at, now, longest)
    return Silence(ids.new(), wanted.matchers, starts_at, wanted.ends_at, by, wanted.comment, now)


def edited(existing: Silence, wanted: Wanted, by: str, now: datetime, longest: timedelta, ids: Ids) -> Edited:
    """The silence changed in place where what it did until now stays true, otherwise another one in its place. Raises SilenceInvalid.

    An active one may change only its end and comment, a pending one its start too. An expired one stays as it is.
    """
    starts_at = wanted.starts_at or existing.starts_at
    if _in_place(existing, wanted.matchers, starts_at, now):
        check(wanted, starts_at, now, longest)
        return Edited(_changed(existing, wanted, starts_at, now), None)
    successor = made(wanted, by, now, longest, ids)
    ended = expired(existing, now) if existing.state(now) is not State.EXPIRED else None
    return Edited(successor, ended)


def expired(silence: Silence, now: datetime) -> Silence:
    """The silence, ended now. One that has expired stays as it is; one that had not begun never will."""
    if silence.state(now) is State.EXPIRED:
        return silence
    return replace(silence, starts_at=min(silence.starts_at, now), ends_at=now, updated_at=now)


def check(wanted: Wanted, starts_at: datetime, now: datetime, longest: timedelta) -> None:
    """Raises SilenceInvalid."""
    if not wanted.matchers or match_nothing_said(wanted.matchers):
        detail = "at least one matcher must not match an empty label, or nearly everything would be silenced; name what it is about"
        raise SilenceInvalid(field="silence.matchers", detail=detail)
    if not wanted.comment.strip():
        raise SilenceInvalid(field="silence.comment", detail="it is blank; say why, for whoever wonders at night")
    if wanted.ends_at <= now:
        raise SilenceInvalid(field="silence.ends_at", detail="it has passed; give an instant to come")
    if wanted.ends_at <= starts_at:
        raise SilenceInvalid(field="silence.ends_at", detail="it is not after the start; give a later one")
    if wanted.ends_at - starts_at > longest:
        detail = f"the silence is longer than {in_time(longest)}, the most that this installation allows; end it earlier"
        raise SilenceInvalid(field="silence.ends_at", detail=detail)


def in_time(length: timedelta) -> str:
    """A length for people: "90 d", "1 h 30 m", "45 s"."""
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def _in_place(existing: Silence, matchers: Matchers, starts_at: datetime, now: datetime) -> bool:
    if matchers != existing.matchers:
        return False
    match existing.state(now):
        case State.EXPIRED:
            return False
        case State.ACTIVE:
            # Clients give the start back in whole seconds or milliseconds.
            return abs(starts_at - existing.starts_at) < timedelta(seconds=1)
        case State.PENDING:
            return starts_at >= now


def _changed(existing: Silence, wanted: Wanted, starts_at: datetime, now: datetime) -> Silence:
    """A later end is announced again when it comes near."""
    kept = existing.starts_at if existing.state(now) is State.ACTIVE else starts_at
    again = existing.notice_given and wanted.ends_at <= existing.ends_at
    return replace(existing, starts_at=kept, ends_at=wanted.ends_at, comment=wanted.comment, updated_at=now, notice_given=again)
