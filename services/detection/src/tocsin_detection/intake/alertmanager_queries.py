"""What a client of Alertmanager's API v2 asks for: the parameters of its queries. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from tocsin_detection.intake.alertmanager_shapes import RECEIVER
from tocsin_detection.intake.intake import Request
from tocsin_detection.noise.matcher import Matchers, Operator, all_match, matcher, read_all
from tocsin_detection.noise.silence import State

AFFIRMED = frozenset({"1", "true", "yes", "ok", "y", "on", "selected", "checked", "t", "enabled"})


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts are wanted: those that all matchers match, without the kinds that are excluded."""

    matchers: Matchers
    receiver: bool
    active: bool
    silenced: bool
    inhibited: bool
    muted: bool

    def wants(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert with these labels may be wanted."""
        return self.receiver and all_match(self.matchers, labels)

    def wants_in_state(self, status: Mapping[str, object]) -> bool:
        """Whether an alert is wanted as it is now."""
        return (
            (self.active or status["state"] != "active")
            and (self.silenced or not status["silencedBy"])
            and (self.inhibited or not status["inhibitedBy"])
            and (self.muted or not status["mutedBy"])
        )


@dataclass(frozen=True, slots=True)
class SilenceQuery:
    """Which silences are wanted: those in one of the states that have all of these matchers among theirs."""

    states: frozenset[State]
    matchers: Matchers

    def wants(self, matchers: Matchers) -> bool:
        """Whether a silence in one of the states is wanted that has these matchers."""
        return set(self.matchers) <= set(matchers)


def alert_query(request: Request) -> AlertQuery:
    """Raises MatcherInvalid."""
    return AlertQuery(
        matchers=read_all(_given(request, "filter"), "filter"),
        receiver=_receiver_wanted(request),
        active=_flag(request, "active"),
        silenced=_flag(request, "silenced"),
        inhibited=_flag(request, "inhibited"),
        muted=_flag(request, "muted"),
    )


def silence_query(request: Request) -> SilenceQuery:
    """Raises MatcherInvalid."""
    states = frozenset(state for state in State if _flag(request, state.lower()))
    return SilenceQuery(states, read_all(_given(request, "filter"), "filter"))


def receivers_wanted(request: Request) -> bool:
    """Whether the one receiver, which has no labels, is wanted. Raises MatcherInvalid."""
    return all_match(read_all(_given(request, "receiver_matchers"), "receiver_matchers"), {})


def _receiver_wanted(request: Request) -> bool:
    expressions = _given(request, "receiver")[:1]
    named = (matcher("receiver", Operator.LIKE, expression, "receiver") for expression in expressions)
    return all_match(tuple(named), {"receiver": RECEIVER}) and receivers_wanted(request)


def _given(request: Request, name: str) -> list[str]:
    """A parameter without a text counts as one that was not given: amtool sends such."""
    return [text for text in request.parameters(name) if text]


def _flag(request: Request, name: str) -> bool:
    given = _given(request, name)
    return given[0].lower() in AFFIRMED if given else True
