"""What is to be carried out now: the open assignments of a run, each with all that a runner needs to know and nothing else."""

from collections.abc import Mapping

from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_playbook.once import Once
from tocsin_playbook.playbook import Plain, Playbook, Step
from tocsin_playbook.run import Assignment, Run, RunState, Slot, SlotState, StepInstance, Verb, Wait
from tocsin_playbook.scope import scope
from tocsin_playbook.variables import Variable, names_in

NOTHING: Plain = {}

_named = Once(names_in)


def assignments(run: Run) -> list[Assignment]:
    """Everything that is to be carried out now; nothing while the run is paused or has ended."""
    if run.state is not RunState.RUNNING:
        return []
    return [each for instance in run.steps.values() for each in assignments_of(run, instance)]


def assignments_of(run: Run, instance: StepInstance) -> list[Assignment]:
    """The open assignments of one step, whether or not somebody has claimed them."""
    if instance.state.ended or instance.waiting_for is not Wait.NOTHING:
        return []
    slots = enumerate(instance.slots)
    return [_assignment(run, instance, index, slot) for index, slot in slots if slot.state is SlotState.OPEN]


def _assignment(run: Run, instance: StepInstance, index: int, slot: Slot) -> Assignment:
    step, original = run.step(instance), run.steps.get(instance.undoes)
    done = original.slots[slot.undoes] if original else slot
    command = step.commands[done.command]
    agent, target = run.playbook.agents.get(step.agent, NOTHING), run.playbook.targets.get(done.target, NOTHING)
    return Assignment(
        path=instance.path,
        index=index,
        attempt=slot.attempt,
        verb=Verb.UNDO if original else Verb.VERIFY if slot.looks and command["type"] == ACTION_TYPE else Verb.EXECUTE,
        look_first=slot.look_first,
        not_before=slot.not_before,
        deadline=instance.deadline,
        command=command,
        agent=agent,
        target_id=done.target,
        target=target,
        authentication=_authentication(run.playbook, agent, target),
        variables=_handed(step, scope(run, instance.undoes or instance.path), (command, agent, target)),
        out_args=() if original else step.out_args,
        undo_of=(original.path, slot.undoes, done.attempt) if original else None,
    )


def _authentication(playbook: Playbook, agent: Plain, target: Plain) -> dict[str, Plain]:
    """By reference: what the definitions hold are names of secrets, or variables."""
    wanted = (each.get("authentication_info", "") for each in (agent, target))
    return {name: playbook.authentication[name] for name in wanted if name in playbook.authentication}


def _handed(step: Step, seen: Mapping[str, Variable], named: tuple[Plain, ...]) -> dict[str, Variable]:
    """What the commands may know: what they name and what `in_args` lists. A shell command without in_args may name any of them."""
    wanted = {*step.in_args, *step.variables}.union(*(_named(each) for each in named))
    shell = named[0]["type"] not in (ACTION_TYPE, "http-api", "openc2-http")
    if shell and not step.in_args:
        return dict(seen)
    return {name: each for name, each in seen.items() if name in wanted}
