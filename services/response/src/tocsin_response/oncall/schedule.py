"""Who is on call for a schedule: the rotation, and the overrides on top of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tocsin_response.oncall.rotation import Rotation, Shift

NEIGHBOURHOOD = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Says who is on call when. Without a rotation only overrides put somebody on call."""

    name: str
    rotation: Rotation | None


@dataclass(frozen=True, slots=True)
class Override:
    """Puts `responder` on call from `starts_at` until just before `ends_at`. Where overrides overlap the newest wins."""

    id: str
    schedule: str
    responder: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    created_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Duty:
    """Who is on call, from `since` until just before `until`; an empty responder is nobody, None is without limit."""

    responder: str
    since: datetime | None
    until: datetime | None
    reason: str


Source = Override | Shift | None


def duty_at(schedule: Schedule, overrides: Iterable[Override], at: datetime) -> Duty:
    """Who is on call at an instant, for how long uninterrupted, and why."""
    known = _newest_first(overrides)
    source = _source(schedule, known, at)
    edges = sorted(_edges(schedule, known, at))
    since: datetime | None = None
    until: datetime | None = None
    for edge in reversed([edge for edge in edges if edge <= at]):
        since = edge
        if not _holds_just_before(schedule, known, edge, source):
            break
    else:
        since = source.since if isinstance(source, Shift) else None
    for edge in (edge for edge in edges if edge > at):
        if _source(schedule, known, edge) != source:
            until = edge
            break
    responder = source.responder if source is not None else ""
    return Duty(responder, since if responder else None, until, _reason(schedule, source))


def shifts(schedule: Schedule, overrides: Iterable[Override], since: datetime, until: datetime) -> list[Duty]:
    """Who is on call over a range, without a hole: gaps are duties of nobody. What one responder does in a row is one duty."""
    known = _newest_first(overrides)
    edges = {since} | {edge for override in known for edge in (override.starts_at, override.ends_at)}
    if schedule.rotation is not None:
        edges |= {edge for shift in schedule.rotation.shifts(since, until) for edge in (shift.since, shift.until) if edge is not None}
    starts = sorted(edge for edge in edges if since <= edge < until)
    duties: list[Duty] = []
    for start, end in zip(starts, [*starts[1:], until], strict=True):
        source = _source(schedule, known, start)
        responder = source.responder if source is not None else ""
        if duties and duties[-1].responder == responder:
            duties[-1] = replace(duties[-1], until=end)
        else:
            duties.append(Duty(responder, start, end, _reason(schedule, source)))
    return duties


def neighbourhood(schedule: Schedule, at: datetime) -> tuple[datetime, datetime]:
    """The range whose overrides duty_at needs to know; at most a year each way."""
    shift = schedule.rotation.shift_at(at) if schedule.rotation is not None else None
    since, until = at - NEIGHBOURHOOD, at + NEIGHBOURHOOD
    if shift is not None:
        since = max(since, shift.since)
        until = min(until, shift.until or until)
    return since, until


def _newest_first(overrides: Iterable[Override]) -> list[Override]:
    return sorted(overrides, key=lambda override: (override.created_at, override.id), reverse=True)


def _source(schedule: Schedule, newest_first: Sequence[Override], at: datetime) -> Source:
    """What decides at this instant."""
    for override in newest_first:
        if override.starts_at <= at < override.ends_at:
            return override
    return schedule.rotation.shift_at(at) if schedule.rotation is not None else None


def _holds_just_before(schedule: Schedule, newest_first: Sequence[Override], edge: datetime, source: Source) -> bool:
    return _source(schedule, newest_first, edge - timedelta(microseconds=1)) == source


def _edges(schedule: Schedule, overrides: Iterable[Override], at: datetime) -> set[datetime]:
    """The instants near `at` where another source may begin to decide."""
    edges = {edge for override in overrides for edge in (override.starts_at, override.ends_at)}
    if schedule.rotation is not None:
        shift = schedule.rotation.shift_at(at)
        edges |= {edge for edge in (shift.since, shift.until) if edge is not None} if shift else {schedule.rotation.handoff_instant(0)}
    return edges


def _reason(schedule: Schedule, source: Source) -> str:
    match source:
        case Override(created_by=by, reason=why):
            return f"override by {by}: {why}" if why else f"override by {by}"
        case Shift(number=number) if schedule.rotation is not None:
            return f"shift {number} of the {schedule.rotation.words}"
        case _ if schedule.rotation is None:
            return "no rotation, and no override at this time"
        case _ if not schedule.rotation.responders:
            return "the rotation has no responders"
        case _:
            return f"the rotation starts on {schedule.rotation.starts_on} at {schedule.rotation.handoff:%H:%M} ({schedule.rotation.zone})"
