"""What an escalation does next: old state in, decision out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from tocsin_kernel.decision import Decision
from tocsin_response.escalation.definition import FOR_EVER, PLATFORM, PLATFORM_DELAY, Policy, Step, Target
from tocsin_response.escalation.escalation import (
    Candidate,
    Counted,
    Escalation,
    Exhausted,
    Fact,
    GapFound,
    Place,
    Reason,
    Redirected,
    Roster,
    Situation,
    Started,
    State,
    Stopped,
    Summoned,
    TurnTaken,
)
from tocsin_response.escalation.round_robin import Cursor

LATE_AFTER = timedelta(seconds=2)
REASSIGNED = "reassigned"


@dataclass(frozen=True, slots=True)
class _Cause:
    """Why steps are taken. `by` and `why` are of the person who wants it; `forced`: the first step is asked whatever its condition says."""

    reason: Reason
    late_by: timedelta | None = None
    by: str = ""
    why: str = ""
    forced: bool = False


def steps_ahead(escalation: Escalation, *, first: Place | None = None) -> list[Step]:
    """The steps that the coming decision may take: the next one, and those behind it that it may reach at once."""
    place = first or _next_place(escalation)
    found: list[Step] = []
    while place is not None and len(found) < len(escalation.policy.steps):
        step = escalation.policy.steps[place.step]
        found.append(step)
        if step.condition.always and step.delay:
            break
        place = _place_after(escalation.policy, place)
    return found


def place_by_hand(escalation: Escalation) -> Place:
    """The step that comes next if a person wants one, though there may be none any more."""
    after = None if escalation.state is State.EXHAUSTED else _next_place(escalation)
    return after or Place(0, escalation.round + 1)


def cursor_key(escalation: Escalation, number: int) -> str:
    """The name under which the turn of a step is kept."""
    step = escalation.policy.steps[number]
    return f"{escalation.policy.name}/{step.name or number + 1}"


def start(escalation: Escalation, wanted: str, situation: Situation) -> Decision[Escalation]:
    """Ask the first step. `wanted` is the policy that the incident names; it may be empty or unknown."""
    expired = escalation.policy.every_channel
    cause = _Cause(Reason.ACKNOWLEDGEMENT_EXPIRED if expired else Reason.STEP_STARTED)
    begun = replace(escalation, needed=max(1, escalation.policy.acknowledgements))
    moved, facts = _proceed(begun, Place(0, 0), situation, cause)
    missing = _missing_policy(begun, wanted, situation.roster)
    return Decision(moved, (Started(), *missing, *facts), f"the incident opened; {escalation.policy} begins")


def time_out(escalation: Escalation, situation: Situation) -> Decision[Escalation]:
    """Nobody answered in time: take the next step, counting its delay from now. However late it is, only one is taken.

    An escalation that is not running, or not due yet, stays as it is.
    """
    now, due = situation.now, escalation.due_at
    if escalation.state is not State.RUNNING or due is None or due > now:
        return Decision(escalation)
    if escalation.enough and not _asks_later(escalation):
        return stop(escalation, _acknowledged(escalation))
    late_by = now - due if now - due > LATE_AFTER else None
    changed = replace(escalation, version=escalation.version + 1)
    cause = _Cause(Reason.STEP_STARTED if escalation.waiting else Reason.STEP_TIMEOUT, late_by)
    moved, facts = _proceed(changed, _next_place(escalation), situation, cause)
    return Decision(moved, facts, moved.stop_reason or f"step {escalation.step + 1} was not answered in time")


def acknowledge(escalation: Escalation, by: str, reason: str) -> Decision[Escalation]:
    """Somebody took the incident. It stops when enough have, unless it has steps that ask all the same."""
    if escalation.state is not State.RUNNING:
        return Decision(escalation)
    known = by in escalation.acknowledged_by
    counted = escalation if known else replace(escalation, acknowledged_by=(*escalation.acknowledged_by, by))
    if counted.enough and not _asks_later(counted):
        return stop(counted, reason)
    if known:
        return Decision(escalation)
    return Decision(replace(counted, version=escalation.version + 1), (Counted(by),), reason)


def escalate(
    escalation: Escalation, number: int | None, taken_by: str, cause: tuple[str, str], situation: Situation
) -> Decision[Escalation]:
    """Take a step (None: the next one) now, whatever its condition says, because a person (`cause`: who, why) wants it.

    `taken_by` is who has acknowledged the incident, if anybody: then somebody else has to.
    """
    by, why = cause
    policy = escalation.policy
    running = replace(_beyond(escalation, taken_by), state=State.RUNNING, stop_reason="")
    place = place_by_hand(escalation) if number is None else Place(number, escalation.round)
    done = f"escalated to step {place.step + 1} of {policy}"
    moved, facts = _proceed(running, place, situation, _Cause(Reason.ESCALATED, None, by, why, forced=True))
    return Decision(moved, (Redirected(by, done, why), *facts), f"{by} {done}")


def reassign(
    escalation: Escalation, to: Policy | Target, taken_by: str, cause: tuple[str, str], situation: Situation
) -> Decision[Escalation]:
    """Ask by another policy, or a target first and then by the same policy as before, because a person wants it."""
    by, why = cause
    policy = to if isinstance(to, Policy) else _first(to, escalation.policy)
    beyond = _beyond(escalation, taken_by)
    running = replace(
        beyond,
        state=State.RUNNING,
        stop_reason="",
        policy=policy,
        needed=len(beyond.acknowledged_by) + max(1, policy.acknowledgements),
    )
    done = f"reassigned to {to}"
    moved, facts = _proceed(running, Place(0, 0), situation, _Cause(Reason.REASSIGNED, None, by, why, forced=True))
    return Decision(moved, (Redirected(by, done, why), *facts), f"{by} {done}")


def add(escalation: Escalation, target: Target, cause: tuple[str, str], situation: Situation) -> Decision[Escalation]:
    """Ask somebody more, because a person wants it; the escalation goes on as it was. No facts: the target stands for nobody."""
    by, message = cause
    chosen, turns = _in_turn(_candidates((target,), situation.roster), situation)
    asked = [
        Summoned(
            candidate.responder,
            Reason.ADDED,
            f"{by} asks {candidate.name} to help{': ' + message if message else ''} ({candidate.why})",
            None,
            escalation.policy.urgency_at(situation.severity, situation.now),
            candidate.contact,
            stands=True,
        )
        for candidate in chosen
    ]
    if not asked:
        return Decision(escalation)
    changed = replace(escalation, version=escalation.version + 1)
    names = " and ".join(one.responder or one.contact for one in asked)
    return Decision(changed, (Redirected(by, f"asked {names} too", message), *turns, *asked), f"{by} asked {names} too")


def stop(escalation: Escalation, reason: str) -> Decision[Escalation]:
    """Ask nobody else. Only a running escalation changes."""
    if escalation.state is not State.RUNNING:
        return Decision(escalation)
    stopped = replace(escalation, state=State.STOPPED, due_at=None, waiting=False, stop_reason=reason, version=escalation.version + 1)
    return Decision(stopped, (Stopped(),), reason)


def _first(target: Target, policy: Policy) -> Policy:
    """The target, then the steps as they were."""
    steps = tuple(step for step in policy.steps if step.name != REASSIGNED)
    return replace(policy, steps=(Step((target,), PLATFORM_DELAY, REASSIGNED), *steps))


def _beyond(escalation: Escalation, taken_by: str) -> Escalation:
    """The next version, in which one acknowledgement more is needed than there is already."""
    known = escalation.acknowledged_by
    acknowledged = (*known, taken_by) if taken_by and taken_by not in known else known
    return replace(
        escalation,
        acknowledged_by=acknowledged,
        needed=max(escalation.needed, len(acknowledged) + 1),
        version=escalation.version + 1,
        waiting=False,
    )


def _next_place(escalation: Escalation) -> Place | None:
    """Where the next step is; None after the last one."""
    here = Place(escalation.step, escalation.round)
    return here if escalation.waiting else _place_after(escalation.policy, here)


def _place_after(policy: Policy, place: Place) -> Place | None:
    if place.step + 1 < len(policy.steps):
        return Place(place.step + 1, place.round)
    return Place(0, place.round + 1) if place.round < policy.repeat or policy.repeat == FOR_EVER else None


def _asks_later(escalation: Escalation) -> bool:
    """Whether a step is still to come that asks though somebody has acknowledged."""
    policy = escalation.policy
    rounds_left = escalation.round < policy.repeat or policy.repeat == FOR_EVER
    ahead = policy.steps if rounds_left else policy.steps[escalation.step + (0 if escalation.waiting else 1) :]
    return any(step.until_closed for step in ahead)


def _acknowledged(escalation: Escalation) -> str:
    return f"acknowledged by {' and '.join(escalation.acknowledged_by)}"


def _proceed(escalation: Escalation, place: Place | None, situation: Situation, cause: _Cause) -> tuple[Escalation, tuple[Fact, ...]]:
    """Take the step at this place, and those of its round that are reached at once from there."""
    steps, facts, passed, taken = escalation.policy.steps, list[Fact](), list[str](), False
    while place is not None:
        step, here = steps[place.step], replace(escalation, step=place.step, round=place.round, waiting=False)
        if (cause.forced and not taken) or step.condition.holds(situation.severity, situation.now):
            taken = True
            if step.until_closed or not here.enough:
                facts += _without_repeats(_ask(here, situation, cause, passed), facts)
            if step.delay:
                return replace(here, due_at=situation.now + step.delay), tuple(facts)
        else:
            begins = step.condition.holds_from(situation.severity, situation.now) if step.waits else None
            if begins is not None:
                return replace(here, waiting=True, due_at=begins), tuple(facts)
            passed.append(f"step {place.step + 1} is only asked {step.condition}")
            if len(passed) == len(steps):
                return _no_step_applies(here, situation, cause, passed, facts)
        place = _place_after(escalation.policy, place)
        if taken and (place is None or place.round != here.round):
            # Whoever was asked has time to answer before the next round, or the end.
            return replace(here, due_at=situation.now + PLATFORM_DELAY), tuple(facts)
    return _exhausted(escalation, facts)


def _exhausted(escalation: Escalation, facts: list[Fact]) -> tuple[Escalation, tuple[Fact, ...]]:
    rounds = f"{escalation.round + 1} times" if escalation.round else "once"
    why = f"every step of {escalation.policy} was gone through {rounds} and nobody answered"
    ended = replace(escalation, state=State.EXHAUSTED, due_at=None, waiting=False, stop_reason=why)
    return ended, (*facts, Exhausted())


def _no_step_applies(
    escalation: Escalation, situation: Situation, cause: _Cause, passed: list[str], facts: list[Fact]
) -> tuple[Escalation, tuple[Fact, ...]]:
    """Nobody is passed over silently: the fallback is asked, and the round is over."""
    here = replace(escalation, step=len(escalation.policy.steps) - 1, due_at=situation.now + PLATFORM_DELAY)
    if here.enough:
        return here, tuple(facts)
    gap = f"no step of {escalation.policy} applies"
    said = f"{gap[0].upper()}{gap[1:]}: {'; '.join(passed)}"
    return here, (*facts, *_instead(here, situation, cause, Reason.NO_STEP_APPLIES, (gap, said)))


def _missing_policy(escalation: Escalation, wanted: str, roster: Roster) -> tuple[GapFound, ...]:
    if escalation.policy.name:
        return ()
    asked = _candidates((PLATFORM,), roster)
    if not asked:
        # The step itself tells of it, once.
        return ()
    gap = f"escalation policy {wanted}" if wanted else "no escalation policy"
    # An incident without a policy takes the default way, which is as wanted; a policy that does not exist is a mistake to mend.
    return (_gap(escalation, gap, f"There is no {gap}", asked, alerting=bool(wanted)),)


def _ask(escalation: Escalation, situation: Situation, cause: _Cause, passed: list[str]) -> Iterator[Fact]:
    step = escalation.policy.steps[escalation.step]
    asked = _candidates(step.targets, situation.roster)
    if not asked:
        nobody = " and ".join(str(target) for target in step.targets)
        said = f"Nobody is on call for {nobody}"
        why = "; ".join(dict.fromkeys(situation.idle[target] for target in step.targets if target in situation.idle))
        yield from _instead(escalation, situation, cause, Reason.NOBODY_ON_CALL, (nobody, said), why)
        return
    after = f" ({'; '.join(passed)})" if passed else ""
    key = cursor_key(escalation, escalation.step) if step.round_robin else ""
    chosen, turns = _in_turn([replace(each, turn=key) for each in asked] if key else asked, situation)
    yield from turns
    yield from _gaps_behind(escalation, chosen)
    for candidate in chosen:
        turn = ", whose turn it is" if candidate.turn else ""
        yield _summons(escalation, situation, cause, candidate, cause.reason, f"{candidate.why}{turn}{after}")


def _in_turn(asked: list[Candidate], situation: Situation) -> tuple[list[Candidate], list[TurnTaken]]:
    """Of those who take turns with each other only one is asked."""
    chosen: dict[str, str] = {}
    taken: list[TurnTaken] = []
    for key in dict.fromkeys(each.turn for each in asked if each.turn):
        names = [each.name for each in asked if each.turn == key]
        cursor = situation.cursors.get(key, Cursor())
        chosen[key] = cursor.following(names)
        taken.append(TurnTaken(key, cursor.taken(chosen[key], names)))
    return [each for each in asked if not each.turn or each.name == chosen[each.turn]], taken


def _gaps_behind(escalation: Escalation, asked: list[Candidate]) -> Iterator[GapFound]:
    """A policy that has a slot of a schedule asks its fallback: people are asked, and what has nobody is told all the same."""
    for gap in dict.fromkeys(each.gap for each in asked if each.gap):
        said, _, why = gap.partition(" (")
        instead = [each for each in asked if each.gap == gap]
        name = said.removeprefix("nobody is on call for ")
        yield _gap(escalation, name, f"{said[0].upper()}{said[1:]}", instead, alerting=True, why=why.removesuffix(")"))


def _instead(
    escalation: Escalation, situation: Situation, cause: _Cause, reason: Reason, gap: tuple[str, str], why: str = ""
) -> Iterator[Fact]:
    """The fallback of the policy is asked, or the platform's. `gap` is what had nobody: its name, and the same said for people."""
    name, said = gap
    asked = _candidates(escalation.policy.fallback, situation.roster) or _candidates((PLATFORM,), situation.roster)
    chosen, turns = _in_turn(asked, situation)
    yield from turns
    yield _gap(escalation, name, said, chosen, alerting=True, why=why)
    told = f"{said[0].lower()}{said[1:]}{f' ({why})' if why else ''}"
    for candidate in chosen:
        yield _summons(escalation, situation, cause, candidate, reason, f"{told}; asked instead: {candidate.why}")


def _summons(escalation: Escalation, situation: Situation, cause: _Cause, candidate: Candidate, reason: Reason, why: str) -> Summoned:
    policy, step = escalation.policy, escalation.policy.steps[escalation.step]
    place = f"Step {escalation.step + 1}{f' ({step.name})' if step.name else ''} of {policy}"
    if escalation.round:
        place += f", round {escalation.round + 1}"
    if cause.by:
        place = f"{cause.by} {'reassigned it' if cause.reason is Reason.REASSIGNED else 'escalated'}{_because(cause.why)}. {place}"
    if policy.every_channel:
        place = f"Somebody had acknowledged, and nothing followed in time. {place}"
    return Summoned(
        candidate.responder,
        reason,
        f"{place}: {why}",
        cause.late_by,
        policy.urgency_at(situation.severity, situation.now),
        candidate.contact,
        escalation.step,
        escalation.round,
        stands=step.until_closed or escalation.needed > 1,
        every_channel=policy.every_channel,
    )


def _because(why: str) -> str:
    return f" ({why})" if why else ""


def _without_repeats(facts: Iterator[Fact], before: list[Fact]) -> list[Fact]:
    """Nobody is asked twice at the same moment."""
    known = {(fact.responder, fact.contact) for fact in before if isinstance(fact, Summoned)}
    return [fact for fact in facts if not (isinstance(fact, Summoned) and (fact.responder, fact.contact) in known)]


def _gap(escalation: Escalation, gap: str, title: str, asked: list[Candidate], *, alerting: bool, why: str = "") -> GapFound:
    names = tuple(candidate.name for candidate in asked)
    told = f"Asked instead: {', '.join(names)}." if names else "There is no responder who could be asked instead."
    description = f"{title}: {escalation.policy} met this gap. {f'{why[0].upper()}{why[1:]}. ' if why else ''}{told}"
    # An incident that is itself about a gap does not make another one.
    return GapFound(gap, names, title, description, alerting and not escalation.about_gap, why)


def _candidates(targets: tuple[Target, ...], roster: Roster) -> list[Candidate]:
    """Who is meant, each once, with the first reason to ask them; best one that is no matter of turns."""
    found: dict[tuple[str, str], Candidate] = {}
    for target in targets:
        for candidate in roster.get(target, ()):
            held = found.setdefault((candidate.responder, candidate.contact), candidate)
            if bool(candidate.turn) + bool(candidate.gap) < bool(held.turn) + bool(held.gap):
                found[candidate.responder, candidate.contact] = candidate
    return list(found.values())
