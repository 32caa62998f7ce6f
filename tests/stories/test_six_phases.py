"""The main walk of a response: from the first alert through six phases to answered obligations, with a real runner at simulated systems."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from importlib.resources import files

import grpc
import pytest
from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import command_pb2 as cmd
from tocsin.response.v1 import command_service_pb2 as command_pb
from tocsin.response.v1 import containment_service_pb2 as containment_pb
from tocsin.response.v1 import evidence_service_pb2 as evidence_pb
from tocsin.response.v1 import obligation_service_pb2 as obligation_pb
from tocsin.response.v1 import playbook_service_pb2 as playbook_pb
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.command_service_pb2_grpc import CommandServiceStub
from tocsin.response.v1.containment_pb2 import Automation, GuardRails, Measure, Proposal, RateLimit
from tocsin.response.v1.containment_service_pb2_grpc import ContainmentServiceStub
from tocsin.response.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from tocsin.response.v1.obligation_pb2 import Circumstances, Obligation
from tocsin.response.v1.obligation_service_pb2_grpc import ObligationServiceStub
from tocsin.response.v1.oncall_pb2 import Team
from tocsin.response.v1.playbook_pb2 import Playbook, Question, Run
from tocsin.response.v1.playbook_service_pb2_grpc import PlaybookServiceStub
from tocsin.triage.v1 import triage_service_pb2 as triage_pb
from tocsin.triage.v1.catalogue_pb2 import Configuration as TriageConfiguration
from tocsin.triage.v1.catalogue_pb2 import Route
from tocsin.triage.v1.incident_pb2 import IncidentType, Severity
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.grpc.channel import channel
from tocsin_kernel.ids import uuid7
from tocsin_response.app import response
from tocsin_response.settings import ResponseSettings
from tocsin_runner.commands.action import ActionCommand
from tocsin_runner.connectors.catalogue import Bindings, Catalogue
from tocsin_runner.connectors.connections import Connections
from tocsin_runner.connectors.lifecycle import Lifecycle
from tocsin_runner.http import http_client
from tocsin_runner.runner import Runner
from tocsin_runner.secrets import Redactor, Secrets
from tocsin_runner.twins.all import everything
from tocsin_runner.twins.server import served
from tocsin_runner.work import Work

MINUTE = timedelta(minutes=1)
PEOPLE = ("emil", "farah", "greta")
TITLE = "Ransomware on laptop-7, signed in: ada@example.org"
MICROSOFT = {"tenant": "x", "client_id": "x", "client_secret": "secret:client_secret"}
CONNECTED = {"defender": MICROSOFT, "entra": MICROSOFT, "velero": {"token": "secret:token"}, "kubernetes": {"token": "secret:token"}}


def new():
    return str(uuid7())


@asynccontextmanager
async def runner(world, address, twins, folder):
    """A runner as it is, at these twins; their time goes on as fast as it waits."""
    for name in ("client_secret", "token"):
        (folder / name).write_text(f"simulated-{name}")
        (folder / name).chmod(0o600)
    named = {name: {"url": f"{twins.url}/{name}", **told} for name, told in CONNECTED.items()}
    for name in ("defender", "entra"):
        named[name]["login"] = f"{twins.url}/{name}"

    async def sleep(seconds):
        twins.clock.forward(max(seconds, 5.0))
        await asyncio.sleep(0.01)

    redactor, stop = Redactor(), asyncio.Event()
    async with http_client([twins.url.removeprefix("http://")]) as http, channel(address, world.keys.identity("runner")) as platform:
        bindings = Bindings(Catalogue(None), Connections(named, {}), Secrets(folder, {}, redactor), http, twins.clock, None)
        acting = ActionCommand(bindings, Lifecycle(twins.clock, sleep))
        work = Work({"tocsin-action": acting}, redactor, lambda: bindings.actions)
        working = asyncio.create_task(Runner(platform, work, world.clock, name="story", at_once=4, grace=1.0).run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(working, 30)


class Walk:
    """One incident and the people who go through it."""

    def __init__(self, platform, twins, again):
        self.platform, self.world, self.twins, self.again = platform, platform.world, twins, again
        self.incident = None

    def stub(self, stub, who):
        """Looked up each time: response may have been started again."""
        return self.world.stub(stub, self.platform.apps["response"], Caller(who, Role.ROLE_MANAGER))

    async def command(self):
        request = command_pb.GetCommandRequest(incident_id=self.incident.id)
        return (await self.stub(CommandServiceStub, "emil").GetCommand(request)).command

    async def advance(self, who="emil", **more):
        request = command_pb.AdvancePhaseRequest(request_id=new(), incident_id=self.incident.id, **more)
        return (await self.stub(CommandServiceStub, who).AdvancePhase(request)).command

    async def refused(self, *words):
        """The phase cannot be left yet, and it is said why."""
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await self.advance()
        assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        for word in words:
            assert word in refusal.value.details(), refusal.value.details()

    async def note(self, *checks, **answers):
        calls = self.stub(CommandServiceStub, "farah")
        for key in checks:
            await calls.TickCheck(command_pb.TickCheckRequest(request_id=new(), incident_id=self.incident.id, key=key))
        for key, text in answers.items():
            request = command_pb.AnswerQuestionRequest(request_id=new(), incident_id=self.incident.id, key=key.replace("_", "-"), text=text)
            await calls.AnswerQuestion(request)

    async def finish_tasks(self):
        found = await self.command()
        for task in found.tasks:
            if task.phase == found.phase and task.state == cmd.Task.STATE_OPEN:
                done = command_pb.CompleteTaskRequest(request_id=new(), incident_id=self.incident.id, task_id=task.id, result="done")
                await self.stub(CommandServiceStub, "farah").CompleteTask(done)

    async def assign(self, **roles):
        for role, who in roles.items():
            request = command_pb.AssignRoleRequest(request_id=new(), incident_id=self.incident.id, role=role, responder=who)
            await self.stub(CommandServiceStub, "emil").AssignRole(request)

    async def question(self, step):
        """What the run asks about a step, once it does."""
        found = []

        async def asked():
            request = playbook_pb.ListQuestionsRequest(incident_id=self.incident.id)
            questions = (await self.stub(PlaybookServiceStub, "emil").ListQuestions(request)).questions
            found[:] = [question for question in questions if question.step_name == step]
            return bool(found)

        await self.world.eventually(asked, 20.0, f"{step} to be asked about")
        return found[0]

    async def approve(self, who, question):
        request = playbook_pb.VoteApprovalRequest(question_id=question.id, approve=True)
        return (await self.stub(PlaybookServiceStub, who).VoteApproval(request)).question

    async def run(self):
        [run] = (await self.stub(PlaybookServiceStub, "emil").ListRuns(playbook_pb.ListRunsRequest(incident_id=self.incident.id))).runs
        return run

    async def ended(self):
        async def over():
            return (await self.run()).state not in (Run.STATE_RUNNING, Run.STATE_PAUSED)

        await self.world.eventually(over, 20.0, "the run to end")
        return await self.run()

    async def measures(self):
        request = containment_pb.ListMeasuresRequest(incident_id=self.incident.id)
        return list((await self.stub(ContainmentServiceStub, "emil").ListMeasures(request)).measures)

    async def evidence(self):
        request = evidence_pb.ListEvidenceRequest(incident_id=self.incident.id)
        return list((await self.stub(EvidenceServiceStub, "emil").ListEvidence(request)).evidence)

    def orders(self, kind):
        """What was ordered of machines."""
        return [action for action in self.twins.twins["defender"].actions if action["type"] == kind]

    async def restart_response(self):
        """It stops in the middle, and another process takes its place."""
        platform = self.platform
        port = platform.apps["response"].port
        others = {f"{name}_address": f"127.0.0.1:{platform.apps[name].port}" for name in ("detection", "triage")}
        await platform.stop("response")
        settings = self.world.settings("response", ResponseSettings, grpc_listen=f"127.0.0.1:{port}", **others)
        platform.apps["response"] = await self.again.enter_async_context(self.world.running(response(settings, clock=self.world.clock)))


def shipped(name):
    return Playbook(name=name, content=(files("tocsin_playbook.library") / f"{name}.yaml").read_text())


@pytest.fixture
async def walk(platform, tmp_path):
    """A team that answers for a service, the playbooks that are shipped, a runner, and a world that is simulated."""
    await platform.responders(*PEOPLE)
    await platform.policy("finance-policy", [("emil", 5 * MINUTE)])
    await platform.service("finance", "finance-policy")
    async with served(everything()) as twins, AsyncExitStack() as again:
        address = f"127.0.0.1:{platform.apps['response'].port}"
        async with runner(platform.world, address, twins, tmp_path):
            yield Walk(platform, twins, again)


async def organise(platform, kind, **parts):
    route = Route(name="finance", position=1, match={"job": "finance"}, service="finance", incident_type=kind)
    await platform.triage.ApplyConfiguration(
        triage_pb.ApplyConfigurationRequest(
            configuration=TriageConfiguration(services=(await _services(platform)), routes=[route]), prune=False
        )
    )
    configuration = response_pb.Configuration(teams=[Team(name="security", members=PEOPLE)], **parts)
    await platform.response.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))


async def _services(platform):
    return (await platform.triage.ExportConfiguration(triage_pb.ExportConfigurationRequest())).configuration.services


async def reported(walk, title):
    key = await walk.platform.integration("webhook")
    body = {"title": title, "key": "one", "severity": "error", "labels": {"job": "finance"}}
    answer = await walk.platform.http.post("/webhook", json=body, headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 202
    walk.incident = await walk.platform.expect_incident(title=title)
    await walk.platform.click(await walk.platform.expect_page("emil", about=title))


async def test_ransomware_from_the_first_alert_to_the_last_obligation(walk):
    platform = walk.platform
    starts = Automation(
        name="ransomware",
        triggers=[Automation.TRIGGER_INCIDENT_OPENED],
        condition='incident.type == "security"',
        playbook="ransomware",
        mode=Automation.MODE_START,
        variables={"__host__": 'incident.title.split(" on ")[1].split(",")[0]', "__user__": 'incident.title.split("signed in: ")[1]'},
    )
    rails = GuardRails(name="all", limits=[RateLimit(actions=["isolate-host"], most=1)])
    await organise(
        platform, IncidentType.INCIDENT_TYPE_SECURITY, playbooks=[shipped("ransomware")], automations=[starts], guard_rails=[rails]
    )
    await reported(walk, TITLE)

    await walk.assign(operations="farah", legal="greta")
    clocks = walk.stub(ObligationServiceStub, "greta")
    await clocks.RecordStartEvent(
        obligation_pb.RecordStartEventRequest(
            request_id=new(), incident_id=walk.incident.id, event="awareness", circumstances=Circumstances(traits=["personal-data", "eu"])
        )
    )
    [clock] = (await clocks.ListObligations(obligation_pb.ListObligationsRequest(incident_id=walk.incident.id))).obligations
    assert clock.due_at.ToDatetime() - clock.started_at.ToDatetime() == timedelta(hours=72)
    await walk.refused("What happened", "affected")
    await walk.note("scope", what_happened="files are being encrypted")
    severity = triage_pb.ChangeSeverityRequest(request_id=new(), incident_id=walk.incident.id, severity=Severity.SEVERITY_SEV1)
    await walk.world.stub(TriageServiceStub, platform.apps["triage"], Caller("emil", Role.ROLE_MANAGER)).ChangeSeverity(severity)
    await platform.settled()
    assert (await walk.advance()).phase == cmd.PHASE_CONTAINMENT

    question = await walk.question("isolate the host")
    assert [item.collected.source for item in await walk.evidence()] == ["Microsoft Defender for Endpoint"], (
        "collected before anything is changed"
    )
    assert walk.orders("Isolate") == []
    await walk.refused("spread", "tasks of containment")
    assert (await walk.approve("emil", question)).state == Question.STATE_OPEN
    await walk.restart_response()
    mail = await platform.expect_page("farah", about="Approve? isolate the host")
    assert (await platform.click(mail)).status_code == 200

    restore = await walk.question("restore from backup")
    assert len(walk.orders("Isolate")) == 1
    [measure] = await walk.measures()
    assert (measure.action, measure.target, measure.state, measure.verified_at.seconds > 0) == (
        "isolate-host",
        "laptop-7",
        Measure.STATE_IN_FORCE,
        True,
    )
    assert walk.twins.twins["entra"].audits, "the sessions are revoked"
    await walk.note("spread-stopped")
    await walk.finish_tasks()
    assert (await walk.advance()).phase == cmd.PHASE_ERADICATION
    await walk.note("persistence", "hole-closed", "secrets-changed")
    await walk.finish_tasks()
    assert (await walk.advance()).phase == cmd.PHASE_RECOVERY
    await walk.note("restored", "verified")
    await walk.finish_tasks()
    await walk.refused("isolate-host laptop-7")

    await walk.approve("emil", restore)
    run = await walk.ended()
    assert run.state == Run.STATE_SUCCEEDED, run.explanation
    assert [measure.state for measure in await walk.measures()] == [Measure.STATE_LIFTED]
    assert (len(walk.orders("Isolate")), len(walk.orders("Unisolate"))) == (1, 1)
    assert (await walk.advance()).phase == cmd.PHASE_LESSONS_LEARNED

    verified = await walk.stub(EvidenceServiceStub, "emil").VerifyEvidence(evidence_pb.VerifyEvidenceRequest(incident_id=walk.incident.id))
    assert list(verified.findings) == []
    submit = obligation_pb.SubmitObligationRequest(request_id=new(), obligation_id=clock.id, reference="DPA-1", sha256="ab" * 32)
    answered = (await walk.stub(ObligationServiceStub, "greta").SubmitObligation(submit)).obligation
    assert (answered.state, answered.late) == (Obligation.STATE_SUBMITTED, False)
    await walk.note(root_cause="a macro")
    await walk.finish_tasks()
    last = next(phase for phase in (await walk.command()).phases if phase.phase == cmd.PHASE_LESSONS_LEARNED)
    assert all(gate.met for gate in last.exit if gate.mandatory)
    await platform.resolve(walk.incident, by="emil")
    await platform.timeline(
        walk.incident, "IncidentOpened", "ActionProposed", "RunStarted", "EvidenceCollected", "ApprovalSought", "ApprovalGranted",
        "MeasureApplied", "MeasureLifted", "RunFinished", "ObligationStarted", "ObligationAnswered", "PhaseEntered", "RoleAssigned",
        "TaskCompleted", "IncidentResolved",
    )  # fmt: skip


async def test_an_outage_that_began_with_a_deployment_is_rolled_back_and_learned_from(walk):
    platform = walk.platform
    proposes = Automation(
        name="roll-back",
        triggers=[Automation.TRIGGER_INCIDENT_OPENED],
        condition='incident.title.contains("deployment")',
        playbook="outage",
        mode=Automation.MODE_PROPOSE,
        variables={"__deployment__": '"checkout"'},
    )
    await organise(platform, IncidentType.INCIDENT_TYPE_OPERATIONAL, playbooks=[shipped("outage")], automations=[proposes])
    await reported(walk, "Errors since the deployment of checkout")
    await walk.assign(devops="farah", operations="farah", communications="greta")
    await platform.settled()
    assert (await walk.advance()).phase == cmd.PHASE_CONTAINMENT

    containment = walk.stub(ContainmentServiceStub, "emil")
    [proposal] = (await containment.ListProposals(containment_pb.ListProposalsRequest(incident_id=walk.incident.id))).proposals
    assert (proposal.state, proposal.playbook) == (Proposal.STATE_OPEN, "outage")
    await containment.AnswerProposal(containment_pb.AnswerProposalRequest(proposal_id=proposal.id, accept=True))
    question = await walk.question("roll back")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await walk.approve("emil", question)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED, "who started it does not count"
    await walk.approve("farah", question)
    looks = await walk.question("look whether it helped")
    spec = walk.twins.twins["kubernetes"].deployments["checkout"]["spec"]
    assert spec["template"]["spec"]["containers"][0]["image"] == "shop:1.0"
    answers = walk.stub(PlaybookServiceStub, "farah")
    await answers.AnswerManualStep(
        playbook_pb.AnswerManualStepRequest(request_id=new(), question_id=looks.id, answer=1, variables={"__recovered__": "true"})
    )
    tells = await walk.question("say so")
    update = command_pb.NoteUpdateRequest(request_id=new(), incident_id=walk.incident.id, text="checkout is well again")
    await walk.stub(CommandServiceStub, "greta").NoteUpdate(update)
    await walk.stub(PlaybookServiceStub, "greta").AnswerManualStep(
        playbook_pb.AnswerManualStepRequest(request_id=new(), question_id=tells.id, answer=1)
    )
    assert (await walk.ended()).state == Run.STATE_SUCCEEDED

    await walk.refused("way around")
    await walk.note("bearable")
    await walk.advance()
    await walk.note("cause-gone")
    await walk.advance()
    await walk.note("normal")
    assert (await walk.advance()).phase == cmd.PHASE_LESSONS_LEARNED
    await walk.note(root_cause="a migration that the old code could not read")
    await walk.finish_tasks()
    assert not [task for task in (await walk.command()).tasks if task.state == cmd.Task.STATE_OPEN]
    await platform.timeline(walk.incident, "ActionProposed", "ProposalAnswered", "RunFinished", "UpdateNoted", "TaskCompleted")
