"""How ready a team is for its next incident: what was looked at, what of it is well, and how to mend the rest."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SCHEDULE, CONTACTS, PLAYBOOKS, PLAN, EXERCISE = 30, 25, 15, 20, 10
AHEAD = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that readiness depends on: points reached of so many, what was seen, how to mend it."""

    check: str
    subject: str
    points: int
    of: int
    seen: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether somebody can be reached, as far as is known; `checked_at` None: nobody has looked yet."""

    responder: str
    problem: str
    checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Review:
    """A plan, when it was reviewed, and for how long that is good."""

    plan: str
    reviewed_at: datetime | None
    good_for: timedelta


@dataclass(frozen=True, slots=True)
class Held:
    """An exercise: which playbook was run on simulated systems, by whom and when."""

    playbook: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Ready:
    """A team, or a service, what was found, and the score of 100."""

    team: str
    findings: tuple[Finding, ...]
    service: str = ""

    @property
    def score(self) -> int:
        of = sum(each.of for each in self.findings)
        return round(100 * sum(each.points for each in self.findings) / of) if of else 0


def schedules(gaps: Mapping[str, timedelta], none: str = "nobody of the team is on any schedule") -> list[Finding]:
    """Schedules, and for how long of the next days nobody is on call for each; `none` says what it means that there are none."""
    if not gaps:
        return [Finding("schedule", "", 0, SCHEDULE, none, "make a schedule with members of the team")]
    share, found = SCHEDULE // len(gaps), list[Finding]()
    for name, gap in sorted(gaps.items()):
        if not gap:
            found.append(Finding("schedule", name, share, share, "somebody is on call all of the next 7 days"))
            continue
        points = round(share * max(0.0, 1 - gap / AHEAD) / 2)
        said = f"nobody is on call for {_said(gap)} of the next 7 days"
        found.append(Finding("schedule", name, points, share, said, f"tocsin oncall gaps {name}, then tocsin oncall override add"))
    return found


def contacts(people: Iterable[Reach], none: str = "the team has no members") -> list[Finding]:
    """Whether these people can be reached on two channels; `none` says what it means that there are none."""
    everybody = list(people)
    if not everybody:
        return [Finding("contacts", "", 0, CONTACTS, none, "add members to the team")]
    wrong = [each for each in everybody if each.problem or each.checked_at is None]
    points = round(CONTACTS * (len(everybody) - len(wrong)) / len(everybody))
    if not wrong:
        return [Finding("contacts", "", points, CONTACTS, f"all {len(everybody)} can be reached on two channels")]
    names = ", ".join(f"{each.responder}: {each.problem or 'not looked at yet'}" for each in wrong[:5])
    return [Finding("contacts", "", points, CONTACTS, names, "tocsin reach says what is missing; tocsin contact confirm NAME confirms")]


def playbooks(named: Iterable[str], recent: Mapping[str, datetime]) -> list[Finding]:
    """Whether the playbooks that plans name were tried lately, dry or for real."""
    wanted = sorted(set(named))
    if not wanted:
        return [Finding("playbooks", "", 0, 0, "no plan names a playbook", "name playbooks in the phases of your plans")]
    missing = [name for name in wanted if name not in recent]
    points = round(PLAYBOOKS * (len(wanted) - len(missing)) / len(wanted))
    if not missing:
        return [Finding("playbooks", "", points, PLAYBOOKS, f"all {len(wanted)} were tried in the last 30 days")]
    said = f"not tried in the last 30 days: {', '.join(missing[:5])}"
    return [Finding("playbooks", "", points, PLAYBOOKS, said, "tocsin playbook run NAME --dry-run tries one")]


def plans(reviews: Iterable[Review], now: datetime) -> list[Finding]:
    """Whether each plan was reviewed lately."""
    wanted, found = list(reviews), list[Finding]()
    for each in wanted:
        of = PLAN / len(wanted)
        fresh = each.reviewed_at is not None and each.reviewed_at + each.good_for >= now
        seen = f"reviewed {each.reviewed_at:%Y-%m-%d}" if each.reviewed_at is not None else "never reviewed"
        remedy = "" if fresh else f"read it and say so: tocsin command review {each.plan}"
        found.append(Finding("plan", each.plan, round(of) if fresh else 0, round(of), seen, remedy))
    return found


def exercises(held: Held | None) -> list[Finding]:
    """Whether an exercise was held lately: a run on simulated systems that went well."""
    if held is not None:
        seen = f"held on {held.at:%Y-%m-%d}: {held.by} ran the playbook {held.playbook} on simulated systems"
        return [Finding("exercise", held.playbook, EXERCISE, EXERCISE, seen)]
    remedy = "declare an incident for it and run a playbook on simulated systems: tocsin playbook run NAME --simulated"
    return [Finding("exercise", "", 0, EXERCISE, "none was held in the last 180 days", remedy)]


def policies(name: str, exists: bool) -> list[Finding]:
    """Whether a service has an escalation policy; nothing, where it has."""
    if exists:
        return []
    seen = f"its escalation policy {name} is not there" if name else "it has no escalation policy: the platform's fallback is asked"
    remedy = "give the service an escalation_policy"
    return [Finding("policy", name, 0, SCHEDULE, seen, remedy)]


def overall(found: Sequence[Ready]) -> int:
    """How ready all of them are: their mean."""
    return round(sum(each.score for each in found) / len(found)) if found else 0


def _said(length: timedelta) -> str:
    hours = length.total_seconds() / 3600
    return f"{hours:.0f} h" if hours >= 1 else f"{length.total_seconds() / 60:.0f} min"
