"""The command of an incident on real servers: six phases and their gates, roles, tasks, plans, privacy, readiness."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1.events_pb2 import ReachabilityChecked
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.response.v1 import command_service_pb2 as pb
from tocsin.response.v1 import containment_service_pb2 as containment_pb
from tocsin.response.v1 import playbook_service_pb2 as playbook_pb
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.command_events_pb2 import DecisionLogged, PhaseEntered, RoleAssigned, TaskAdded, TaskDue, UpdateDue
from tocsin.response.v1.command_pb2 import Cadence, ChecklistItem, Criterion, IncidentPlan, Phase, PhasePlan, PlannedTask, Task
from tocsin.response.v1.command_service_pb2_grpc import CommandServiceStub
from tocsin.response.v1.containment_events_pb2 import ActionProposed
from tocsin.response.v1.containment_pb2 import Automation, Proposal
from tocsin.response.v1.containment_service_pb2_grpc import ContainmentServiceStub
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Target
from tocsin.response.v1.oncall_pb2 import Responder, Rotation, Schedule, Team
from tocsin.response.v1.playbook_events_pb2 import ApprovalSought, RunStarted
from tocsin.response.v1.playbook_pb2 import Playbook
from tocsin.response.v1.playbook_service_pb2_grpc import PlaybookServiceStub
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentOpened, IncidentResolved, PrivacyChanged, SeverityChanged, TypeChanged
from tocsin.triage.v1.incident_pb2 import Incident, IncidentType, Severity

from tocsin_chassis.grpc.caller import Caller
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.ids import uuid7
from tocsin_response.app import response
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.playbook_stage import action, cacao, chain, step

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECURITY, OPERATIONAL = IncidentType.INCIDENT_TYPE_SECURITY, IncidentType.INCIDENT_TYPE_OPERATIONAL


class Room:
    """An incident as its facts tell it, and the people who respond to it."""

    def __init__(self, world, app):
        self.world, self.app, self.id, self.version = world, app, str(uuid7()), 0
        self.incident = Incident(id=self.id, number=7, title="odd", service="shop", state=Incident.STATE_OPEN,
                                 severity=Severity.SEVERITY_SEV1, type=SECURITY)  # fmt: skip
        self.incident.opened_at.FromDatetime(world.clock.now())

    def as_(self, name, role=Role.ROLE_RESPONDER, stub=CommandServiceStub):
        return self.world.stub(stub, self.app, Caller(name, role))

    async def tell(self, kind, *, heard=True, **fact):
        self.version += 1
        self.incident.version = self.version
        await self.world.publish(kind(incident=self.incident, **fact), self.id, self.version)
        if heard:
            await self.world.eventually(self._heard)

    async def _heard(self):
        try:
            return (await self.shown()).incident_id
        except grpc.aio.AioRpcError:
            return False

    async def shown(self, name="root"):
        return (await self.as_(name, Role.ROLE_ADMIN).GetCommand(pb.GetCommandRequest(incident_id=self.id))).command

    async def do(self, who, verb, **fields):
        """Somebody does something; returns the answer's command or task."""
        request = getattr(pb, f"{verb}Request")(request_id=str(uuid7()), incident_id=self.id, **fields)
        answer = await getattr(self.as_(who), verb)(request)
        return getattr(answer, answer.DESCRIPTOR.fields[0].name)


@pytest.fixture
async def app(world):
    world.clock = ManualClock(MONDAY_NOON)
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)) as app:
        await apply(world, app)
        yield app


async def apply(world, app, **more):
    parts = {
        "responders": [Responder(name=name) for name in ("ann", "bob", "cid", "dan")],
        "teams": [Team(name="ops", members=["ann", "bob"])],
        **more,
    }
    stub = world.stub(ResponseServiceStub, app, Caller("root", Role.ROLE_ADMIN))
    request = response_pb.ApplyConfigurationRequest(configuration=response_pb.Configuration(**parts))
    return list((await stub.ApplyConfiguration(request)).changes)


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await call
    return refusal.value


def at(instant):
    stamp = Timestamp()
    stamp.FromDatetime(instant)
    return stamp


async def test_an_incident_goes_through_its_six_phases_and_gates_hold(world, app):
    """Nobody leaves a phase while something mandatory is open; the commander may, and that is kept."""
    room = Room(world, app)
    await room.tell(IncidentOpened)
    opened = await room.shown()
    assert (opened.plan, opened.phase, len(opened.phases)) == ("security", Phase.PHASE_IDENTIFICATION, 6)
    refusal = await refused(room.do("ann", "AdvancePhase"))
    assert refusal.code() == grpc.StatusCode.FAILED_PRECONDITION
    for named in (
        "Incident commander is named",
        "a person said how bad it is",
        "What happened, as far as is known?",
        "tocsin command role",
    ):
        assert named in refusal.details()
    # Who acknowledges first commands, as the plan says so.
    room.incident.state, room.incident.acknowledged_by = Incident.STATE_ACKNOWLEDGED, "ann"
    await room.tell(IncidentAcknowledged)
    [commanding] = await world.facts(RoleAssigned)
    assert (commanding.holding.role, commanding.holding.responder) == ("commander", "ann")
    room.incident.severity = Severity.SEVERITY_SEV2
    await room.tell(SeverityChanged, changed_by="ann")
    await room.do("ann", "AnswerQuestion", key="what-happened", text="somebody used a stolen key")
    assert (await refused(room.do("bob", "TickCheck", key="nonsense"))).code() == grpc.StatusCode.NOT_FOUND
    await room.do("bob", "TickCheck", key="scope", note="one host")
    await world.eventually(lambda: _severity_set(room))
    contained = await room.do("bob", "AdvancePhase")
    assert contained.phase == Phase.PHASE_CONTAINMENT
    assert [task.title for task in contained.tasks][:1] == ["Collect evidence before anything is changed"]
    # Nothing is collected, nothing is done: only the commander goes on, with a reason.
    assert (await refused(room.do("bob", "AdvancePhase", override=True, reason="no time"))).code() == grpc.StatusCode.PERMISSION_DENIED
    assert (await refused(room.do("ann", "AdvancePhase", override=True))).code() == grpc.StatusCode.INVALID_ARGUMENT
    on = await room.do("ann", "AdvancePhase", override=True, reason="the host is gone")
    assert on.phase == Phase.PHASE_ERADICATION
    assert on.history[0].reason == "the host is gone" and len(on.history[0].overridden) == 3
    for key in ("persistence", "hole-closed", "secrets-changed"):
        await room.do("bob", "TickCheck", key=key)
    for task in (await room.shown()).tasks:
        await room.do("bob", "CompleteTask", task_id=task.id, result="done")
    await room.do("bob", "AdvancePhase")
    # Back again: that needs a reason and no gate.
    assert (await refused(room.do("bob", "EnterPhase", phase=Phase.PHASE_CONTAINMENT))).code() == grpc.StatusCode.INVALID_ARGUMENT
    again = await room.do("bob", "EnterPhase", phase=Phase.PHASE_CONTAINMENT, reason="it is on another host")
    assert len(again.tasks) == 6, "the tasks of a phase are made once"
    await room.do("ann", "EnterPhase", phase=Phase.PHASE_RECOVERY, override=True, reason="it was a false trace")
    for key in ("restored", "verified"):
        await room.do("bob", "TickCheck", key=key)
    for task in (await room.shown()).tasks:
        if task.state == Task.STATE_OPEN:
            await room.do("bob", "CancelTask", task_id=task.id, reason="not needed")
    last = await room.do("bob", "AdvancePhase")
    assert last.phase == Phase.PHASE_LESSONS_LEARNED
    assert (await refused(room.do("ann", "AdvancePhase"))).code() == grpc.StatusCode.FAILED_PRECONDITION
    told = await world.facts(PhaseEntered, 7)
    assert [fact.entry.phase for fact in told] == [2, 3, 4, 5, 3, 5, 6]
    assert [entry.phase for entry in reversed(last.history)] == [2, 3, 4, 5, 3, 5, 6]
    assert all(entry.HasField("left_at") for entry in last.history[1:])


async def _severity_set(room):
    return next(gate for gate in (await room.shown()).phases[1].exit if gate.key == "severity").met


async def test_a_hand_over_keeps_who_had_the_role_and_what_they_said(world, app):
    room = Room(world, app)
    await room.tell(IncidentOpened)
    await room.do("ann", "AssignRole", role="commander")
    await room.do("ann", "AssignRole", role="scribe", responder="bob", reason="types fast")
    world.clock.forward(HOUR)
    refusal = await refused(room.do("cid", "HandOverRole", role="commander", responder="cid", summary="mine"))
    assert refusal.code() == grpc.StatusCode.PERMISSION_DENIED
    assert (await refused(room.do("ann", "HandOverRole", role="legal", responder="cid", summary="x"))).code() == (
        grpc.StatusCode.FAILED_PRECONDITION
    )
    assert (await refused(room.do("ann", "AssignRole", role="legal", responder="nobody"))).code() == grpc.StatusCode.NOT_FOUND
    after = await room.do("ann", "HandOverRole", role="commander", responder="dan", summary="two hosts are isolated, restore is next")
    standing = {each.key: each.holder.responder for each in after.roles}
    assert (standing["commander"], standing["scribe"], standing["legal"]) == ("dan", "bob", "")
    held = [(each.role, each.responder, each.summary, each.HasField("until")) for each in after.holdings if each.role == "commander"]
    assert held == [("commander", "dan", "two hosts are isolated, restore is next", False), ("commander", "ann", "", True)]
    assert {each.responder for each in after.attendants} == {"ann", "bob", "dan"}
    [*_, fact] = await world.facts(RoleAssigned, 3)
    assert (fact.before, fact.holding.assigned_by, fact.holding.summary) == ("ann", "ann", "two hosts are isolated, restore is next")
    await room.do("bob", "LeaveRole", role="scribe")
    assert "scribe" not in {each.role for each in (await room.shown()).holdings if not each.HasField("until")}


async def test_the_owner_of_a_task_is_reminded_once_before_and_once_when_it_is_due_whatever_restarts(world, app):
    room = Room(world, app)
    await room.tell(IncidentOpened)
    due = MONDAY_NOON + 5 * HOUR
    request = pb.AddTaskRequest(request_id="t", incident_id=room.id, title="call the bank", owner="bob", due_at=at(due))
    task = (await room.as_("ann").AddTask(request)).task
    assert (await room.as_("ann").AddTask(request)).task.id == task.id
    assert task.remind_at.ToDatetime(UTC) == MONDAY_NOON + 4 * HOUR
    world.clock.forward(4 * HOUR)
    [soon] = await world.facts(TaskDue)
    assert (soon.responder, soon.overdue, soon.task.title, soon.incident.number) == ("bob", False, "call the bank", 7)
    async with world.running(response(world.settings("response", ResponseSettings), clock=world.clock)):
        world.clock.forward(2 * HOUR)
        [_, late] = await world.facts(TaskDue, 2)
        assert (late.overdue, late.responder) == (True, "bob")
        world.clock.forward(24 * HOUR)
        await room.do("bob", "CompleteTask", task_id=task.id, result="they know")
    assert len([fact for fact in await world.facts(TaskDue, 2) if fact.task.id == task.id]) == 2
    mine = (await room.as_("bob").ListTasks(pb.ListTasksRequest(owner="bob", closed_too=True, page_size=1))).tasks
    assert [(each.id, each.result) for each in mine] == [(task.id, "they know")]
    assert (await refused(room.do("bob", "CancelTask", task_id=task.id, reason="x"))).code() == grpc.StatusCode.FAILED_PRECONDITION
    again = await room.do("bob", "ReopenTask", task_id=task.id)
    assert again.state == Task.STATE_OPEN


async def test_people_who_wait_for_word_are_remembered_by_severity(world, app):
    room = Room(world, app)
    await room.tell(IncidentOpened)
    await room.do("ann", "AssignRole", role="commander")
    assert (await room.shown()).updates.every.seconds == 1800
    world.clock.forward(timedelta(minutes=31))
    [due] = await world.facts(UpdateDue)
    assert due.responder == "ann" and not due.HasField("told_at")
    await room.do("ann", "AssignRole", role="communications", responder="cid")
    said = await room.do("cid", "NoteUpdate", text="we know what it is")
    assert (said.updates.told_by, said.updates.due_at.ToDatetime(UTC)) == ("cid", world.clock.now() + timedelta(minutes=30))
    world.clock.forward(timedelta(minutes=31))
    [_, again] = await world.facts(UpdateDue, 2)
    assert again.responder == "cid" and again.HasField("told_at")
    room.incident.state = Incident.STATE_RESOLVED
    room.incident.resolved_at.FromDatetime(world.clock.now())
    await room.tell(IncidentResolved)
    await world.eventually(lambda: _closed(room))
    assert not (await room.shown()).updates.HasField("due_at")
    assert (await refused(room.do("cid", "NoteUpdate", text="more"))).code() == grpc.StatusCode.FAILED_PRECONDITION


async def _closed(room):
    return (await room.shown()).closed


async def test_what_was_decided_where_people_meet_and_who_is_there(world, app):
    room = Room(world, app)
    await room.tell(IncidentOpened)
    await room.do("ann", "LogDecision", text="we do not pay", reason="backups are whole", alternatives="pay")
    await room.do("bob", "SetBridge", url="https://meet.example/7", dial_in="+1555")
    assert (await refused(room.do("bob", "SetBridge", url="javascript:alert(1)"))).code() == grpc.StatusCode.INVALID_ARGUMENT
    await room.do("cid", "JoinIncident")
    shown = await room.do("cid", "JoinIncident")
    assert (shown.bridge.url, shown.bridge.set_by) == ("https://meet.example/7", "bob")
    assert [(each.decided_by, each.text) for each in shown.decisions] == [("ann", "we do not pay")]
    assert [(each.responder, each.reason) for each in shown.attendants] == [("cid", "joined")]
    [told] = await world.facts(DecisionLogged)
    assert told.decision.alternatives == "pay"


PLAN = IncidentPlan(
    name="ours", incident_type=OPERATIONAL,
    phases=[
        PhasePlan(phase=Phase.PHASE_IDENTIFICATION, checklist=[ChecklistItem(key="seen", text="It was seen")],
                  exit=[Criterion(key="seen", kind=Criterion.KIND_CHECKED, subject="seen", mandatory=True)],
                  tasks=[PlannedTask(title="look", due_after=Duration(seconds=3600))]),
    ],
    cadence=[Cadence(severity=Severity.SEVERITY_SEV1, every=Duration(seconds=60))],
)  # fmt: skip


async def test_the_playbooks_of_a_phase_are_started_or_proposed_once_when_it_is_entered_and_say_which_plan_has_them(world, app):
    """So is what an automation wants of a phase, each time that it is entered."""
    playbooks = [Playbook(name=name, content=chain(1)) for name in ("look", "roll-back", "isolate", "tell")]
    plan = IncidentPlan()
    plan.CopyFrom(PLAN)
    phase = plan.phases.add(phase=Phase.PHASE_CONTAINMENT, playbooks=["look"])
    phase.runs.add(playbook="roll-back", start=True)
    phase.runs.add(playbook="isolate", start=True, variables={"__host__": "incident.title"})
    contained = Automation(name="told", triggers=[Automation.TRIGGER_PHASE_ENTERED], condition="phase == 'containment'", playbook="tell")
    await apply(world, app, incident_plans=[plan], playbooks=playbooks, automations=[contained])
    room = Room(world, app)
    room.incident.type = OPERATIONAL
    await room.tell(IncidentOpened)
    await room.do("ann", "AssignRole", role="commander")
    await room.do("ann", "EnterPhase", phase=Phase.PHASE_CONTAINMENT, override=True, reason="it is clear")
    told = {fact.proposal.playbook: fact.proposal for fact in await world.facts(ActionProposed, 4)}
    assert (told["look"].state, told["look"].reason) == (Proposal.STATE_OPEN, "plan ours (version 1): containment was entered")
    begun = told["roll-back"]
    assert (begun.state, begun.plan, begun.plan_version, begun.phase) == (Proposal.STATE_STARTED, "ours", 1, Phase.PHASE_CONTAINMENT)
    assert told["isolate"].state == Proposal.STATE_FAILED and "__host__" in told["isolate"].reason
    assert told["tell"].automation == "told"
    accept = containment_pb.AnswerProposalRequest(proposal_id=told["look"].id, accept=True)
    assert (await room.as_("bob", stub=ContainmentServiceStub).AnswerProposal(accept)).proposal.run_id
    started = {fact.run.playbook: (fact.run.started_by, fact.run.reason) for fact in await world.facts(RunStarted, 2)}
    assert started == {"roll-back": ("plan ours", begun.reason), "look": ("bob", told["look"].reason)}
    await room.do("ann", "EnterPhase", phase=Phase.PHASE_IDENTIFICATION, reason="it was not")
    await room.do("ann", "EnterPhase", phase=Phase.PHASE_CONTAINMENT, override=True, reason="it was")
    again = [fact.proposal.playbook for fact in await world.facts(ActionProposed, 5)]
    assert sorted(again) == ["isolate", "look", "roll-back", "tell", "tell"]


async def test_an_approval_that_names_nobody_is_sought_of_the_commander_else_of_whoever_is_on_call(world, app):
    """Whoever started the run is not asked, even if they command."""
    asks = cacao({step("action", 10): action(options={"approval": {"quorum": 1}})})
    ladder = EscalationPolicy(name="ladder", steps=[EscalationStep(targets=[Target(responder="cid")], delay=Duration(seconds=300))])
    await apply(world, app, playbooks=[Playbook(name="isolate", content=asks)], escalation_policies=[ladder])
    room = Room(world, app)
    room.incident.escalation_policy = "ladder"
    await room.tell(IncidentOpened)
    await room.do("ann", "AssignRole", role="commander")
    for number, who in enumerate(("bob", "ann")):
        request = playbook_pb.StartRunRequest(request_id=f"s{number}", playbook="isolate", incident_id=room.id)
        await room.as_(who, stub=PlaybookServiceStub).StartRun(request)
    of_commander, of_duty = await world.facts(ApprovalSought, 2)
    assert (list(of_commander.responders), "you command the incident" in of_commander.why) == (["ann"], True)
    assert (list(of_duty.responders), "cid is named by the step" in of_duty.why) == (["cid"], True)


async def test_a_plan_of_a_file_goes_before_the_shipped_one_and_incidents_keep_the_version_they_began_with(world, app):
    [created] = [change for change in await apply(world, app, incident_plans=[PLAN]) if change.kind == "IncidentPlan"]
    assert created.action == Change.ACTION_CREATED
    root = world.stub(ResponseServiceStub, app, Caller("root", Role.ROLE_ADMIN))
    assert (await root.ExportConfiguration(response_pb.ExportConfigurationRequest())).configuration.incident_plans[2] == PLAN
    room = Room(world, app)
    room.incident.type = OPERATIONAL
    await room.tell(IncidentOpened)
    first = await room.shown()
    assert (first.plan, first.plan_version, [task.title for task in first.tasks]) == ("ours", 1, ["look"])
    changed = IncidentPlan()
    changed.CopyFrom(PLAN)
    changed.phases[0].checklist[0].text = "It was seen twice"
    await apply(world, app, incident_plans=[changed])
    assert [check.text for check in (await room.shown()).checks] == ["It was seen"]
    later = Room(world, app)
    later.incident.type = OPERATIONAL
    await later.tell(IncidentOpened)
    assert (await later.shown()).plan_version == 2
    # While it is in its first phase another type brings another plan.
    later.incident.type = SECURITY
    await later.tell(TypeChanged, before=OPERATIONAL)
    await world.eventually(lambda: _has_plan(later, "security"))
    broken = IncidentPlan()
    broken.CopyFrom(PLAN)
    broken.phases[0].exit[0].subject = "unseen"
    refusal = await refused(apply(world, app, incident_plans=[broken]))
    assert "incident_plans[0].phases[0].exit[0].subject" in refusal.details()
    await world.facts(TaskAdded, 2)


async def _has_plan(room, name):
    return (await room.shown()).plan == name


async def test_a_private_incident_is_led_by_its_members_alone(world, app):
    room, other = Room(world, app), Room(world, app)
    room.incident.private = True
    room.incident.members.extend(["ann"])
    await room.tell(IncidentOpened)
    await other.tell(IncidentOpened)
    await room.do("ann", "AddTask", title="secret", owner="ann")
    await other.do("bob", "AddTask", title="known", owner="bob")
    assert (await refused(room.do("bob", "JoinIncident"))).code() == grpc.StatusCode.NOT_FOUND
    assert (await refused(room.as_("bob").GetCommand(pb.GetCommandRequest(incident_id=room.id)))).code() == grpc.StatusCode.NOT_FOUND
    listed = {name: [task.title for task in (await room.as_(name).ListTasks(pb.ListTasksRequest())).tasks] for name in ("ann", "bob")}
    assert listed == {"ann": ["secret", "known"], "bob": ["known"]} or listed == {"ann": ["known", "secret"], "bob": ["known"]}
    room.incident.members.extend(["bob"])
    await room.tell(PrivacyChanged, added=["bob"])

    async def admitted():
        try:
            return (await room.do("bob", "JoinIncident")).incident_id == room.id
        except grpc.aio.AioRpcError:
            return False

    await world.eventually(admitted)


async def test_readiness_says_what_is_missing_and_how_to_mend_it(world, app):
    rotation = Rotation(unit=Rotation.UNIT_WEEKLY, length=1, starts_on="2026-01-05", handoff_time="09:00", responders=["ann", "bob"])
    await apply(world, app, schedules=[Schedule(name="primary", time_zone="UTC", rotation=rotation)])
    for name, problem in (("ann", ""), ("bob", "has one channel only")):
        await world.publish(ReachabilityChecked(responder=name, problem=problem, at=at(MONDAY_NOON)), name)
    stub = world.stub(CommandServiceStub, app, Caller("ann", Role.ROLE_RESPONDER))
    await stub.ReviewPlan(pb.ReviewPlanRequest(request_id="r", plan="security", note="good"))
    assert (await refused(stub.ReviewPlan(pb.ReviewPlanRequest(request_id="x", plan="nothing")))).code() == grpc.StatusCode.NOT_FOUND

    async def looked_at():
        [ready] = (await stub.GetReadiness(pb.GetReadinessRequest(team="ops"))).teams
        found = {(each.check, each.subject): each for each in ready.findings}
        return found if found["contacts", ""].seen == "bob: has one channel only" else None

    await world.eventually(looked_at)
    found = await looked_at()
    assert found["schedule", "primary"].points == 30 and not found["schedule", "primary"].remedy
    assert (found["contacts", ""].points, "tocsin contact confirm" in found["contacts", ""].remedy) == (12, True)
    assert found["plan", "security"].points == 4 and "tocsin command review" in found["plan", "operational"].remedy
    assert found["exercise", ""].points == 0 and found["exercise", ""].remedy
    kept = {each.plan.name: each for each in (await stub.ListPlans(pb.ListPlansRequest())).plans}
    assert kept["security"].reviewed_by == "ann" and set(kept) == {"security", "operational", "compliance", "performance", "human-error"}
