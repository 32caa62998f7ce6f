"""Whom an escalation policy stands for that has a slot of a schedule: whom its first step asks at each instant, and why."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple, Protocol

from tocsin_oncall import chains
from tocsin_oncall.chains import Link, Node
from tocsin_oncall.plain import NOTHING_KNOWN, Known
from tocsin_oncall.policy import Aim, Policy, Step, policy_of
from tocsin_oncall.schedule import Schedule
from tocsin_oncall.stand import CONTACT, Asked, Stand, once

MOST_ANSWERS = 10_000


class Spell(NamedTuple):
    """The same are asked from `start` until just before `end`."""

    start: datetime
    end: datetime
    stands: tuple[Stand, ...]


class Planned(Protocol):
    """A schedule, as it is asked by a policy."""

    def edges(self, aim: Aim, since: datetime, until: datetime, severity: int) -> Iterable[datetime]:
        """When other people may be meant."""
        ...

    def asked(self, aim: Aim, at: datetime, severity: int) -> Asked:
        """Who is meant."""
        ...


@dataclass(frozen=True)
class Around:
    """What schedules lead to by way of policies: each other, and teams. `cuts` are the links that are not followed."""

    known: Known = NOTHING_KNOWN
    plans: Mapping[str, Planned] = field(default_factory=dict, repr=False)
    cuts: Mapping[Link, str] = field(default_factory=dict)
    _policies: dict[tuple[str, str], Policy | None] = field(default_factory=dict, init=False, repr=False, compare=False)
    _answers: dict[tuple[str, str, int, datetime], Asked] = field(default_factory=dict, init=False, repr=False, compare=False)

    def spells(self, policy: str, zone: str, severity: int, since: datetime, until: datetime) -> Iterator[Spell]:
        """The whole range, also where nobody is asked. `zone` is that of the schedule whose slot it is."""
        edges = sorted({since, until, *(edge for edge in self._edges(policy, zone, severity, since, until) if since < edge < until)})
        held: Spell | None = None
        for start, end in pairwise(edges):
            stands = self.asked(policy, zone, severity, start).stands
            if held is not None and held.stands == stands:
                held = held._replace(end=end)
                continue
            if held is not None:
                yield held
            held = Spell(start, end, stands)
        if held is not None:
            yield held

    def asked(self, policy: str, zone: str, severity: int, at: datetime) -> Asked:
        """Whom the policy would ask first at this instant; its own fallback where that is nobody."""
        # The same instants come up again and again: for each person, and for each schedule that leads here.
        key = (policy, zone, severity, at)
        answer = self._answers.get(key)
        if answer is None:
            if len(self._answers) >= MOST_ANSWERS:
                self._answers.clear()
            answer = self._answers[key] = self._ask(policy, zone, severity, at)
        return answer

    def _ask(self, policy: str, zone: str, severity: int, at: datetime) -> Asked:
        run, said = self._run(policy, zone, severity, at)
        if run is None:
            return Asked((), said)
        steps, passed = _first(run, severity, at)
        nobody = [passed] if passed else []
        stands: list[Stand] = []
        for step in steps:
            stands += self._of_step(run, step, severity, at, nobody)
        if stands:
            asks = " and ".join(f"{step} asks {_listed(step.aims)}" for step in steps)
            return Asked(once(stands), f"{said}{asks}{_after(passed)}{_later(run, steps)}")
        why = f"{said}{'; '.join(nobody) or 'it has no step'}"
        instead = [each for aim in run.fallback for each in self._of_aim(run, "the fallback", aim, severity, at, nobody)]
        gap = f"{_gap_of(run, steps)} ({why})"
        return Asked(once([each._replace(gap=each.gap or gap) for each in instead]), why + _fallback(run, instead))

    def policy(self, name: str, zone: str) -> Policy | None:
        if (name, zone) not in self._policies:
            given = self.known.policies.get(name)
            self._policies[name, zone] = policy_of(name, given, self.known.hours, zone) if given is not None else None
        return self._policies[name, zone]

    def _run(self, name: str, zone: str, severity: int, at: datetime) -> tuple[Policy | None, str]:
        """The policy, or the one that its rules choose for this severity and hour; None if it is not there."""
        found = self.policy(name, zone)
        if found is None:
            return None, f"there is no escalation policy {name}"
        chosen = next((other for condition, other in found.rules if condition.holds(severity, at)), "")
        other = self.policy(chosen, zone) if chosen and chosen != name else None
        if other is None:
            return found, ""
        cut = self.cuts.get((chains.policy(name), chains.policy(chosen)))
        return (None, f"its rule names escalation policy {chosen}, and {cut}") if cut else (other, f"its rule runs {chosen} instead: ")

    def _of_step(self, run: Policy, step: Step, severity: int, at: datetime, nobody: list[str]) -> list[Stand]:
        found = [each for aim in step.aims for each in self._of_aim(run, str(step), aim, severity, at, nobody)]
        if not step.key:
            return found
        # Of those of a step that takes turns one is asked, whichever schedule or policy they come from.
        return [each._replace(turn=step.key, why=f"{each.why}, in turn") for each in found]

    def _of_aim(self, run: Policy, place: str, aim: Aim, severity: int, at: datetime, nobody: list[str]) -> list[Stand]:
        said = f"{place} of escalation policy {run.name}"
        if aim.kind == "schedule":
            return self._of_schedule(run, said, aim, severity, at, nobody)
        match aim.kind:
            case "team":
                names: Collection[str] = (self.known.managers if aim.managers else self.known.teams).get(aim.name, ())
            case "contact":
                names = (f"{CONTACT}{aim.name}",)
            case _:
                names = (aim.name,)
        if not names:
            nobody.append(f"{aim} has nobody")
        return [Stand(name, f"{said} asks {aim}") for name in names]

    def _of_schedule(self, run: Policy, said: str, aim: Aim, severity: int, at: datetime, nobody: list[str]) -> list[Stand]:
        cut = self.cuts.get((chains.policy(run.name), chains.schedule(aim.name, aim.layer)))
        plan = self.plans.get(aim.name)
        if cut or plan is None:
            nobody.append(f"{aim} is not followed, because {cut}" if cut else f"there is no {aim}")
            return []
        found = plan.asked(aim, at, severity)
        if not found.stands:
            nobody.append(f"nobody is on call for {aim} ({found.why})")
        return [each._replace(why=f"{said} asks {aim}: {each.why}") for each in found.stands]

    def _edges(self, name: str, zone: str, severity: int, since: datetime, until: datetime) -> Iterator[datetime]:
        """When anything may change that the answer hangs on; some more do no harm."""
        found = self.policy(name, zone)
        others = reach(found)[1] if found is not None else ()
        for policy in filter(None, (found, *(self.policy(other, zone) for other in others))):
            for condition in policy.conditions:
                if condition.hours is not None:
                    yield from condition.hours.edges(since, until)
            for aim in reach(policy)[0]:
                plan = self.plans.get(aim.name)
                if plan is not None and (chains.policy(policy.name), chains.schedule(aim.name, aim.layer)) not in self.cuts:
                    yield from plan.edges(aim, since, until, severity)


ALONE = Around()


def _first(run: Policy, severity: int, at: datetime) -> tuple[Sequence[Step], str]:
    """The first step that applies, with those that follow it at once; and what was passed over on the way."""
    found: list[Step] = []
    passed: list[str] = []
    for step in run.steps:
        if step.condition.holds(severity, at):
            found.append(step)
            if not step.at_once:
                break
            continue
        passed.append(f"{step} is only asked {step.condition}")
        if step.waits and step.condition.holds_from(severity, at) is not None:
            passed[-1] = f"{step} waits, because it is only asked {step.condition}"
            break
    return found, "; ".join(passed)


def _listed(aims: Iterable[Aim]) -> str:
    return ", ".join(map(str, aims))


def _after(passed: str) -> str:
    return f" ({passed})" if passed else ""


def _later(run: Policy, steps: Sequence[Step]) -> str:
    """A schedule says who is on call now. Who is asked after nobody answered is for the policy of the incident to say."""
    if not run.steps or steps[-1].number == len(run.steps):
        return ""
    return "; its later steps are not asked by way of a schedule: the policy of the incident goes on with its own next step"


def _gap_of(run: Policy, steps: Sequence[Step]) -> str:
    aims = _listed(dict.fromkeys(aim for step in steps for aim in step.aims))
    return f"nobody is on call for {aims}" if aims else f"no step of escalation policy {run.name} asks anybody at this time"


def _fallback(run: Policy, instead: Sequence[Stand]) -> str:
    if not run.fallback:
        return ""
    return f"; its fallback {_listed(run.fallback)} {'is asked' if instead else 'has nobody either'}"


def around(known: Known, plans: Mapping[str, Planned], schedules: Iterable[Schedule]) -> Around:
    """What these schedules lead to. `plans` may be filled later."""
    return Around(known, plans, chains.cuts(graph(known, schedules)))


def graph(known: Known, schedules: Iterable[Schedule]) -> dict[Node, list[Node]]:
    """Which schedules lead to which policies, and on to which schedules: whatever a policy may ever ask first counts."""
    found: dict[Node, list[Node]] = {}
    policies: list[str] = []
    for each in schedules:
        if not each.policies:
            continue
        layers = [layer for layer in each.layers if layer.policies]
        found[chains.schedule(each.name)] = [chains.schedule(each.name, layer.name) for layer in layers]
        for layer in layers:
            found[chains.schedule(each.name, layer.name)] = [chains.policy(name) for name in layer.policies]
            policies += layer.policies
    while policies:
        name = policies.pop()
        if chains.policy(name) not in found:
            aims, others = reach(policy_of(name, known.policies.get(name, {}), known.hours, "UTC"))
            found[chains.policy(name)] = [*map(chains.policy, others), *(chains.schedule(aim.name, aim.layer) for aim in aims)]
            policies += others
    return found


def reach(policy: Policy) -> tuple[list[Aim], list[str]]:
    """The schedules that a policy may ask first, or by its fallback, and the policies that its rules run instead."""
    firsts: list[Step] = []
    for step in policy.steps:
        firsts.append(step)
        if step.condition.always and not step.at_once:
            break
    aims = dict.fromkeys(aim for aim in (*(each for step in firsts for each in step.aims), *policy.fallback) if aim.kind == "schedule")
    return list(aims), list(dict.fromkeys(other for _, other in policy.rules if other and other != policy.name))
