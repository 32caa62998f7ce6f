"""Laws of phases, roles and tasks: whatever people do, in whatever order, an incident is somewhere legal and its history is whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tocsin.response.v1.command_pb2 import PHASE_CONTAINMENT, IncidentPlan, PlannedTask
from tocsin.response.v1.command_pb2 import Criterion as Criterion_
from tocsin.response.v1.command_pb2 import PhasePlan as PhaseMessage
from tocsin.response.v1.command_pb2 import RolePlan as RoleMessage
from tocsin.triage.v1.incident_pb2 import IncidentType

from tocsin_kernel.errors import DomainError, Invalid
from tocsin_response.command import role
from tocsin_response.command.phases import NotTheCommander, PhaseGateClosed, Situation, Step, enter, gates, in_the_way
from tocsin_response.command.plan import COMMANDER, Criterion, Looked, Phase, PhasePlan, Plan
from tocsin_response.command.plan_checks import playbooks_of_plan, problems_of_plan
from tocsin_response.command.plans import understood
from tocsin_response.command.readiness import Held, Reach, Ready, contacts, exercises, overall, plans, policies, schedules
from tocsin_response.command.role import Holding
from tocsin_response.command.task import State, Task, reminder
from tocsin_response.command.templates import in_force, templates

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
IN_COMMAND = [phase for phase in Phase if phase is not Phase.PREPARATION]
KEYS = ["a", "b", "c"]
PEOPLE = ["ann", "bob", "cid"]

criteria = st.builds(Criterion, st.sampled_from(KEYS), st.sampled_from(list(Looked)), st.sampled_from(KEYS), mandatory=st.booleans())
phase_plans = st.builds(PhasePlan, entry=st.lists(criteria, max_size=3).map(tuple), exit=st.lists(criteria, max_size=3).map(tuple))
some_plans = st.builds(Plan, st.just("p"), st.just(1), st.dictionaries(st.sampled_from(IN_COMMAND), phase_plans), st.just({}), st.just({}))
said = st.none() | st.lists(st.sampled_from(KEYS), max_size=2).map(tuple)
situations = st.builds(
    Situation,
    ticked=st.frozensets(st.sampled_from(KEYS)),
    answered=st.frozensets(st.sampled_from(KEYS)),
    holders=st.dictionaries(st.sampled_from([COMMANDER, *KEYS]), st.sampled_from(PEOPLE)),
    open_tasks=st.dictionaries(st.sampled_from(IN_COMMAND), st.just(("t",))),
    severity_set_by=st.sampled_from(["", "ann"]),
    measures=said, undecided=said, evidence=st.none() | st.integers(0, 2), obligations=said, runs=said, running=said,
)  # fmt: skip
steps = st.builds(Step, st.sampled_from(IN_COMMAND), st.sampled_from(PEOPLE), st.sampled_from(["", "why"]), st.booleans(), st.just(NOON))


@given(some_plans, st.sampled_from(IN_COMMAND), steps, situations)
def test_a_closed_gate_is_passed_by_the_commander_with_a_reason_alone(plan, current, step, now):
    closed = in_the_way(plan, current, step.to, now) if step.to > current else []
    try:
        decision = enter(plan, current, step, now)
    except PhaseGateClosed as refused:
        assert closed and not step.override
        assert all(gate.text in str(refused) and gate.remedy in str(refused) for gate in closed)
        assert len([name for name in refused.data if name.startswith("gate.")]) == len(closed)
        return
    except NotTheCommander:
        assert closed and step.override and now.holders.get(COMMANDER) != step.by
        return
    except Invalid:
        assert not step.reason and (step.to < current or closed)
        return
    assert decision.state is step.to
    assert bool(decision.facts) is (step.to is not current)
    for fact in decision.facts:
        assert len(fact.overridden) == len(closed)
        assert not closed or (now.holders[COMMANDER] == step.by and step.reason)


@given(some_plans, st.sampled_from(IN_COMMAND), situations)
def test_every_gate_says_what_was_seen_and_how_to_open_it(plan, phase, now):
    for gate in gates(plan, phase, plan.phase(phase).exit, now):
        assert gate.text and gate.seen
        assert bool(gate.remedy) is not gate.met


role_deeds = st.tuples(
    st.sampled_from(["assign", "hand over", "leave"]),
    st.sampled_from([COMMANDER, "scribe"]),
    st.sampled_from(PEOPLE),
    st.sampled_from(PEOPLE),
)


@given(st.lists(role_deeds, max_size=15))
def test_a_role_has_one_holder_and_its_history_has_no_hole(deeds):
    holdings: list[Holding] = []

    def holders():
        return {each.role: each for each in holdings if each.until is None}

    for number, (deed, name, who, by) in enumerate(deeds):
        at = NOON + timedelta(minutes=number)
        commander = holders()[COMMANDER].responder if COMMANDER in holders() else ""
        wanted, current = Holding(str(number), name, who, at, by), holders().get(name)
        try:
            if deed == "leave":
                held = role.leave(current, by, commander, at).state
            else:
                held = (role.assign(current, wanted) if deed == "assign" else role.hand_over(current, wanted, commander)).state
        except DomainError:
            assert holders().get(name) == current
            continue
        if held.ends is not None:
            holdings[holdings.index(current)] = held.ends
        if held.begins is not None:
            holdings.append(held.begins)
        present = [each.role for each in holdings if each.until is None]
        assert len(present) == len(set(present))
    for each in holdings:
        assert each.until is None or each.until > each.since


task_deeds = st.lists(st.sampled_from(["complete", "cancel", "reopen", "give", "move", "remind"]), max_size=12)


@given(task_deeds, st.integers(1, 48))
def test_a_task_is_legal_whatever_is_done_and_reminds_its_owner_twice_at_most(deeds, hours):
    due = NOON + timedelta(hours=hours)
    task = Task("t", "i", "x", "", State.OPEN, Phase.CONTAINMENT, "ann", "", due, reminder(due, None, NOON), "hand", "", "ann", NOON)
    at, told = NOON, 0
    for deed in deeds:
        before = task
        at += timedelta(hours=1)
        try:
            match deed:
                case "complete":
                    task = task.close(State.COMPLETED, "bob", "", at).state
                case "cancel":
                    task = task.close(State.CANCELLED, "bob", "", at).state
                case "reopen":
                    task, told = task.reopen(at).state, 0
                case "give":
                    task, told = task.reassign("bob", None, at).state, 0
                case "move":
                    task, told = task.reassign("", at + timedelta(hours=5), at).state, 0
                case _:
                    if task.remind_at is not None and task.remind_at <= at:
                        decision = task.remind(at)
                        task, told = decision.state, told + len(decision.facts)
        except DomainError:
            assert task == before and task.state is not State.OPEN
        assert (task.closed_at is None) is (task.state is State.OPEN)
        assert task.state is State.OPEN or task.remind_at is None
        assert task.version - before.version in (0, 1)
        assert told <= 2


@given(st.integers(1, 1000), st.integers(-10, 1000) | st.none())
def test_a_reminder_comes_before_it_is_due_and_not_in_the_past(minutes, wanted):
    due = NOON + timedelta(minutes=minutes)
    at = reminder(due, NOON + timedelta(minutes=wanted) if wanted is not None else None, NOON)
    assert at is not None and NOON <= at <= due


@pytest.mark.parametrize("name", templates())
def test_what_is_shipped_can_be_walked(name):
    """Each shipped plan is sound, has all phases and a commander, and lets nobody through who has done nothing."""
    message = templates()[name]
    assert problems_of_plan("p", message) == []
    plan = understood(message, 1)
    assert set(plan.phases) == set(Phase) and COMMANDER in plan.roles and plan.cadence
    for phase in IN_COMMAND[:-1]:
        assert in_the_way(plan, phase, Phase(phase + 1), replace(Situation(), open_tasks={phase: ("left",)}))
    everything = Situation(
        ticked={key for each in plan.phases.values() for key in each.checklist},
        answered={key for each in plan.phases.values() for key in each.questions},
        holders=dict.fromkeys(plan.roles, "ann"), severity_set_by="ann", measures=(), undecided=(), evidence=1, obligations=(),
    )  # fmt: skip
    assert in_the_way(plan, Phase.IDENTIFICATION, Phase.LESSONS_LEARNED, everything) == []


def test_whatever_a_plan_of_a_file_names_has_to_be_there_and_the_field_that_is_wrong_is_named():
    phase = PhaseMessage(phase=PHASE_CONTAINMENT, tasks=[PlannedTask(title="t", role="leagl")], playbooks=["isolate"])
    phase.exit.add(key="r", kind=Criterion_.KIND_ROLE_FILLED, subject="nobody")
    phase.exit.add(key="c", kind=Criterion_.KIND_CHECKED, subject="unseen")
    phase.exit.add(key="p", kind=Criterion_.KIND_RUN_FINISHED, subject="isolate")
    phase.runs.add(playbook="notify", start=True, variables={"__host__": "incident.title ++"})
    plan = IncidentPlan(name="ours", phases=[phase, phase], roles=[RoleMessage(key="legal"), RoleMessage(key="legal")])
    found = dict(problems_of_plan("p", plan))
    assert found["p.phases[0].tasks[0].role"] == "leagl is no role of the plan: add it to its roles, or name one of commander, legal"
    assert {"p.phases[0].exit[0].subject", "p.phases[0].exit[1].subject", "p.phases[1].phase", "p.roles[1].key"} < found.keys()
    assert "CEL" in found["p.phases[0].runs[0].variables[__host__]"]
    named = dict(playbooks_of_plan("p", IncidentPlan(phases=[phase])))
    assert named == {
        "p.phases[0].playbooks[0]": "isolate",
        "p.phases[0].runs[0].playbook": "notify",
        "p.phases[0].exit[2].subject": "isolate",
    }


def test_an_exercise_counts_with_when_and_which_and_overall_is_the_mean():
    [held] = exercises(Held("ransomware", "ann", NOON))
    assert (held.points, held.seen) == (10, "held on 2026-11-23: ann ran the playbook ransomware on simulated systems")
    assert overall([Ready("ops", (held,)), Ready("sec", tuple(exercises(None)))]) == 50 and overall([]) == 0
    [missing] = policies("shop", exists=False)
    assert (missing.points, missing.seen) == (0, "its escalation policy shop is not there") and not policies("shop", exists=True)


def test_a_run_on_simulated_systems_opens_no_gate():
    plan = Plan("p", 1, {Phase.CONTAINMENT: PhasePlan(exit=(Criterion("r", Looked.RUN_FINISHED, "isolate"),))}, {}, {})
    [gate] = gates(plan, Phase.CONTAINMENT, plan.phase(Phase.CONTAINMENT).exit, Situation(runs=(), simulated=("isolate",)))
    assert (gate.met, gate.seen) == (False, "one did on simulated systems only")


def test_plans_in_force_are_those_of_files_and_shipped_ones_that_nothing_replaces():
    ours = IncidentPlan(name="ours", incident_type=IncidentType.INCIDENT_TYPE_SECURITY)
    assert set(in_force({"ours": ours})) == {"ours", "operational", "compliance", "performance", "human-error"}
    assert in_force({}) == templates()


def test_readiness_adds_up_and_says_how_to_mend_what_is_missing():
    reached = [Reach("ann", "", NOON), Reach("bob", "has one channel only", NOON), Reach("cid", "", None)]
    found = (*schedules({"primary": timedelta(), "night": timedelta(days=7)}), *contacts(reached), *plans([], NOON), *exercises(None))
    assert all(bool(each.remedy) is (each.points < each.of) for each in found if each.of)
    assert Ready("ops", found).score == round(100 * (15 + 8) / (30 + 25 + 10))
    assert Ready("ops", ()).score == 0
