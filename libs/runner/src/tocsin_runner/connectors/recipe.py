"""What a connector in a file says: which requests look, which change, which undo, and what their answers mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tocsin_runner.connectors.expressions import Expression, Template, Text
from tocsin_runner.connectors.interface import Description


class Means(StrEnum):
    """What an answer that is no success means."""

    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Rule:
    """When it is so, and what to say."""

    when: Expression
    because: Text


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What some answers mean."""

    when: Expression
    means: Means
    because: Text


@dataclass(frozen=True, slots=True)
class Step:
    """One request. `save` keeps parts of its answer, `base` names the setting that has its address."""

    method: str
    path: Text
    base: str = "url"
    query: Template | None = None
    json: Template | None = None
    form: Template | None = None
    headers: Template | None = None
    when: Expression | None = None
    each: Expression | None = None
    """A list: the request is made for each `item` of it."""
    until: Expression | None = None
    """Asked again, a little later each time, until the answer says this."""
    script: str = ""
    """In place of a request: what the other machine's shell runs. Values reach it through `environment` alone."""
    environment: Template | None = None
    save: Mapping[str, Expression] = field(default_factory=dict)
    errors: tuple[ErrorRule, ...] = ()
    may_be_missing: bool = False


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """How a token is had that lasts a while."""

    step: Step
    value: Expression
    seconds: Expression


@dataclass(frozen=True, slots=True)
class Authentication:
    """Who asks, in headers; `token` is fetched first where there is one."""

    headers: Template
    token: TokenRequest | None = None
    aws: Template | None = None
    """How AWS wants it signed: service, region, key_id, secret."""


@dataclass(frozen=True, slots=True)
class SettingRule:
    """What a connection says of a connector; `simulated` stands in exercises."""

    about: str = ""
    secret: bool = False
    default: str | None = None
    simulated: str | None = None


@dataclass(frozen=True, slots=True)
class Undo:
    """How to put back what was."""

    steps: tuple[Step, ...]
    undone: Expression
    pending: Expression | None = None
    ours: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Brought:
    """What is brought home as evidence once the action was done, and what is asked for it."""

    name: Text
    look: tuple[Step, ...]
    content: Template


@dataclass(frozen=True, slots=True)
class ActionRecipe:
    """One action."""

    description: Description
    look: tuple[Step, ...]
    state: Mapping[str, Template]
    effective: Expression
    pending: Expression | None
    failed: tuple[Rule, ...]
    mine: Expression | None
    refuse: tuple[Rule, ...]
    execute: tuple[Step, ...]
    complete: Expression | None
    """False where the last answer only says that it was taken on."""
    undo: Undo | None
    brings: Brought | None = None
    fresh: bool = False
    """True if `fresh`, a password that nobody knows yet, stands in it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The whole file."""

    connector: str
    title: str
    settings: Mapping[str, SettingRule]
    authentication: Mapping[str, Authentication]
    errors: tuple[ErrorRule, ...]
    check: Step
    actions: Mapping[str, ActionRecipe]
    shell: Template | None = None
    """Where scripts run, and as whom: host, hosts, port, user, private_key, host_keys."""
