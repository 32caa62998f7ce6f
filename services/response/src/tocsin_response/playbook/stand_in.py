"""Who answers in whose place: somebody who was asked and has delegated to somebody else. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

# As many as communication follows when it pages.
LONGEST_CHAIN = 5


@dataclass(frozen=True, slots=True)
class Delegation:
    """What somebody delegated to somebody else, and who arranged it."""

    from_responder: str
    to_responder: str
    made_by: str


def own(delegations: Iterable[Delegation]) -> dict[str, str]:
    """To whom each of these delegates themselves, the newest last; what others arrange for somebody carries pages and no vote."""
    return {each.from_responder: each.to_responder for each in delegations if each.made_by == each.from_responder}


def end_of(name: str, to: Mapping[str, str]) -> str:
    """Who stands in for somebody in the end; they themselves if they delegate to nobody."""
    for _ in range(LONGEST_CHAIN):
        if name not in to:
            break
        name = to[name]
    return name


def places(by: str, asked: Collection[str], to: Mapping[str, str]) -> set[str]:
    """Those who are asked in whose place this one may answer."""
    return {name for name in asked if name != by and end_of(name, to) == by}
