"""Whom each target stands for at one moment, and why."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tocsin_oncall.render import Duty
from tocsin_response.escalation.policy import Candidate, Kind, Roster, Target
from tocsin_response.oncall.store import Person


@dataclass(frozen=True, slots=True)
class People:
    """What is known at that moment: people by responder, members by team, duties by schedule, the platform's fallback."""

    responders: Mapping[str, Person]
    teams: Mapping[str, Sequence[str]]
    duties: Mapping[str, Duty]
    fallback: tuple[str, ...]

    def called(self, responder: str) -> str:
        """The name that people read."""
        person = self.responders.get(responder)
        return person.display_name if person is not None and person.display_name else responder


def roster(targets: Iterable[Target], people: People) -> Roster:
    """The candidates of every target. Who is no responder any more is no candidate."""
    return {
        target: tuple(candidate for candidate in _candidates(target, people) if candidate.responder in people.responders)
        for target in targets
    }


def _candidates(target: Target, people: People) -> list[Candidate]:
    match target.kind:
        case Kind.RESPONDER:
            return [Candidate(target.name, f"{people.called(target.name)} is named by the step")]
        case Kind.TEAM:
            return [Candidate(name, f"team {target.name}; {people.called(name)} is a member") for name in people.teams.get(target.name, ())]
        case Kind.SCHEDULE:
            duty = people.duties.get(target.name)
            return [Candidate(duty.responder, _on_call(target, duty, people))] if duty is not None and duty.responder else []
        case Kind.PLATFORM if people.fallback:
            return [Candidate(name, f"the platform's fallback; it names {people.called(name)}") for name in people.fallback]
        case Kind.PLATFORM:
            return [Candidate(name, "every responder is asked, because the platform has no fallback") for name in sorted(people.responders)]


def _on_call(target: Target, duty: Duty, people: People) -> str:
    since = f" from {_said(duty.since)}" if duty.since is not None else ""
    until = f" until {_said(duty.until)}" if duty.until is not None else ""
    return f"{target}; {people.called(duty.responder)} is on call{since}{until} as {duty.reason}"


def _said(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
