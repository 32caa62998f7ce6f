"""The ways through a playbook: what leads where, what is reached from where, and loops that cannot end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tocsin_playbook.conditions import variables_in
from tocsin_playbook.pattern import BadCondition
from tocsin_playbook.playbook import Kind, Playbook, Step
from tocsin_playbook.shape import Problem

DEEPEST = 12
MOST_PLACES = 20_000
FLOW = ("on_completion", "on_success", "on_failure", "on_true", "on_false")


@dataclass(frozen=True, slots=True)
class Place:
    """A step where it is reached: in the branches of these steps, the outermost first."""

    step: Step
    around: tuple[Step, ...] = ()


def leads(step: Step) -> Iterator[tuple[str, str]]:
    """Every field that names another step, and which."""
    for field in FLOW:
        if getattr(step, field):
            yield field, getattr(step, field)
    for number, each in enumerate(step.next_steps):
        yield f"next_steps[{number}]", each
    for case, each in step.cases.items():
        yield f"cases.{case}", each


def dangling(playbook: Playbook) -> list[Problem]:
    """Fields that name a step which is not there."""
    found = [
        Problem(step.id, field, f"there is no step {target}; name one of the workflow")
        for step in playbook.steps.values()
        for field, target in leads(step)
        if target not in playbook.steps
    ]
    roots = {"workflow_start": playbook.start, "workflow_exception": playbook.exception}
    found += [
        Problem("", field, f"there is no step {target}; name one of the workflow")
        for field, target in roots.items()
        if target and target not in playbook.steps
    ]
    return found


def places(playbook: Playbook) -> tuple[list[Place], list[Problem]]:
    """Every step where it can be reached, and the ways that go in circles. Nothing may be dangling."""
    walker = _Walker(playbook)
    for root in (playbook.start, playbook.exception):
        if root:
            walker.branch(root, ())
    return walker.places, list(dict.fromkeys(walker.problems))


def unreachable(playbook: Playbook, reached: list[Place]) -> list[Problem]:
    """Steps to which nothing leads."""
    seen = {place.step.id for place in reached}
    return [
        Problem(each, "", "nothing leads to this step; name it in another one or remove it") for each in playbook.steps if each not in seen
    ]


def endless(playbook: Playbook, reached: list[Place]) -> list[Problem]:
    """Loops whose condition nothing in them can change."""
    loops = {place.step.id: place.step for place in reached if place.step.kind is Kind.WHILE}
    found = []
    for loop in loops.values():
        inside = [place.step for place in reached if loop in place.around]
        if not any(step.kind in (Kind.ACTION, Kind.PLAYBOOK) for step in inside):
            found.append(Problem(loop.id, "on_true", "there is no action in the loop: it would go round without doing anything"))
        elif names := _stuck(loop, inside):
            told = f"nothing in the loop sets {' or '.join(sorted(names))}: it would never end; name one in the out_args of a step in it"
            found.append(Problem(loop.id, "condition", told))
    return found


def _stuck(loop: Step, inside: list[Step]) -> set[str]:
    """The variables of a loop's condition, if none of them is set in the loop."""
    try:
        names = variables_in(loop.condition)
    except BadCondition:
        return set()
    return set() if names & {name for step in inside for name in step.out_args} else names


class _Walker:
    def __init__(self, playbook: Playbook) -> None:
        self.places: list[Place] = []
        self.problems: list[Problem] = []
        self._steps: Mapping[str, Step] = playbook.steps

    def branch(self, first: str, around: tuple[Step, ...]) -> None:
        """Everything that is reached from the first step of a branch without leaving it."""
        if len(around) > DEEPEST:
            self.problems.append(Problem(around[-1].id, "", f"branches are nested deeper than {DEEPEST}; use a playbook-action"))
            return
        done: set[str] = set()
        self._visit(first, around, (), done)

    def _visit(self, step_id: str, around: tuple[Step, ...], before: tuple[str, ...], done: set[str]) -> None:
        """Depth first, without recursion along the branch: playbooks may be long."""
        stack = [(step_id, before)]
        while stack:
            current, way = stack.pop()
            step = self._steps[current]
            if self._ends(step, around) or self._circles(step, around, way):
                continue
            if current in done or len(self.places) > MOST_PLACES:
                continue
            done.add(current)
            self.places.append(Place(step, around))
            for first in step.branches:
                self.branch(first, (*around, step))
            stack += [(each, (*way, current)) for each in (step.after, step.on_failure) if each]

    def _ends(self, step: Step, around: tuple[Step, ...]) -> bool:
        """Whether a branch ends before a step: it is where the one that opened the branch goes on, or the loop itself."""
        if not around:
            return False
        opener = around[-1]
        return step.id == opener.after or (opener.kind is Kind.WHILE and step.id == opener.id)

    def _circles(self, step: Step, around: tuple[Step, ...], way: tuple[str, ...]) -> bool:
        if step.id not in way and step not in around:
            return False
        told = (
            "a loop without an end; use a while-condition, whose branch ends at an end step"
            if step.id in way
            else "out of a branch of it; let the branch end at an end step instead"
        )
        self.problems.append(Problem(way[-1] if way else around[-1].id, "", f"it leads back to {step.id}: {told}"))
        return True
