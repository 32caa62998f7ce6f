"""What people say to a step that asks them, and what silence says."""

from dataclasses import replace

from tocsin_kernel.errors import Invalid
from tocsin_playbook.facts import ApprovalCounted, ApprovalDenied, ApprovalGranted, ManualAnswered
from tocsin_playbook.flow import Walk
from tocsin_playbook.outcomes import can_look, put_slot
from tocsin_playbook.run import Answer, Say, Slot, SlotState, StepState, Wait
from tocsin_playbook.scope import NotAllowed


def unanswered(walk: Walk, path: str) -> None:
    approval = walk.step(path).options.approval
    if approval and approval.approve_on_timeout:
        walk.facts.append(ApprovalGranted(path, (), "nobody answered in time, which counts as agreeing"))
        walk.execute(path)
    else:
        walk.facts.append(ApprovalDenied(path, "", "nobody answered in time"))
        walk.end(path, StepState.FAILED, "nobody approved it in time")


def approved(walk: Walk, path: str, answer: Answer) -> None:
    instance, approval = walk.instance(path), walk.step(path).options.approval
    place = answer.in_place_of or answer.by
    if place in instance.approvals:
        return
    approvals = (*instance.approvals, place)
    walk.put(path, approvals=approvals)
    missing = (approval.quorum if approval else 1) - len(approvals)
    if missing > 0:
        walk.facts.append(ApprovalCounted(path, answer.by, answer.why, missing))
    else:
        walk.facts.append(ApprovalGranted(path, approvals, answer.why))
        walk.execute(path)


def by_hand(walk: Walk, path: str, answer: Answer) -> None:
    index = len(walk.instance(path).slots) - 1
    well = answer.say is Say.DONE
    if well:
        try:
            walk.assign(path, answer.variables)
        except NotAllowed as error:
            raise Invalid(field="variables", detail=str(error)) from error
    state = SlotState.UNNEEDED if well else SlotState.FAILED
    told = answer.why or ("" if well else f"{answer.by} says that it failed")
    put_slot(walk, path, index, replace(walk.instance(path).slots[index], state=state, explanation=told))
    walk.facts.append(ManualAnswered(path, answer.by, well, answer.why))
    walk.settle(path)


def looked_up(walk: Walk, path: str, answer: Answer) -> None:
    """Somebody says what came of the assignments that nobody knew of."""
    for index, slot in enumerate(walk.instance(path).slots):
        if slot.state is not SlotState.UNKNOWN:
            continue
        told = f"{answer.by} says: {answer.why or answer.say.value}"
        if answer.say is Say.RETRY:
            look = can_look(walk, path, slot)
            again = Slot(slot.command, slot.target, attempt=slot.attempt + 1, tries=slot.tries + 1, look_first=look, explanation=told)
            put_slot(walk, path, index, again)
        else:
            state = SlotState.CHANGED if answer.say is Say.DONE else SlotState.FAILED
            put_slot(walk, path, index, replace(slot, state=state, explanation=told))
    walk.facts.append(ManualAnswered(path, answer.by, answer.say is not Say.FAILED, answer.why))
    walk.put(path, state=StepState.READY, waiting_for=Wait.NOTHING)
    walk.settle(path)
