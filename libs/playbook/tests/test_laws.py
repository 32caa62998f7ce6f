"""What holds for every playbook, whatever comes of its steps and in whatever order it comes."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tocsin_kernel.decision import Decision
from tocsin_playbook import check, engine, facts, rows
from tocsin_playbook.assignments import assignments
from tocsin_playbook.playbook import Kind, Playbook, read
from tocsin_playbook.rehearsal import START
from tocsin_playbook.run import (
    Answer,
    Outcome,
    OutcomeState,
    Run,
    RunState,
    Say,
    StepState,
    Wait,
    changed_steps,
    idempotency_key,
    opened,
    opener_of,
    prefix_of,
)
from tocsin_playbook.short import compiled
from tocsin_playbook.shortened import shortened

Plain = dict[str, Any]
MOST_EVENTS = 120
FEW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


class Drawn:
    """Draws a playbook in the short form; every step has a name of its own."""

    def __init__(self, draw: Any, hurried: bool) -> None:
        self._draw = draw
        self._count = 0
        self._times = [("delay", "5s"), ("timeout", "1m"), ("approval", {"quorum": 2, "within": "10s"})]
        self._times = self._times if hurried else self._times[::2]

    def playbook(self) -> Plain:
        made: Plain = {
            "playbook": "drawn",
            "variables": {"n": {"type": "integer", "value": 2}, "word": {"type": "string", "value": "a"}},
            "steps": self.steps(0),
        }
        if self._draw(st.booleans()):
            made["on_exception"] = self.steps(2)
        return made

    def steps(self, depth: int) -> list[Plain]:
        return [self.step(depth) for _ in range(self._draw(st.integers(1, 3 if depth < 2 else 1)))]

    def step(self, depth: int) -> Plain:
        self._count += 1
        name = f"step {self._count}"
        kinds = ["action", "action", "action", "ask", "playbook", "parallel", "if", "while", "switch"]
        kind = self._draw(st.sampled_from(kinds if depth < 3 else kinds[:5]))
        body: Plain = getattr(self, f"_{kind}")(depth)
        if kind in ("action", "ask", "playbook", "parallel") and depth < 4 and self._draw(st.integers(0, 3)) == 0:
            body["on_failure"] = self.steps(4)
        for field, value in self._times:
            if self._draw(st.integers(0, 5)) == 0:
                body[field] = value
        return {name: body}

    def _action(self, depth: int) -> Plain:
        made: Plain = {"action": "isolate-host", "using": "edr", "with": {"host": "$word"}, "gives": ["n", "word"]}
        if self._draw(st.booleans()):
            made |= {"undo_on_failure": True, "retry": {"attempts": 2, "backoff": "1s"}}
        made |= {"idempotent": True} if self._draw(st.integers(0, 5)) == 0 else {}
        return made | {"on_unknown": self._draw(st.sampled_from(["ask", "skip", "retry"]))}

    def _ask(self, depth: int) -> Plain:
        return {"ask": "Look at $word", "gives": ["word"]}

    def _playbook(self, depth: int) -> Plain:
        return {"playbook": "playbook--6bd8a0b2-6e7c-4d1e-9d0a-0f6a5a3f2b11", "gives": ["n"]}

    def _parallel(self, depth: int) -> Plain:
        made: Plain = {"parallel": [self.steps(depth + 1) for _ in range(2)]}
        made |= {"join": "any"} if self._draw(st.booleans()) else {}
        return made | ({"on_branch_failure": "continue"} if self._draw(st.booleans()) else {})

    def _if(self, depth: int) -> Plain:
        made: Plain = {"if": "$n > 1", "then": self.steps(depth + 1)}
        return made | ({"else": self.steps(depth + 1)} if self._draw(st.booleans()) else {})

    def _while(self, depth: int) -> Plain:
        self._count += 1
        progress = {f"step {self._count}": self._action(depth)}
        return {"while": "$n > 0", "do": [*self.steps(depth + 1), progress]}

    def _switch(self, depth: int) -> Plain:
        cases = {"a": self.steps(depth + 1)} | ({"default": self.steps(depth + 1)} if self._draw(st.booleans()) else {})
        return {"switch": "$word", "cases": cases}


@st.composite
def playbooks(draw: Any, hurried: bool = True) -> Plain:
    return Drawn(draw, hurried).playbook()


def built(plain: Plain) -> Playbook:
    document, problems = compiled(plain)
    assert problems == []
    found = [each for each in check.problems(document) if not each.warning]
    assert found == [], [str(each) for each in found]
    return read(document)


class Played:
    """A run to which anything may happen, with everything that was told, as a store would keep it: through plain values each time."""

    def __init__(self, playbook: Playbook, draw: Any) -> None:
        self._draw = draw
        self.now = START
        self.told: list[object] = []
        self.started: Counter[tuple[str, int]] = Counter()
        self.unclear: Counter[str] = Counter()
        self.run = self.took(None, engine.begin(playbook, {}, self.now, "run"))

    def took(self, before: Run | None, decision: Decision[Run]) -> Run:
        after = decision.state
        if before is not None:
            if before.state.final:
                assert all(isinstance(each, facts.LateEffect) for each in decision.facts)
            changed = bool(changed_steps(before, after)) or bool(decision.facts) or before != after
            assert (after.version > before.version) == changed
        self.told += decision.facts
        for each in decision.facts:
            if isinstance(each, facts.StepStarted):
                assert prefix_is_open(after, each.path) or after.steps[each.path].state.ended
                self.started[(each.path, each.attempt)] += 1
        lawful(after)
        steps = [rows.from_plain(rows.to_plain(each)) for each in after.steps.values()]
        again = rows.run_from_plain(rows.run_to_plain(after), after.playbook, steps)
        assert again == after
        return again

    def happen(self, anything: bool) -> None:
        """One thing happens: of everything that may if `anything`, otherwise something good."""
        run = self.run
        events: list[Any] = [("outcome", each) for each in assignments(run)]
        events += [("answer", each) for each in run.steps.values() if each.waiting_for in (Wait.APPROVAL, Wait.MANUAL, Wait.UNKNOWN)]
        events += [("child", each) for each in run.steps.values() if each.waiting_for is Wait.CHILD]
        if not events or (anything and self._draw(st.integers(0, 4)) == 0):
            events += [("timer", each) for each in engine.due(run)[:1]]
        if anything and self._draw(st.integers(0, 12)) == 0:
            events = [(name, None) for name in ("pause", "resume", "cancel", "skip", "twice")]
        if run.state is RunState.PAUSED and not anything:
            events = [("resume", None)]
        kind, each = self._draw(st.sampled_from(events)) if events else ("resume", None)
        self.run = self.took(run, getattr(self, f"_{kind}")(run, each, anything))

    def _outcome(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        self.now = max(self.now, each.not_before or self.now)
        state = self._draw(st.sampled_from([*OutcomeState, None])) if anything else OutcomeState.SUCCEEDED
        self._hand_out(run, each, state)
        if state is None:
            return engine.runner_lost(run, each.path, each.index, self.now, "gone")
        values = {"__n__": self._draw(st.sampled_from(["0", "1", "x"])) if anything else "0", "__word__": "b"}
        return engine.assignment_ended(run, each.path, each.index, Outcome(state, "said", values), self.now)

    def _hand_out(self, run: Run, each: Any, state: OutcomeState | None) -> None:
        """No attempt is handed out a third time without anybody knowing what came of it, unless it may be."""
        key = idempotency_key(run.id, each)
        if state is OutcomeState.ACCEPTED:
            self.unclear[key] = 0
        elif state in (None, OutcomeState.UNKNOWN):
            self.unclear[key] += 1
        assert self.unclear[key] <= 2 or run.step(run.steps[each.path]).options.idempotent

    def _answer(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        if each.waiting_for is Wait.APPROVAL:
            say = self._draw(st.sampled_from([Say.APPROVE, Say.DENY])) if anything else Say.APPROVE
        else:
            say = self._draw(st.sampled_from([Say.DONE, Say.FAILED])) if anything else Say.DONE
        return engine.answered(run, each.path, Answer(say, f"person {len(each.approvals)}"), self.now)

    def _child(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        return engine.child_finished(run, each.path, not anything or self._draw(st.booleans()), {"__n__": "0"}, self.now)

    def _timer(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        self.now = max(self.now, each.due_at)
        return engine.timer_fired(run, each.path, self.now)

    def _pause(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        return Decision(run) if run.state.final else engine.pause(run, self.now)

    def _resume(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        self.now += timedelta(seconds=3)
        return Decision(run) if run.state.final else engine.resume(run, self.now)

    def _cancel(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        return Decision(run) if run.state.final else engine.cancel(run, self.now, undo=self._draw(st.booleans()))

    def _skip(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        active = [path for path, one in run.steps.items() if not one.state.ended]
        return engine.skip(run, self._draw(st.sampled_from(active)), self.now) if active and not run.state.final else Decision(run)

    def _twice(self, run: Run, each: Any, anything: bool) -> Decision[Run]:
        """Something that a runner says once more, or too late."""
        with_slots = [path for path, one in run.steps.items() if one.state.ended and one.slots]
        if not with_slots:
            return Decision(run)
        outcome = Outcome(self._draw(st.sampled_from(OutcomeState)))
        return engine.assignment_ended(run, self._draw(st.sampled_from(with_slots)), 0, outcome, self.now)


def prefix_is_open(run: Run, path: str) -> bool:
    """Whether the steps around a step are waiting for it."""
    places = [path]
    while opened(prefix_of(places[-1])):
        places.append(opener_of(prefix_of(places[-1]))[0])
    return all(run.steps[each].waiting_for is Wait.BRANCHES for each in places[1:])


def lawful(run: Run) -> None:
    """A run that has ended has nothing left; one that has not waits for something that can come."""
    left = [each for each in run.steps.values() if not each.state.ended]
    if run.state.final:
        assert left == [] and assignments(run) == []
        return
    live = [each for each in left if each.waiting_for is not Wait.BRANCHES]
    assert live, "nothing can ever happen to it again"
    for each in live:
        acting = each.state is StepState.READY and any(slot.state.value == "open" for slot in each.slots)
        assert acting or each.due_at or each.waiting_for in (Wait.MANUAL, Wait.UNKNOWN, Wait.CHILD), each


@FEW
@given(playbooks(), st.data())
def test_every_run_ends_lawfully_whatever_happens(plain: Plain, data: st.DataObject):
    played = Played(built(plain), data.draw)
    for _ in range(data.draw(st.integers(0, 40))):
        if played.run.state.final:
            break
        played.happen(anything=True)
    for _ in range(MOST_EVENTS):
        if played.run.state.final:
            break
        played.happen(anything=False)
    assert played.run.state.final
    assert sum(isinstance(each, facts.RunFinished) for each in played.told) == 1
    assert all(count == 1 for count in played.started.values())
    assert all(attempt == 1 for _, attempt in played.started), "without a re-run every step is reached once"
    played.happen(anything=True)


@FEW
@given(playbooks(hurried=False), st.data())
def test_a_run_that_goes_well_succeeds_and_begins_no_step_before_the_one_in_front_of_it(plain: Plain, data: st.DataObject):
    playbook = built(plain)
    played = Played(playbook, data.draw)
    for _ in range(MOST_EVENTS):
        if played.run.state.final:
            break
        played.happen(anything=False)
    assert played.run.state is RunState.SUCCEEDED, played.run.reason
    done: set[str] = set()
    for each in played.told:
        if isinstance(each, facts.StepSucceeded):
            done.add(each.path)
        elif isinstance(each, facts.StepStarted):
            before = [step.id for step in playbook.steps.values() if step.after == each.step_id and step.kind is not Kind.START]
            prefix = prefix_of(each.path)
            assert not before or any((f"{prefix}/{one}" if prefix else one) in done for one in before)


@FEW
@given(playbooks())
def test_the_short_form_and_cacao_say_the_same(plain: Plain):
    document, _ = compiled(plain)
    assert compiled(shortened(document)) == (document, [])


@FEW
@given(playbooks(), st.data())
def test_a_run_that_ended_goes_on_from_any_step(plain: Plain, data: st.DataObject):
    played = Played(built(plain), data.draw)
    for _ in range(20):
        if not played.run.state.final:
            played.happen(anything=True)
    if not played.run.state.final:
        played.run = engine.cancel(played.run, played.now).state
    paths = [path for path, each in played.run.steps.items() if not each.undoes]
    if not paths:
        pytest.skip("nothing was reached")
    played.run = played.took(None, engine.rerun_from(played.run, data.draw(st.sampled_from(paths)), played.now))
    for _ in range(MOST_EVENTS * 2):
        if played.run.state.final:
            break
        played.happen(anything=False)
    assert played.run.state.final
    assert all(count == 1 for count in played.started.values())
