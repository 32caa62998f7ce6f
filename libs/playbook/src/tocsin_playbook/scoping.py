"""Whether every variable that a playbook names is declared where it is named, and is of a type that fits."""

from collections.abc import Iterator, Mapping

from tocsin_playbook import conditions
from tocsin_playbook.paths import Place
from tocsin_playbook.playbook import Kind, Playbook, Step
from tocsin_playbook.shape import Problem
from tocsin_playbook.variables import NAME, Variable, names_in, parse

DECLARE = "declare it in playbook_variables, or in step_variables of this step or one around it"


def problems_of_variables(playbook: Playbook, reached: list[Place]) -> Iterator[Problem]:
    """What is wrong with the variables of every step where it is reached."""
    for place in reached:
        seen = seen_at(playbook, place)
        yield from _named(playbook, place.step, seen)
        yield from _arguments(place.step, seen)
        if place.step.kind in (Kind.IF, Kind.WHILE):
            wrong = conditions.problems(place.step.condition, seen)
            yield from (Problem(place.step.id, "condition", each) for each in wrong)
        elif place.step.kind is Kind.SWITCH:
            yield from _switch(place.step, seen)


def seen_at(playbook: Playbook, place: Place) -> dict[str, Variable]:
    """The variables that a step sees."""
    seen = dict(playbook.variables)
    for step in (*place.around, place.step):
        seen |= step.variables
    return seen


def _named(playbook: Playbook, step: Step, seen: Mapping[str, Variable]) -> Iterator[Problem]:
    for number, command in enumerate(step.commands):
        for name in sorted(names_in(command) - set(seen)):
            yield Problem(step.id, f"commands[{number}]", f"there is no variable {name}; {DECLARE}")
    parties = [("agent", playbook.agents.get(step.agent, {}))]
    parties += [(f"targets[{number}]", playbook.targets.get(each, {})) for number, each in enumerate(step.targets)]
    for field, party in parties:
        for name in sorted(names_in(party) - set(seen)):
            yield Problem(step.id, field, f"it uses {name}, and there is no such variable; {DECLARE}")


def _arguments(step: Step, seen: Mapping[str, Variable]) -> Iterator[Problem]:
    for field, names in (("in_args", step.in_args), ("out_args", step.out_args)):
        for number, name in enumerate(names):
            if not NAME.fullmatch(name):
                yield Problem(step.id, f"{field}[{number}]", "write only the name: __host__")
            elif name not in seen:
                yield Problem(step.id, f"{field}[{number}]", f"there is no variable {name}; {DECLARE}")
            elif field == "out_args" and seen[name].constant:
                yield Problem(step.id, f"{field}[{number}]", f"{name} is constant and cannot be set")


def _switch(step: Step, seen: Mapping[str, Variable]) -> Iterator[Problem]:
    name = step.switch.strip().removesuffix(":value")
    if not NAME.fullmatch(name):
        yield Problem(step.id, "switch", "write the variable to look at: __severity__:value")
        return
    if name not in seen:
        yield Problem(step.id, "switch", f"there is no variable {name}; {DECLARE}")
        return
    if not step.cases:
        yield Problem(step.id, "cases", "there is no case")
    for case in step.cases:
        if case == "default":
            continue
        try:
            parse(seen[name].type, case)
        except ValueError as error:
            yield Problem(step.id, f"cases.{case}", f"{name} is of type {seen[name].type}, and {error}")
