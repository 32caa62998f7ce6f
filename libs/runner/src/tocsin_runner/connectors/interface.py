"""What a connector is: actions that can be looked at, done and undone. One YAML file, or one class like these."""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from tocsin_chassis.outgoing import is_public
from tocsin_runner.assignment import Document, Finding, Json, Refused, Task

# Arguments of the catalogue of actions that a connector may have no use for.
COMMON = frozenset({"reason", "cluster", "list", "project", "resolution", "scope", "audience", "user", "namespace"})
# No single block is larger than this, or it would cut off half the world.
WIDEST = {4: 16, 6: 32}
# Nobody has these (RFC 5737, RFC 3849): exercises and demonstrations block them.
EXAMPLES = tuple(map(ipaddress.ip_network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")))
DOMAIN = re.compile(r"(?=.{1,253}$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
HASH = re.compile(r"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64}")
LONGEST = 32_768


class Standing(StrEnum):
    """How far an effect is, as an independent look at the other side shows it."""

    ABSENT = "absent"
    PENDING = "pending"
    EFFECTIVE = "effective"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look showed. `state` is all that an undo may need; `mine` says whose the effect is, None where nobody can tell."""

    state: Document
    standing: Standing
    mine: bool | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an action."""

    type: str = "string"
    about: str = ""
    required: bool = True
    default: Json = None


@dataclass(frozen=True, slots=True)
class Description:
    """What people, approvals and dry runs have to know of an action. Times are seconds."""

    action: str
    about: str = ""
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    permission: str = ""
    reversible: bool = False
    verified: bool = True
    """False where the other side has nothing that could be looked at independently."""
    repeatable: bool = False
    """True where the other side itself takes the same idempotency key only once, or twice comes to the same."""
    effect: str = ""
    lag: float = 0.0
    """How long a look may still miss what was done just before: an index is behind."""
    poll: float = 2.0
    patience: float = 30.0
    again: float = 60.0


@dataclass(slots=True)
class Job:
    """One action at work. `token` is what execute wants to be kept for an undo; `after` the state once it was effective."""

    arguments: Document
    key: str
    task: Task
    prior: Document = field(default_factory=dict)
    token: dict[str, Json] = field(default_factory=dict)
    after: Document = field(default_factory=dict)
    exchanges: list[Json] = field(default_factory=list)

    @property
    def marker(self) -> str:
        """What is left at the other side so that the effect can be recognised: letters, digits, dashes. Undos use the first one."""
        if "marker" in self.token:
            return str(self.token["marker"])
        return "tocsin-" + re.sub(r"[^A-Za-z0-9]", "", self.key)[:32].lower()


class Action(Protocol):
    """One action of a connector, bound to a connection. Everything raises Ended and LeaseLost."""

    @property
    def description(self) -> Description:
        """What it is."""
        ...

    async def look(self, job: Job) -> Sight:
        """How it stands; changes nothing."""
        ...

    def refusal(self, job: Job, sight: Sight) -> str:
        """Why it must not be done as things stand; empty if it may."""
        ...

    async def execute(self, job: Job, sight: Sight) -> bool:
        """Do it; what an undo needs goes into job.token. False if the other side has only taken it on."""
        ...

    async def undo(self, job: Job, sight: Sight) -> bool:
        """Put back what was before. False if the other side has only taken it on."""
        ...

    def foreign(self, job: Job, sight: Sight) -> str:
        """Why an undo would destroy what somebody else has done since; empty if it would not."""
        ...

    def undone(self, job: Job, sight: Sight) -> Standing:
        """How far an undo is: EFFECTIVE if it is as it was before."""
        ...


@runtime_checkable
class Bringing(Protocol):
    """An action that brings something home."""

    async def bring(self, job: Job) -> list[Finding]:
        """The evidence that it was done for; asked for once it is effective. Raises Ended."""
        ...


class Connector(Protocol):
    """A connector, bound to a connection: where it goes and by which secrets."""

    @property
    def actions(self) -> Mapping[str, Action]:
        """By name."""
        ...

    async def check(self) -> str:
        """Ask the other side something that changes nothing; says what it answered. Raises Ended."""
        ...


def arguments(description: Description, given: Document) -> dict[str, Json]:
    """The arguments as the action wants them. Raises Refused naming the one that does not fit."""
    if unknown := sorted(set(given) - set(description.arguments) - COMMON):
        known = ", ".join(description.arguments) or "none"
        raise Refused(f"{description.action} has no argument {unknown[0]}; it has {known}")
    found = {"reason": _text(given.get("reason") or "")}
    for name, rule in description.arguments.items():
        value = given.get(name)
        if value in (None, ""):
            if rule.required and rule.default is None:
                raise Refused(f"{description.action} needs the argument {name}: {rule.about}")
            found[name] = rule.default
            continue
        try:
            found[name] = TYPES[rule.type](value)
        except (ValueError, TypeError) as error:
            raise Refused(f"the argument {name} must be {rule.type}: {str(value)[:80]!r} is not ({error})") from error
    return found


def _text(value: Json) -> str:
    if isinstance(value, dict | list):
        raise ValueError("it is not one value")
    text = str(value)
    if len(text) > LONGEST or "\x00" in text:
        raise ValueError("it is too long, or not text")
    return text


def _integer(value: Json) -> int:
    if isinstance(value, bool):
        raise ValueError("it is true or false")
    return int(value)


def _boolean(value: Json) -> bool:
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower()) or _not("true or false", value)


def _not(what: str, value: Json) -> bool:
    if str(value).lower() == "false":
        return False
    raise ValueError(f"it is not {what}")


def _network(value: Json) -> str:
    network = ipaddress.ip_network(str(value).strip(), strict=False)
    if network.prefixlen < WIDEST[network.version]:
        raise ValueError(f"it is wider than /{WIDEST[network.version]}")
    if any(network.network_address in example and network.broadcast_address in example for example in EXAMPLES):
        return _written(network)
    if not (is_public(str(network.network_address)) and is_public(str(network.broadcast_address))):
        raise ValueError("it is not of the public internet; private addresses are not blocked this way")
    return _written(network)


def _written(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def _fitting(pattern: re.Pattern[str]) -> Callable[[Json], str]:
    def fit(value: Json) -> str:
        text = str(value).strip().lower()
        if pattern.fullmatch(text) is None:
            raise ValueError("it has another form")
        return text

    return fit


def _map(value: Json) -> Json:
    if not isinstance(value, Mapping):
        raise ValueError("it is no dictionary")
    return dict(value)


TYPES: Mapping[str, Callable[[Json], Json]] = {
    "string": _text,
    "integer": _integer,
    "boolean": _boolean,
    "public-net": _network,
    "address": lambda value: str(ipaddress.ip_address(str(value).strip())),
    "domain": _fitting(DOMAIN),
    "hash": _fitting(HASH),
    "list": lambda value: value if isinstance(value, list) else [item.strip() for item in str(value).split(",")],
    "dictionary": _map,
    "any": lambda value: value,
}
