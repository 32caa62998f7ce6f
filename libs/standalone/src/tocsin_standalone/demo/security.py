"""The fourth incident of the demo: ransomware on a host, led through the six phases by the people of the example organisation."""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx
from google.protobuf.message import Message
from tocsin.response.v1 import command_pb2, obligation_pb2, playbook_pb2
from tocsin.response.v1 import command_service_pb2 as command
from tocsin.response.v1 import obligation_service_pb2 as obligation
from tocsin.response.v1 import playbook_service_pb2 as playbook
from tocsin.triage.v1 import incident_pb2
from tocsin.triage.v1 import triage_service_pb2 as triage

from tocsin_client.client import Tocsin
from tocsin_client.errors import Conflict
from tocsin_standalone.demo.outsider import Outsider, Person
from tocsin_standalone.mailbox import Mail, Mailbox

RANSOMWARE = "Ransomware on fin-laptop-7, signed in: ada@example.org"
MAIL_SECONDS = 60.0
RUN_SECONDS = 600.0
# So long the second approval is the visitor's to give.
VISITOR_SECONDS = 90.0
LOOK_SECONDS = 1.0
HEARD_SECONDS = 20
ISOLATE, RESTORE = "isolate the host", "restore from backup"


@dataclass(frozen=True)
class Leaving:
    """What is written down before a phase is left."""

    checks: tuple[str, ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)


IDENTIFIED = Leaving(("scope", "clock"), {"what-happened": "Files are being encrypted on fin-laptop-7; ada was signed in there."})
CONTAINED = Leaving(("volatile-first", "spread-stopped"))
ERADICATED = Leaving(("persistence", "hole-closed", "secrets-changed"))
RECOVERED = Leaving(("restored", "verified", "watched"))
LEARNED = Leaving(
    ("review-read", "legal-review"),
    {
        "root-cause": "A macro in a mailed invoice ran with the rights of a user who could write to every share.",
        "went-well": "Evidence was there before the host was cut off.",
        "change": "No write access to shares that one does not work on; macros from outside are off.",
    },
)


@dataclass(frozen=True)
class SecurityIncident:
    """The play: Emil commands, Farah acts, Greta watches the clocks. The second approval is left to the visitor for a while."""

    outsider: Outsider
    mailbox: Mailbox
    pause: Callable[[float], Awaitable[None]]

    async def play(self) -> None:
        await self.pause(6)
        emil, farah, greta = [await self.outsider.signed_in(name) for name in ("emil", "farah", "greta")]
        seen = len(self.mailbox.messages)
        await self.outsider.report("webhook", _alert("firing"))
        await self._answer("emil", "Ransomware on", seen, after=3)
        incident = await self._incident(emil)
        walk = Walk(incident, emil, farah)
        await walk.take_roles(greta)
        await greta.does(lambda tocsin: _start_clock(tocsin, incident))
        await walk.leave(IDENTIFIED)
        await self._approve_isolation(walk, seen)
        await walk.until_done("revoke sessions")
        await walk.leave(CONTAINED)
        await self.pause(5)
        await walk.leave(ERADICATED)
        await self._answer("emil", f"Approve? {RESTORE}", seen, after=5)
        await walk.until_done("let the host back")
        await walk.leave(RECOVERED)
        await greta.does(lambda tocsin: _answer_clocks(tocsin, incident))
        await walk.leave(LEARNED)
        await self.outsider.report("webhook", _alert("resolved"))

    async def _approve_isolation(self, walk: "Walk", seen: int) -> None:
        """One approves; the other approval is the visitor's, and Farah's if nobody else gives it."""
        await self._answer("emil", f"Approve? {ISOLATE}", seen, after=8)
        for _ in range(int(VISITOR_SECONDS / LOOK_SECONDS)):
            if not await walk.waits_for(ISOLATE):
                return
            await self.pause(LOOK_SECONDS)
        await self._answer("farah", f"Approve? {ISOLATE}", seen, after=0)

    async def _answer(self, name: str, about: str, seen: int, *, after: float) -> None:
        """Follow the first link in the mail about this. Somebody may have been faster."""

        def wanted(mail: Mail) -> bool:
            return mail.number > seen and about in mail.subject and f"{name}@shop.example" in mail.recipients and bool(_link(mail))

        mail = await self.mailbox.wait_for(wanted, MAIL_SECONDS)
        await self.pause(after)
        try:
            await self.outsider.follow(_link(mail))
        except httpx.HTTPStatusError as refused:
            if refused.response.status_code != httpx.codes.CONFLICT:
                raise

    async def _incident(self, person: Person) -> str:
        for _ in range(int(MAIL_SECONDS)):
            live = await self.outsider.live_incidents()
            if found := next((each.id for each in live if each.title == RANSOMWARE), ""):
                return found
            await asyncio.sleep(LOOK_SECONDS)
        raise TimeoutError("there is no incident about ransomware")


@dataclass(frozen=True)
class Walk:
    """The way of one incident through the phases."""

    incident: str
    commander: Person
    operations: Person

    async def take_roles(self, legal: Person) -> None:
        """Who does what, and how bad it is."""
        worst = triage.ChangeSeverityRequest(
            incident_id=self.incident, severity=incident_pb2.SEVERITY_SEV1, reason="files of the whole team are on that host"
        )
        await self.commander.calls(lambda tocsin: tocsin.triage.ChangeSeverity, worst)
        for role, person in (("commander", self.commander), ("operations", self.operations), ("legal", legal)):
            request = command.AssignRoleRequest(incident_id=self.incident, role=role, responder=person.name)
            await self.commander.calls(lambda tocsin: tocsin.command.AssignRole, request)

    async def leave(self, leaving: Leaving) -> None:
        """Do what is left of the present phase, and go to the next one; the last one is only finished."""
        phase = (await self._command()).phase
        for key in leaving.checks:
            ticked = command.TickCheckRequest(incident_id=self.incident, key=key)
            await self.operations.calls(lambda tocsin: tocsin.command.TickCheck, ticked)
        for key, text in leaving.answers.items():
            answered = command.AnswerQuestionRequest(incident_id=self.incident, key=key, text=text)
            await self.commander.calls(lambda tocsin: tocsin.command.AnswerQuestion, answered)
        for task in (await self._command()).tasks:
            if task.phase == phase and task.state == command_pb2.Task.STATE_OPEN:
                done = command.CompleteTaskRequest(incident_id=self.incident, task_id=task.id, result="done")
                await self.operations.calls(lambda tocsin: tocsin.command.CompleteTask, done)
        if phase != command_pb2.PHASE_LESSONS_LEARNED:
            await self._advance()

    async def _advance(self) -> None:
        """On to the next phase. What was done a moment ago may not have been heard of yet. Raises Conflict."""
        for left in reversed(range(HEARD_SECONDS)):
            try:
                await self.commander.calls(
                    lambda tocsin: tocsin.command.AdvancePhase, command.AdvancePhaseRequest(incident_id=self.incident)
                )
                return
            except Conflict:
                if not left:
                    raise
                await asyncio.sleep(1)

    async def waits_for(self, step: str) -> bool:
        """Whether a run waits for an approval of this step."""
        request = playbook.ListQuestionsRequest(incident_id=self.incident)
        questions = (await self.commander.calls(lambda tocsin: tocsin.playbooks.ListQuestions, request)).questions
        return any(question.step_name == step for question in questions)

    async def until_done(self, step: str) -> None:
        """Wait until a step of the run went well. Raises TimeoutError, also if the run ended otherwise."""
        end = time.monotonic() + RUN_SECONDS
        while time.monotonic() < end:
            for shown in await self._runs():
                if any(each.name == step and each.state == playbook_pb2.Step.STATE_SUCCEEDED for each in shown.steps):
                    return
                if shown.run.state not in (playbook_pb2.Run.STATE_RUNNING, playbook_pb2.Run.STATE_PAUSED):
                    raise TimeoutError(f"the run ended before {step!r}: {shown.run.explanation}")
            await asyncio.sleep(LOOK_SECONDS)
        raise TimeoutError(f"{step!r} did not come about")

    async def _runs(self) -> list[playbook.GetRunResponse]:
        def shown(tocsin: Tocsin) -> list[playbook.GetRunResponse]:
            runs = tocsin.playbooks.ListRuns(playbook.ListRunsRequest(incident_id=self.incident)).runs
            return [tocsin.playbooks.GetRun(playbook.GetRunRequest(run_id=run.id)) for run in runs]

        return await self.commander.does(shown)

    async def _command(self) -> command_pb2.Command:
        request = command.GetCommandRequest(incident_id=self.incident)
        return (await self.commander.calls(lambda tocsin: tocsin.command.GetCommand, request)).command


def _start_clock(tocsin: Tocsin, incident: str) -> Message:
    """From now on the 72 hours of the GDPR run."""
    known = obligation_pb2.Circumstances(traits=["personal-data", "eu"], people=1200)
    reason = "payroll data of 1,200 people was on the host"
    return tocsin.obligations.RecordStartEvent(
        obligation.RecordStartEventRequest(incident_id=incident, event="awareness", circumstances=known, reason=reason)
    )


def _answer_clocks(tocsin: Tocsin, incident: str) -> None:
    """What is due was told, in time."""
    running = tocsin.obligations.ListObligations(obligation.ListObligationsRequest(incident_id=incident, running_only=True)).obligations
    for each in running:
        text = tocsin.obligations.DraftObligation(obligation.DraftObligationRequest(obligation_id=each.id)).text
        digest = hashlib.sha256(text.encode()).hexdigest()
        request = obligation.SubmitObligationRequest(
            obligation_id=each.id, recipient=each.recipient, reference=f"DEMO-{each.duty}"[:50], sha256=digest
        )
        tocsin.obligations.SubmitObligation(request)


def _link(mail: Mail) -> str:
    return next((link for link in mail.links if "/a/" in link), "")


def _alert(status: str) -> dict[str, object]:
    return {
        "title": RANSOMWARE,
        "key": "edr-fin-laptop-7",
        "status": status,
        "severity": "critical",
        "description": "The endpoint protection saw hundreds of files being encrypted by a process that came with a mailed invoice.",
        "labels": {"source": "edr", "host": "fin-laptop-7", "user": "ada@example.org"},
    }
