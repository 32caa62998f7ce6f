"""Whom each target stands for at one moment, and why."""

from collections.abc import Iterable, Mapping, Sequence
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


class Duty(Protocol):
    """Somebody whom a schedule puts on call: a responder, or a contact by way of a policy that has the slot."""

    @property
    def responder(self) -> str: ...
    @property
    def contact(self) -> str: ...
    @property
    def why(self) -> str: ...
    @property
    def turn(self) -> str: ...
    @property
    def gap(self) -> str: ...


@dataclass(frozen=True, slots=True)
class People:
    """What is known at that moment: people by responder, members (or managers) and duties by target, the fallback."""

    responders: Mapping[str, Person]
    teams: Mapping[Target, tuple[str, ...]] = field(default_factory=dict)
    duties: Mapping[Target, Sequence[Duty]] = field(default_factory=dict)
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
            return [_on_duty(target, duty, people) for duty in people.duties.get(target, ())]
        case Kind.PLATFORM if people.fallback:
            return [Candidate(name, f"the platform's fallback; it names {people.called(name)}") for name in people.fallback]
        case Kind.PLATFORM:
            return [Candidate(name, "every responder is asked, because the platform has no fallback") for name in sorted(people.responders)]


def _on_duty(target: Target, duty: Duty, people: People) -> Candidate:
    called = people.called(duty.responder) if duty.responder else f"contact {duty.contact}"
    return Candidate(duty.responder, f"{_said(target)}; {called} {duty.why}", duty.contact, duty.turn, duty.gap)


def _said(target: Target) -> str:
    return f"layer {target.layer} of schedule {target.name}" if target.layer else f"schedule {target.name}"
