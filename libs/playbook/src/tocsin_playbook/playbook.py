"""A playbook as CACAO v2.0 says it: steps, variables, agents, targets, and the options of our own extension."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Any

from tocsin_playbook.variables import Variable, as_text

# The id of our extension definition: the version 5 UUID of "tocsin-playbook", so that it is the same everywhere.
EXTENSION = "extension-definition--a02d6c98-e504-53ee-a0a0-49cbca11ee14"
# The id of the extension in which a run that is exported says what came of it.
RESULTS = "extension-definition--e2d9198b-76ce-5c0c-910f-f398d4787a26"

Plain = Mapping[str, Any]


class Kind(Enum):
    """What a step is; the value is what its id begins with."""

    START = "start"
    END = "end"
    ACTION = "action"
    PLAYBOOK = "playbook-action"
    PARALLEL = "parallel"
    IF = "if-condition"
    WHILE = "while-condition"
    SWITCH = "switch-condition"


class OnUnknown(Enum):
    """What to do if nobody can find out whether an action was done."""

    ASK = "ask"
    SKIP = "skip"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often to try in all, and how long to wait before the second try; the wait doubles each time."""

    attempts: int = 1
    backoff: timedelta = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Approval:
    """Who has to agree before a step does anything."""

    roles: tuple[str, ...] = ()
    quorum: int = 1
    ttl: timedelta = timedelta(hours=1)
    approve_on_timeout: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """What our extension adds to a step."""

    retry: Retry = Retry()
    on_unknown: OnUnknown = OnUnknown.ASK
    approval: Approval | None = None
    join_any: bool = False
    branches_may_fail: bool = False
    undo_on_failure: bool = False
    idempotent: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a playbook. Fields that its kind does not have are empty."""

    id: str
    kind: Kind
    name: str = ""
    description: str = ""
    delay: timedelta = timedelta()
    timeout: timedelta | None = None
    variables: Mapping[str, Variable] = field(default_factory=dict)
    on_completion: str = ""
    on_success: str = ""
    on_failure: str = ""
    commands: tuple[Plain, ...] = ()
    agent: str = ""
    targets: tuple[str, ...] = ()
    in_args: tuple[str, ...] = ()
    out_args: tuple[str, ...] = ()
    playbook_id: str = ""
    playbook_version: str = ""
    next_steps: tuple[str, ...] = ()
    condition: str = ""
    on_true: str = ""
    on_false: str = ""
    switch: str = ""
    cases: Mapping[str, str] = field(default_factory=dict)
    options: Options = Options()

    @property
    def after(self) -> str:
        """The step that follows when this one went well; empty if none does."""
        return self.on_completion or self.on_success

    @property
    def title(self) -> str:
        """What people call it."""
        return self.name or self.id

    @property
    def branches(self) -> tuple[str, ...]:
        """The first step of every branch it may open."""
        found = (*self.next_steps, self.on_true, self.on_false, *self.cases.values())
        return tuple(dict.fromkeys(each for each in found if each))


@dataclass(frozen=True, slots=True)
class Playbook:
    """A whole playbook. `plain` is what it was read from."""

    id: str
    name: str
    start: str
    steps: Mapping[str, Step]
    exception: str = ""
    description: str = ""
    modified: str = ""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    agents: Mapping[str, Plain] = field(default_factory=dict)
    targets: Mapping[str, Plain] = field(default_factory=dict)
    authentication: Mapping[str, Plain] = field(default_factory=dict)
    plain: Plain = field(default_factory=dict)


def read(plain: Plain) -> Playbook:
    """The playbook in a CACAO document that was found well-formed (`check.problems`)."""
    return Playbook(
        id=plain["id"],
        name=plain["name"],
        start=plain["workflow_start"],
        steps={name: _step(name, each) for name, each in plain["workflow"].items()},
        exception=plain.get("workflow_exception", ""),
        description=plain.get("description", ""),
        modified=plain.get("modified", ""),
        variables=variables_of(plain.get("playbook_variables", {})),
        agents=plain.get("agent_definitions", {}),
        targets=plain.get("target_definitions", {}),
        authentication=plain.get("authentication_info_definitions", {}),
        plain=plain,
    )


def variables_of(plain: Plain) -> dict[str, Variable]:
    """Variables by name, from a dictionary of CACAO variables."""
    return {
        name: Variable(
            name,
            each["type"],
            _known(each["type"], as_text(each.get("value"))),
            each.get("constant", False),
            each.get("external", False),
            each.get("description", ""),
        )
        for name, each in plain.items()
    }


def options_of(plain: Plain) -> Options:
    """Our options of a step, from its extension."""
    retry, approval = plain.get("retry", {}), plain.get("approval")
    return Options(
        retry=Retry(retry.get("attempts", 1), timedelta(seconds=retry.get("backoff_seconds", 1))),
        on_unknown=OnUnknown(plain.get("on_unknown", "ask")),
        approval=None if approval is None else _approval(approval),
        join_any=plain.get("join") == "any",
        branches_may_fail=plain.get("on_branch_failure") == "continue",
        undo_on_failure=plain.get("undo_on_failure", False),
        idempotent=plain.get("idempotent", False),
    )


def extension(plain: Plain) -> Plain:
    """Our extension of a step; empty if it has none."""
    found: Plain = plain.get("step_extensions", {}).get(EXTENSION, {})
    return found


def _step(name: str, plain: Plain) -> Step:
    return Step(
        id=name,
        kind=Kind(plain["type"]),
        delay=timedelta(milliseconds=plain.get("delay", 0)),
        timeout=timedelta(milliseconds=plain["timeout"]) if plain.get("timeout") else None,
        variables=variables_of(plain.get("step_variables", {})),
        options=options_of(extension(plain)),
        cases=plain.get("cases", {}),
        **_given(plain),
    )


def _given(plain: Plain) -> dict[str, Any]:
    """The fields that need no reading."""
    return {key: plain.get(key, "") for key in TEXTS} | {key: tuple(plain.get(key, ())) for key in LISTS}


def _approval(plain: Plain) -> Approval:
    return Approval(
        roles=tuple(plain.get("roles", ())),
        quorum=plain.get("quorum", 1),
        ttl=timedelta(seconds=plain.get("ttl_seconds", 3600)),
        approve_on_timeout=plain.get("on_timeout", "deny") == "approve",
    )


def _known(kind: str, value: str | None) -> str | None:
    return None if value == "" and kind != "string" else value


TEXTS: Sequence[str] = (
    "name",
    "description",
    "on_completion",
    "on_success",
    "on_failure",
    "agent",
    "playbook_id",
    "playbook_version",
    "condition",
    "on_true",
    "on_false",
    "switch",
)
LISTS: Sequence[str] = ("commands", "targets", "in_args", "out_args", "next_steps")
