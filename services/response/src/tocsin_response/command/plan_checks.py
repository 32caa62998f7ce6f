"""What may be wrong with a plan of a file beyond the form of its messages: each field, and what to mend."""

from collections.abc import Iterator

from tocsin.response.v1 import command_pb2 as pb

from tocsin_response.automation.expressions import problem_of
from tocsin_response.command.plan import COMMANDER

Problem = tuple[str, str]


def problems_of_plan(field: str, plan: pb.IncidentPlan) -> list[Problem]:
    """Everything that is wrong with a plan by itself."""
    found = [*_twice(field, plan), *_criteria(field, plan), *_roles(field, plan), *_runs(field, plan)]
    if len({each.severity for each in plan.cadence}) < len(plan.cadence):
        found.append((f"{field}.cadence", "each severity can be given once"))
    return found


def playbooks_of_plan(field: str, plan: pb.IncidentPlan) -> Iterator[tuple[str, str]]:
    """The playbooks that a plan names, each with the field that names it."""
    for index, phase in enumerate(plan.phases):
        place = f"{field}.phases[{index}]"
        yield from ((f"{place}.playbooks[{number}]", name) for number, name in enumerate(phase.playbooks))
        yield from ((f"{place}.runs[{number}].playbook", each.playbook) for number, each in enumerate(phase.runs))
        for where, criterion in _criteria_of(place, phase):
            if criterion.kind == pb.Criterion.KIND_RUN_FINISHED and criterion.subject:
                yield f"{where}.subject", criterion.subject


def _twice(field: str, plan: pb.IncidentPlan) -> Iterator[Problem]:
    """What may stand only once."""
    phases, checks, questions, roles = set[int](), set[str](), set[str](), set[str]()
    for number, role in enumerate(plan.roles):
        if role.key in roles:
            yield f"{field}.roles[{number}].key", f"{role.key} is given twice"
        roles.add(role.key)
    for index, phase in enumerate(plan.phases):
        place = f"{field}.phases[{index}]"
        if phase.phase in phases:
            yield f"{place}.phase", "is given twice"
        phases.add(phase.phase)
        keys = {"checklist": [each.key for each in phase.checklist], "questions": [each.key for each in phase.questions]}
        for kind, known in (("checklist", checks), ("questions", questions)):
            for number, key in enumerate(keys[kind]):
                if key in known:
                    yield f"{place}.{kind}[{number}].key", f"{key} is given twice in the plan"
                known.add(key)


def _criteria(field: str, plan: pb.IncidentPlan) -> Iterator[Problem]:
    """Criteria look at what the plan has."""
    checks = {item.key for phase in plan.phases for item in phase.checklist}
    questions = {item.key for phase in plan.phases for item in phase.questions}
    subjects = {pb.Criterion.KIND_CHECKED: ("checklist", checks), pb.Criterion.KIND_QUESTION_ANSWERED: ("questions", questions)}
    for index, phase in enumerate(plan.phases):
        for where, criterion in _criteria_of(f"{field}.phases[{index}]", phase):
            kind, known = subjects.get(criterion.kind, ("", set[str]()))
            if kind and criterion.subject not in known:
                yield f"{where}.subject", f"no {kind} of the plan has {criterion.subject!r}"
            if criterion.kind == pb.Criterion.KIND_ROLE_FILLED and not criterion.subject:
                yield f"{where}.subject", "say which role has to be filled"


def _roles(field: str, plan: pb.IncidentPlan) -> Iterator[Problem]:
    """Tasks and criteria name roles of the plan."""
    roles = {COMMANDER, *(role.key for role in plan.roles)}
    for index, phase in enumerate(plan.phases):
        place = f"{field}.phases[{index}]"
        named = [(f"{place}.tasks[{number}].role", task.role) for number, task in enumerate(phase.tasks)]
        named += [
            (f"{where}.subject", criterion.subject)
            for where, criterion in _criteria_of(place, phase)
            if criterion.kind == pb.Criterion.KIND_ROLE_FILLED
        ]
        for where, role in named:
            if role and role not in roles:
                yield where, f"{role} is no role of the plan: add it to its roles, or name one of {', '.join(sorted(roles))}"


def _runs(field: str, plan: pb.IncidentPlan) -> Iterator[Problem]:
    """What starts playbooks can be evaluated."""
    for index, phase in enumerate(plan.phases):
        for number, run in enumerate(phase.runs):
            place = f"{field}.phases[{index}].runs[{number}]"
            if any(other.playbook == run.playbook for other in phase.runs[:number]):
                yield f"{place}.playbook", f"{run.playbook} is given twice in the phase"
            for name, expression in sorted(run.variables.items()):
                if problem := problem_of(expression):
                    yield f"{place}.variables[{name}]", problem


def _criteria_of(place: str, phase: pb.PhasePlan) -> Iterator[tuple[str, pb.Criterion]]:
    for way, criteria in (("entry", phase.entry), ("exit", phase.exit)):
        yield from ((f"{place}.{way}[{number}]", each) for number, each in enumerate(criteria))
