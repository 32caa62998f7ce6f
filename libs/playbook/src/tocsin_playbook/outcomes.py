"""What came of an assignment: done, to be looked at again, to be tried again, or given up."""

from dataclasses import replace
from datetime import timedelta

from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_playbook.facts import StepRetried
from tocsin_playbook.flow import Walk
from tocsin_playbook.playbook import OnUnknown
from tocsin_playbook.run import Outcome, OutcomeState, Slot, SlotState, StepState
from tocsin_playbook.scope import NotAllowed

LOOK_AGAIN = timedelta(seconds=10)
# How often an action whose outcome is unknown is done once more, if the playbook does not say.
TRIES_AFTER_UNKNOWN = 3
LONGEST_BACKOFF = timedelta(hours=1)
# How often it is looked whether what was taken on became effective; the first looks come as the runner says, later ones ever more rarely.
MOST_LOOKS = 10
EVEN_LOOKS = 3
WELL = {OutcomeState.SUCCEEDED: SlotState.CHANGED, OutcomeState.ALREADY_IN_STATE: SlotState.UNNEEDED}


def put_slot(walk: Walk, path: str, index: int, slot: Slot) -> None:
    slots = walk.instance(path).slots
    walk.put(path, slots=(*slots[:index], slot, *slots[index + 1 :]))


def can_look(walk: Walk, path: str, slot: Slot) -> bool:
    """Whether a runner can see what an earlier attempt did: connectors can; a request or a script only knows of its own attempt."""
    return bool(walk.instance(path).undoes) or walk.step(path).commands[slot.command].get("type") == ACTION_TYPE


def took(walk: Walk, path: str, index: int, outcome: Outcome) -> None:
    """Note what came of an assignment."""
    slot = walk.instance(path).slots[index]
    match outcome.state:
        case OutcomeState.SUCCEEDED | OutcomeState.ALREADY_IN_STATE:
            _well(walk, path, index, outcome)
        case OutcomeState.ACCEPTED:
            _look_again(walk, path, index, outcome)
        case OutcomeState.TIMED_OUT if slot.looks:
            _look_again(walk, path, index, outcome)
        case OutcomeState.UNKNOWN if not slot.look_first:
            put_slot(walk, path, index, replace(slot, look_first=True, doubted=True, explanation=outcome.explanation))
        case OutcomeState.UNKNOWN:
            _never_known(walk, path, index, outcome)
        case OutcomeState.REJECTED:
            put_slot(walk, path, index, replace(slot, state=SlotState.FAILED, explanation=outcome.explanation or "refused"))
        case OutcomeState.FAILED | OutcomeState.TIMED_OUT:
            _try_again(walk, path, index, outcome, walk.step(path).options.retry.attempts)


def lost(walk: Walk, path: str, index: int, why: str) -> None:
    """Whoever was at an assignment is gone, and may have done it: the same attempt, with the same key, is handed out once more.

    Not a third time, unless the playbook says that doing it again comes to the same.
    """
    slot = walk.instance(path).slots[index]
    if slot.doubted and not walk.step(path).options.idempotent:
        _never_known(walk, path, index, Outcome(OutcomeState.UNKNOWN, why))
    else:
        put_slot(walk, path, index, replace(slot, look_first=True, doubted=True, explanation=why))


def _well(walk: Walk, path: str, index: int, outcome: Outcome) -> None:
    slot = walk.instance(path).slots[index]
    state, explanation = WELL[outcome.state], outcome.explanation
    if outcome.variables and not walk.instance(path).undoes:
        try:
            walk.assign(path, outcome.variables)
        except NotAllowed as error:
            # It was done, and may have to be undone; the step fails all the same.
            explanation = str(error)
            put_slot(walk, path, index, replace(slot, state=state, explanation=explanation))
            walk.end(path, StepState.FAILED, explanation)
            return
    put_slot(walk, path, index, replace(slot, state=state, explanation=explanation))


def _look_again(walk: Walk, path: str, index: int, outcome: Outcome) -> None:
    """It was taken on, and is not effective until a look shows it: look again, but not for ever."""
    slot = walk.instance(path).slots[index]
    why = outcome.explanation or "taken on by the other side"
    if slot.looks >= MOST_LOOKS:
        told = f"not verified: {why} (looked at {slot.looks} times)"
        put_slot(walk, path, index, replace(slot, state=SlotState.UNVERIFIED, explanation=told))
        return
    looks = slot.looks + 1
    pause = max((outcome.look_again_at or walk.now + LOOK_AGAIN) - walk.now, timedelta())
    later = walk.now + min(pause * 2 ** max(0, looks - EVEN_LOOKS), max(pause, LONGEST_BACKOFF))
    told = f"taken on, not seen to be effective yet (look {looks} of {MOST_LOOKS} to come): {why}"
    put_slot(walk, path, index, replace(slot, look_first=True, doubted=False, looks=looks, not_before=later, explanation=told))


def _never_known(walk: Walk, path: str, index: int, outcome: Outcome) -> None:
    """Even looking did not tell: do as the playbook says."""
    slot, options = walk.instance(path).slots[index], walk.step(path).options
    explanation = outcome.explanation or "nobody knows whether it was done"
    if walk.instance(path).undoes:
        put_slot(walk, path, index, replace(slot, state=SlotState.FAILED, explanation=explanation))
    elif options.on_unknown is OnUnknown.RETRY:
        _try_again(walk, path, index, outcome, max(options.retry.attempts, TRIES_AFTER_UNKNOWN))
    else:
        state = SlotState.SKIPPED if options.on_unknown is OnUnknown.SKIP else SlotState.UNKNOWN
        put_slot(walk, path, index, replace(slot, state=state, explanation=explanation))


def _try_again(walk: Walk, path: str, index: int, outcome: Outcome, most: int) -> None:
    slot, retry = walk.instance(path).slots[index], walk.step(path).options.retry
    if slot.tries >= most:
        told = outcome.explanation or outcome.state.value.lower().replace("_", " ")
        put_slot(walk, path, index, replace(slot, state=SlotState.FAILED, explanation=told))
        return
    backoff = min(retry.backoff * 2 ** (slot.tries - 1), LONGEST_BACKOFF)
    later = max(walk.now + backoff, outcome.look_again_at or walk.now)
    # What timed out may have been done in part: whoever tries again has to look.
    look = outcome.state is not OutcomeState.FAILED and can_look(walk, path, slot)
    again = Slot(slot.command, slot.target, SlotState.OPEN, slot.attempt + 1, slot.tries + 1, look, later, outcome.explanation, slot.undoes)
    put_slot(walk, path, index, again)
    walk.facts.append(StepRetried(path, index, again.attempt, outcome.explanation))
