"""Guard rails: whether an action may be done to a target now, whoever wants it."""

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from tocsin_oncall.hours import Hours
from tocsin_response.containment.measure import TargetKind

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# What changes nothing that somebody would miss: it is neither counted nor kept to hours.
HARMLESS = frozenset(
    {
        "collect-evidence",
        "verify-integrity",
        "snapshot",
        "open-ticket",
        "close-ticket",
        "page-responder",
        "post-update",
        "release-host",
    }
)
# The widest networks that may be blocked: wider ones are most of the world by mistake.
WIDEST = {4: 8, 6: 16}


@dataclass(frozen=True, slots=True)
class Act:
    """What would be done. Severity is 1 to 5; 0: there is no incident."""

    action: str
    kind: TargetKind
    target: str
    severity: int = 0

    @property
    def is_harmless(self) -> bool:
        return self.action in HARMLESS


@dataclass(frozen=True, slots=True)
class NeverTouch:
    """Targets that are never touched: a network for addresses, else a name in which * and ? stand for letters."""

    kind: TargetKind
    pattern: str
    reason: str = ""

    def covers(self, kind: TargetKind, target: str) -> bool:
        if kind is not self.kind:
            return False
        if kind is TargetKind.ADDRESS:
            return _overlap(network_of(self.pattern), network_of(target))
        return fnmatchcase(target.casefold(), self.pattern.casefold())


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most so many targets within a time; no actions: all that are not harmless."""

    actions: frozenset[str]
    most: int
    within: timedelta

    def binds(self, action: str) -> bool:
        return not self.actions or action in self.actions


@dataclass(frozen=True, slots=True)
class ChangeWindow:
    """Actions act only within the hours, but for incidents at least as bad as `not_for_severity` (0: none is bad enough)."""

    actions: frozenset[str]
    hours: Hours
    not_for_severity: int = 0

    def refuses(self, act: Act, now: datetime) -> bool:
        if self.actions and act.action not in self.actions:
            return False
        if 0 < act.severity <= self.not_for_severity:
            return False
        return not self.hours.open_at(now)


@dataclass(frozen=True, slots=True)
class Rails:
    """Rails with a name. All rails hold."""

    name: str
    never: tuple[NeverTouch, ...] = ()
    limits: tuple[RateLimit, ...] = ()
    windows: tuple[ChangeWindow, ...] = ()


@dataclass(frozen=True, slots=True)
class Counted:
    """A target that was touched lately."""

    action: str
    target: str
    at: datetime


def refusal(rails: Sequence[Rails], act: Act, lately: Iterable[Counted], now: datetime) -> str:
    """Why the act may not be done, for people; empty if it may. `lately` is what was done within the longest limit."""
    if problem := problem_of(act.kind, act.target):
        return problem
    if act.is_harmless:
        return ""
    done = list(lately)
    return next((f"guard rails {each.name}: {why}" for each in rails for why in _refusals(each, act, done, now)), "")


def longest(rails: Sequence[Rails]) -> timedelta:
    """How far back acts have to be counted."""
    return max((limit.within for each in rails for limit in each.limits), default=timedelta())


def problem_of(kind: TargetKind, target: str) -> str:
    """What is wrong with a target by itself, for people; empty: nothing."""
    if not target.strip():
        return "no target is named"
    if kind is TargetKind.ADDRESS:
        network = network_of(target)
        if network is None:
            return f"{target} is neither an IP address nor a network"
        if network.prefixlen < WIDEST[network.version]:
            return f"{target} is wider than a /{WIDEST[network.version]}: name smaller networks"
    elif kind is not TargetKind.OTHER and any(letter in target for letter in "*?"):
        return f"{target} stands for many targets: name each"
    return ""


def network_of(text: str) -> Network | None:
    """The address or network; None if it is none."""
    try:
        return ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return None


def _refusals(rails: Rails, act: Act, lately: Sequence[Counted], now: datetime) -> Iterator[str]:
    for never in rails.never:
        if never.covers(act.kind, act.target):
            yield f"{act.target} is never touched ({never.pattern}{': ' + never.reason if never.reason else ''})"
    for limit in rails.limits:
        if limit.binds(act.action) and (said := _over(limit, act, lately, now)):
            yield said
    for window in rails.windows:
        if window.refuses(act, now):
            yield f"{act.action} is done within {window.hours} only"


def _over(limit: RateLimit, act: Act, lately: Sequence[Counted], now: datetime) -> str:
    """A target that was touched within the time does not count again."""
    touched = {each.target for each in lately if limit.binds(each.action) and each.action not in HARMLESS and each.at > now - limit.within}
    if act.target in touched or len(touched) < limit.most:
        return ""
    what = " and ".join(sorted(limit.actions)) or "all actions together"
    return f"{len(touched)} targets were touched within {_length(limit.within)} by {what}; at most {limit.most} may be"


def _length(time: timedelta) -> str:
    minutes = round(time.total_seconds() / 60)
    return f"{minutes // 60} h" if minutes % 60 == 0 and minutes else f"{minutes} min"


def _overlap(one: Network | None, other: Network | None) -> bool:
    """A network that holds a protected address would hit it too."""
    if one is None or other is None:
        return False
    one, other = _plain(one), _plain(other)
    return one.version == other.version and one.overlaps(other)


def _plain(network: Network) -> Network:
    """IPv4 addresses that are written as IPv6 are IPv4."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96 and network.network_address.ipv4_mapped is not None:
        return ipaddress.IPv4Network((network.network_address.ipv4_mapped, network.prefixlen - 96))
    return network
