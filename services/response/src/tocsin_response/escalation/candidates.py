"""Whom the targets of a decision stand for at an instant."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_response.escalation import roster
from tocsin_response.escalation.book import Book
from tocsin_response.escalation.decisions import cursor_key, steps_ahead
from tocsin_response.escalation.definition import PLATFORM, Kind, Target
from tocsin_response.escalation.escalation import Escalation, Place, Roster, Situation
from tocsin_response.escalation.roster import People
from tocsin_response.escalation.round_robin import Cursor
from tocsin_response.escalation.timer_store import load_cursors, lock_cursors
from tocsin_response.oncall import oncall
from tocsin_response.oncall.oncall import OnDuty


async def situation(
    tx: Tx,
    known: Book,
    escalation: Escalation,
    severity: int,
    at: datetime,
    first: Place | None = None,
    *,
    only_look: bool = False,
) -> Situation:
    """What the coming decision has to know. `first` is the place that it is about to take, if that is not simply the next one."""
    steps = steps_ahead(escalation, first=first)
    people = roster_of(known, (target for step in steps for target in step.targets), at, severity)
    idle: dict[Target, str] = {}
    if any(not any(people[target] for target in step.targets) or not step.condition.always for step in steps):
        idle = _why_nobody(known, [target for target, found in people.items() if not found], at, severity)
        people = {**people, **roster_of(known, (*escalation.policy.fallback, PLATFORM), at, severity)}
    keys = [cursor_key(escalation, number) for number, step in enumerate(escalation.policy.steps) if step.round_robin and step in steps]
    turns = [each.turn for found in people.values() for each in found if each.turn]
    return Situation(at, severity, people, await _cursors(tx, [*keys, *turns], only_look=only_look), idle)


async def around_target(tx: Tx, known: Book, target: Target, severity: int, at: datetime) -> Situation:
    """What has to be known to ask one target."""
    people = roster_of(known, (target,), at, severity)
    return Situation(at, severity, people, await _cursors(tx, [each.turn for each in people[target] if each.turn], only_look=False))


def roster_of(known: Book, targets: Iterable[Target], at: datetime, severity: int) -> Roster:
    """Whom these targets stand for, for an incident of this severity."""
    wanted = tuple(dict.fromkeys(targets))
    current = known.current
    duties = {target: _duties(known, target, at, severity) for target in wanted if target.kind is Kind.SCHEDULE}
    teams = {target: _members(known, target) for target in wanted if target.kind is Kind.TEAM}
    return roster.roster(wanted, People(current.people, teams, duties, known.fallback))


def exists(known: Book, target: Target) -> bool:
    """Whether there is what the target names. Contacts are communication's: it knows."""
    match target.kind:
        case Kind.RESPONDER:
            return target.name in known.current.people
        case Kind.SCHEDULE:
            return target.name in known.current.kept
        case Kind.TEAM:
            return target.name in known.teams
        case _:
            return True


async def _cursors(tx: Tx, keys: list[str], *, only_look: bool) -> Mapping[str, Cursor]:
    if not keys:
        return {}
    return await (load_cursors if only_look else lock_cursors)(tx, keys)


def _duties(known: Book, target: Target, at: datetime, severity: int) -> tuple[OnDuty, ...]:
    return oncall.on_duty(known.current, (target.name, target.layer), at, oncall.Turn(target.turn.value), severity)


def _why_nobody(known: Book, targets: Iterable[Target], at: datetime, severity: int) -> dict[Target, str]:
    """By target, where a schedule says it: what policies have a slot of it ask nobody, and why."""
    found = {
        target: oncall.why_nobody(known.current, (target.name, target.layer), at, oncall.Turn(target.turn.value), severity)
        for target in targets
        if target.kind is Kind.SCHEDULE
    }
    return {target: why for target, why in found.items() if why}


def _members(known: Book, target: Target) -> tuple[str, ...]:
    team = known.teams.get(target.name)
    if target.managers:
        return tuple(team.managers) if team is not None else ()
    return tuple(known.current.known.teams.get(target.name, ()))
