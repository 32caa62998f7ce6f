"""What an escalation policy says: who is asked, in which order, for how long, when and how loudly."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from tocsin_oncall.hours import ALWAYS, Condition

PLATFORM_DELAY = timedelta(minutes=5)
PLATFORM_REPEAT = 3
FOR_EVER = -1


class Kind(Enum):
    """What a target names."""

    RESPONDER = "responder"
    SCHEDULE = "schedule"
    TEAM = "team"
    CONTACT = "contact"
    PLATFORM = "platform"


class Turn(Enum):
    """Whose turn of a schedule is meant."""

    CURRENT = "current"
    NEXT = "next"
    PREVIOUS = "previous"


class Urgency(Enum):
    """How loudly somebody is asked."""

    HIGH = "HIGH"
    LOW = "LOW"


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a step asks. `turn` and `layer` are about a schedule, `managers` about a team."""

    kind: Kind
    name: str = ""
    turn: Turn = Turn.CURRENT
    layer: str = ""
    managers: bool = False

    def __str__(self) -> str:
        if self.kind is Kind.PLATFORM:
            return "the platform's fallback"
        said = f"{self.kind.value} {self.name}"
        if self.layer:
            said = f"layer {self.layer} of {said}"
        if self.managers:
            said = f"the managers of {said}"
        return said if self.turn is Turn.CURRENT else f"the {self.turn.value} one of {said}"


PLATFORM = Target(Kind.PLATFORM)


@dataclass(frozen=True, slots=True)
class Step:
    """Asks its targets, then waits; with no delay the next step is taken at once.

    `round_robin` asks one of them, another one each time. `waits` says that it is not passed over while its hours have not begun.
    `until_closed` asks even if somebody has acknowledged.
    """

    targets: tuple[Target, ...]
    delay: timedelta
    name: str = ""
    round_robin: bool = False
    condition: Condition = ALWAYS
    waits: bool = False
    until_closed: bool = False


@dataclass(frozen=True, slots=True)
class UrgencyRule:
    """While the condition holds it is this urgent, and another policy is run, if one is named."""

    condition: Condition
    urgency: Urgency
    policy: str = ""


@dataclass(frozen=True, slots=True)
class AcknowledgeTimeout:
    """How long an acknowledgement is good for, with these severities (none given: any)."""

    severities: frozenset[int]
    after: timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """The steps in order, gone through 1 + `repeat` times. An empty name is the platform's own policy.

    `urgency` is what holds where no rule applies. `every_channel` is set for one run: somebody acknowledged, and nothing followed.
    """

    name: str
    steps: tuple[Step, ...]
    repeat: int
    fallback: tuple[Target, ...] = ()
    acknowledgements: int = 1
    rules: tuple[UrgencyRule, ...] = ()
    timeouts: tuple[AcknowledgeTimeout, ...] = ()
    urgency: Urgency = Urgency.HIGH
    every_channel: bool = False

    def __str__(self) -> str:
        return self.name or "the platform's policy"

    def rule_at(self, severity: int, at: datetime) -> UrgencyRule | None:
        """The first rule of urgency that applies."""
        return next((rule for rule in self.rules if rule.condition.holds(severity, at)), None)

    def urgency_at(self, severity: int, at: datetime) -> Urgency:
        """How loudly people are asked."""
        if self.every_channel:
            return Urgency.HIGH
        rule = self.rule_at(severity, at)
        return rule.urgency if rule is not None else self.urgency

    def timeout(self, severity: int) -> timedelta | None:
        """How long an acknowledgement is good for; None: for ever."""
        return next((each.after for each in self.timeouts if not each.severities or severity in each.severities), None)


PLATFORM_POLICY = Policy("", (Step((PLATFORM,), PLATFORM_DELAY),), PLATFORM_REPEAT)
