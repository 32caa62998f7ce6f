"""The dry run: what a playbook would do with these values, on every way it may take. Nothing is touched."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tocsin_playbook import conditions, ends
from tocsin_playbook.catalogue import Action, Blast, action_of
from tocsin_playbook.pattern import BadCondition
from tocsin_playbook.playbook import Kind, Playbook, Step
from tocsin_playbook.scope import manual_text
from tocsin_playbook.terms import shown, told
from tocsin_playbook.variables import Variable


@dataclass(frozen=True, slots=True)
class Line:
    """One step of the plan. `depth` is how deep it is in branches; `when` says on which way it is, if not on all."""

    depth: int
    step_id: str
    name: str
    does: tuple[str, ...]
    when: str = ""
    agent: str = ""
    targets: tuple[str, ...] = ()
    approval: str = ""
    undo: str = ""
    irreversible: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole."""

    playbook: str
    lines: tuple[Line, ...]
    hosts: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    irreversible: tuple[str, ...] = ()
    approvals: int = 0
    missing: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def plan(playbook: Playbook, values: Mapping[str, str | None]) -> Plan:
    """What would happen with these values of variables. Raises ValueError for a value that does not fit."""
    variables = dict(playbook.variables)
    for name, value in values.items():
        if name not in variables:
            raise ValueError(f"{name}: the playbook has no such variable; it has {', '.join(variables) or 'none'}")
        try:
            variables[name] = variables[name].given(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
    planner = _Planner(playbook, variables)
    planner.row(playbook.steps[playbook.start].after, 0, "", None)
    if playbook.exception:
        planner.row(playbook.exception, 0, "if the run fails", None)
    blast = {kind: tuple(planner.blast.get(kind, ())) for kind in Blast}
    lines = tuple(planner.lines)
    return Plan(
        playbook=playbook.name,
        lines=lines,
        hosts=blast[Blast.HOST],
        users=blast[Blast.USER],
        addresses=blast[Blast.ADDRESS],
        workloads=blast[Blast.WORKLOAD],
        irreversible=tuple(dict.fromkeys(each.name for each in lines if each.irreversible)),
        approvals=sum(bool(each.approval) for each in lines),
        missing=tuple(name for name, each in variables.items() if each.external and each.value is None),
    )


class _Planner:
    def __init__(self, playbook: Playbook, variables: Mapping[str, Variable]) -> None:
        self.lines: list[Line] = []
        self.blast: dict[Blast, dict[str, None]] = {}
        self._playbook = playbook
        # What any step may set is not known beforehand.
        changing = {name for step in playbook.steps.values() for name in step.out_args}
        self._variables = {name: each for name, each in variables.items() if name not in changing}
        self._seen: set[str] = set()

    def row(self, first: str, depth: int, when: str, opener: Step | None) -> None:
        """The steps of a branch, in order."""
        steps, current = [], first
        while current and current not in self._seen and not self._ends(self._playbook.steps[current], opener):
            self._seen.add(current)
            steps.append(self._playbook.steps[current])
            current = steps[-1].after
        for step in steps:
            self._step(step, depth, when)
        if current and not self._ends(self._playbook.steps[current], opener):
            step = self._playbook.steps[current]
            self.lines.append(Line(depth, step.id, step.title, ("goes on there",), when))

    def _ends(self, step: Step, opener: Step | None) -> bool:
        back = opener is not None and (step.id == opener.after or step.id == opener.id)
        return step.kind is Kind.END or back

    def _step(self, step: Step, depth: int, when: str) -> None:
        known = {**self._variables, **{name: each for name, each in step.variables.items() if name not in step.out_args}}
        values = {name: each.value for name, each in known.items() if each.value is not None}
        self.lines.append(self._line(step, depth, when, values))
        for label, first in self._branches(step, known):
            self.row(first, depth + 1, label, step)
        if step.on_failure:
            self.row(step.on_failure, depth + 1, f"if {step.title} fails", None)

    def _line(self, step: Step, depth: int, when: str, values: Mapping[str, str]) -> Line:
        actions = [found for each in step.commands if (found := action_of(each))]
        for action, command in zip(actions, (each for each in step.commands if action_of(each)), strict=True):
            self._hit(action, command, values)
        return Line(
            depth=depth,
            step_id=step.id,
            name=step.title,
            does=tuple(self._does(step, values)),
            when=when,
            agent=str(self._playbook.agents.get(step.agent, {}).get("name", "")),
            targets=tuple(self._target(each, values) for each in step.targets),
            approval=_approval(step),
            undo=_undo(step, actions),
            irreversible=any(each.irreversible for each in actions),
            notes=tuple(_notes(step)),
        )

    def _does(self, step: Step, values: Mapping[str, str]) -> Iterator[str]:
        for command in step.commands:
            yield _command(command, values)
        match step.kind:
            case Kind.PLAYBOOK:
                yield f"runs playbook {step.playbook_id}; its plan is its own"
            case Kind.PARALLEL:
                join = "goes on when one went well" if step.options.join_any else "goes on when all went well"
                yield f"does {len(step.next_steps)} things at once; {join}"
            case Kind.IF:
                yield f"looks whether {shown(step.condition, {})}"
            case Kind.WHILE:
                yield f"repeats while {shown(step.condition, {})}"
            case Kind.SWITCH:
                yield f"looks at {shown(step.switch, {})}"
            case Kind.START | Kind.END | Kind.ACTION:
                pass

    def _branches(self, step: Step, known: Mapping[str, Variable]) -> Iterator[tuple[str, str]]:
        """The branches that a step may take, each with when it does."""
        for number, each in enumerate(step.next_steps, 1):
            yield f"branch {number}", each
        if step.kind in (Kind.IF, Kind.WHILE):
            yield from self._chosen(step, known)
        elif step.kind is Kind.SWITCH:
            yield from self._cases(step, known)

    def _chosen(self, step: Step, known: Mapping[str, Variable]) -> Iterator[tuple[str, str]]:
        certain = self._certain(step.condition, known)
        text = shown(step.condition, {})
        repeated = ", in every round" if step.kind is Kind.WHILE else ""
        if certain is not False:
            yield f"if {text}{repeated}{' (it is so)' if certain and not repeated else ''}", step.on_true
        if step.on_false and certain is not True:
            yield f"if not {text}{' (it is so)' if certain is False else ''}", step.on_false

    def _certain(self, condition: str, known: Mapping[str, Variable]) -> bool | None:
        """Whether a condition holds; None: that is not known beforehand."""
        names = conditions.variables_in(condition)
        if not names <= set(known):
            return None
        try:
            return conditions.holds(condition, known)
        except BadCondition:
            return None

    def _cases(self, step: Step, known: Mapping[str, Variable]) -> Iterator[tuple[str, str]]:
        name = step.switch.strip().removesuffix(":value")
        value = known[name].value if name in known else None
        if value is not None:
            chosen = value if value in step.cases else "default"
            if chosen in step.cases:
                yield f"as {shown(step.switch, {})} is {value}", step.cases[chosen]
            return
        for case, first in step.cases.items():
            yield f"if {shown(step.switch, {})} is {'anything else' if case == 'default' else case}", first

    def _hit(self, action: Action, command: Mapping[str, Any], values: Mapping[str, str]) -> None:
        for name, argument in action.arguments.items():
            if argument.subject and name in command["arguments"]:
                self.blast.setdefault(action.blast, {})[shown(command["arguments"][name], values)] = None

    def _target(self, name: str, values: Mapping[str, str]) -> str:
        found = self._playbook.targets.get(name, {})
        address = found.get("address", {})
        where = next((each for kind in ("url", "dname", "ipv4", "ipv6") for each in address.get(kind, ())), "")
        return shown(f"{found.get('name', name)} ({where})" if where else found.get("name", name), values)


def _command(command: Mapping[str, Any], values: Mapping[str, str]) -> str:
    action = action_of(command)
    if action is not None:
        given = ", ".join(f"{name}={shown(each, values)}" for name, each in command["arguments"].items())
        until = f", {ends.told(shown(command['until'], values))}" if "until" in command else ""
        return f"{action.name} by {command['connector']}: {given}{until}"
    if command["type"] == "manual":
        return f"asks somebody: {shown(manual_text(command), values)}"
    return f"{command['type']}: {shown(command.get('command') or '(in Base64)', values)}"


def _approval(step: Step) -> str:
    found = step.options.approval
    if found is None:
        return ""
    who = " or ".join(found.roles) or "anybody who may run playbooks"
    silence = "approved" if found.approve_on_timeout else "denied"
    return f"{found.quorum} of {who}, within {told(found.ttl)}, else {silence}"


def _undo(step: Step, actions: list[Action]) -> str:
    if not step.options.undo_on_failure:
        return ""
    names = [each.undo or f"{each.name} taken back" for each in actions if each.reversible]
    return f"if the run fails: {', '.join(names)}"


def _notes(step: Step) -> Iterator[str]:
    if step.delay:
        yield f"waits {told(step.delay)} first"
    if step.timeout:
        yield f"fails after {told(step.timeout)}"
    if step.options.retry.attempts > 1:
        yield f"tried up to {step.options.retry.attempts} times"
