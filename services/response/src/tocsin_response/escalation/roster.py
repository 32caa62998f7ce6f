"""Whom each target stands for at one moment, and why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tocsin_response.escalation.definition import Kind, Target
from tocsin_response.escalation.escalation import Candidate, Roster


class Person(Protocol):
    """A responder."""

    @property
    def display_name(self) -> str:
        """The name that people read; may be empty."""
        ...


@dataclass(frozen=True, slots=True)
class People:
    """What is known at that moment: people by responder, members (or managers) and duties (who, and why) by target, the fallback."""

    responders: Mapping[str, Person]
    teams: Mapping[Target, tuple[str, ...]] = field(default_factory=dict)
    duties: Mapping[Target, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    fallback: tuple[str, ...] = ()

    def called(self, responder: str) -> str:
        """The name that people read."""
        person = self.responders.get(responder)
        return person.display_name if person is not None and person.display_name else responder


def roster(targets: Iterable[Target], people: People) -> Roster:
    """The candidates of every target. Who is no responder any more is no candidate; a contact always is one."""
    return {
        target: tuple(each for each in _candidates(target, people) if each.contact or each.responder in people.responders)
        for target in targets
    }


def _candidates(target: Target, people: People) -> list[Candidate]:
    match target.kind:
        case Kind.RESPONDER:
            return [Candidate(target.name, f"{people.called(target.name)} is named by the step")]
        case Kind.CONTACT:
            return [Candidate("", f"contact {target.name} is named by the step", target.name)]
        case Kind.TEAM:
            what = "manager" if target.managers else "member"
            return [Candidate(name, f"team {target.name}; {people.called(name)} is a {what}") for name in people.teams.get(target, ())]
        case Kind.SCHEDULE:
            return [Candidate(name, f"{_said(target)}; {people.called(name)} {why}") for name, why in people.duties.get(target, ())]
        case Kind.PLATFORM if people.fallback:
            return [Candidate(name, f"the platform's fallback; it names {people.called(name)}") for name in people.fallback]
        case Kind.PLATFORM:
            return [Candidate(name, "every responder is asked, because the platform has no fallback") for name in sorted(people.responders)]


def _said(target: Target) -> str:
    return f"layer {target.layer} of schedule {target.name}" if target.layer else f"schedule {target.name}"
