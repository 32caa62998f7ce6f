"""CommandService: requests become commands, answers become messages."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from tocsin.response.v1 import command_service_pb2 as pb
from tocsin.response.v1.command_service_pb2_grpc import CommandServiceServicer

from tocsin_chassis.grpc.caller import caller, reader
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.paging import fitted
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import Reply, once
from tocsin_response.command import wire
from tocsin_response.command.looking import Looking, Service
from tocsin_response.command.moves import Moves, RoleWish
from tocsin_response.command.plans import Plans
from tocsin_response.command.readiness import overall
from tocsin_response.command.records import Records
from tocsin_response.command.task import Task
from tocsin_response.command.tasks import Tasks, TaskWish, page_token
from tocsin_response.command.view import Views
from tocsin_response.oncall.wire import instant, text


class Request(Protocol):
    """What every command says."""

    @property
    def request_id(self) -> str: ...

    @property
    def incident_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Command:
    """The use cases of command."""

    moves: Moves
    records: Records
    tasks: Tasks
    views: Views
    plans: Plans
    looking: Looking


class CommandApi(CommandServiceServicer):
    """The RPCs of command."""

    def __init__(self, database: Database, command: Command) -> None:
        self._database = database
        self._command = command

    async def GetCommand(self, request: pb.GetCommandRequest, context: Context) -> pb.GetCommandResponse:
        async with self._database.transaction() as tx:
            return pb.GetCommandResponse(command=await self._command.views.of(tx, request.incident_id))

    async def EnterPhase(self, request: pb.EnterPhaseRequest, context: Context) -> pb.EnterPhaseResponse:
        by, to, why = caller().name, wire.phase_of(request.phase), text("reason", request.reason).strip()
        return await self._done(
            request, pb.EnterPhaseResponse, lambda tx: self._command.moves.enter(tx, request.incident_id, to, by, why, request.override)
        )

    async def AdvancePhase(self, request: pb.AdvancePhaseRequest, context: Context) -> pb.AdvancePhaseResponse:
        by, why = caller().name, text("reason", request.reason).strip()
        return await self._done(
            request, pb.AdvancePhaseResponse, lambda tx: self._command.moves.enter(tx, request.incident_id, None, by, why, request.override)
        )

    async def AssignRole(self, request: pb.AssignRoleRequest, context: Context) -> pb.AssignRoleResponse:
        by = caller().name
        wish = RoleWish(request.role, text("responder", request.responder) or by, by, text("reason", request.reason))
        return await self._done(request, pb.AssignRoleResponse, lambda tx: self._command.moves.assign(tx, request.incident_id, wish))

    async def HandOverRole(self, request: pb.HandOverRoleRequest, context: Context) -> pb.HandOverRoleResponse:
        wish = RoleWish(request.role, text("responder", request.responder), caller().name, "handed over", text("summary", request.summary))
        return await self._done(request, pb.HandOverRoleResponse, lambda tx: self._command.moves.hand_over(tx, request.incident_id, wish))

    async def LeaveRole(self, request: pb.LeaveRoleRequest, context: Context) -> pb.LeaveRoleResponse:
        by, why = caller().name, text("reason", request.reason)
        return await self._done(
            request, pb.LeaveRoleResponse, lambda tx: self._command.moves.leave(tx, request.incident_id, request.role, by, why)
        )

    async def JoinIncident(self, request: pb.JoinIncidentRequest, context: Context) -> pb.JoinIncidentResponse:
        by = caller().name
        return await self._done(request, pb.JoinIncidentResponse, lambda tx: self._command.moves.join(tx, request.incident_id, by))

    async def SetBridge(self, request: pb.SetBridgeRequest, context: Context) -> pb.SetBridgeResponse:
        by, url, dial_in = caller().name, text("url", request.url), text("dial_in", request.dial_in)
        return await self._done(
            request, pb.SetBridgeResponse, lambda tx: self._command.records.meet(tx, request.incident_id, by, url, dial_in)
        )

    async def LogDecision(self, request: pb.LogDecisionRequest, context: Context) -> pb.LogDecisionResponse:
        by = caller().name
        said = text("text", request.text), text("reason", request.reason), text("alternatives", request.alternatives)
        return await self._done(
            request, pb.LogDecisionResponse, lambda tx: self._command.records.decide(tx, request.incident_id, by, *said)
        )

    async def TickCheck(self, request: pb.TickCheckRequest, context: Context) -> pb.TickCheckResponse:
        by, key, note = caller().name, text("key", request.key), text("note", request.note)
        return await self._done(
            request,
            pb.TickCheckResponse,
            lambda tx: self._command.records.tick(tx, request.incident_id, by, key, not request.untick, note),
        )

    async def AnswerQuestion(self, request: pb.AnswerQuestionRequest, context: Context) -> pb.AnswerQuestionResponse:
        by, key, said = caller().name, text("key", request.key), text("text", request.text)
        return await self._done(
            request, pb.AnswerQuestionResponse, lambda tx: self._command.records.answer(tx, request.incident_id, by, key, said)
        )

    async def NoteUpdate(self, request: pb.NoteUpdateRequest, context: Context) -> pb.NoteUpdateResponse:
        by, said = caller().name, text("text", request.text)
        return await self._done(
            request, pb.NoteUpdateResponse, lambda tx: self._command.records.note_update(tx, request.incident_id, by, said)
        )

    async def AddTask(self, request: pb.AddTaskRequest, context: Context) -> pb.AddTaskResponse:
        wish = TaskWish(
            title=text("title", " ".join(request.title.split())),
            by=caller().name,
            description=text("description", request.description),
            owner=text("owner", request.owner),
            due_at=instant("due_at", request.due_at) if request.HasField("due_at") else None,
            remind_at=instant("remind_at", request.remind_at) if request.HasField("remind_at") else None,
            phase=wire.phase_of(request.phase),
        )
        return await self._task(request, pb.AddTaskResponse, lambda tx: self._command.tasks.add(tx, request.incident_id, wish))

    async def CompleteTask(self, request: pb.CompleteTaskRequest, context: Context) -> pb.CompleteTaskResponse:
        by, said = caller().name, text("result", request.result)
        return await self._task(
            request,
            pb.CompleteTaskResponse,
            lambda tx: self._command.tasks.complete(tx, request.incident_id, request.task_id, by, said),
        )

    async def CancelTask(self, request: pb.CancelTaskRequest, context: Context) -> pb.CancelTaskResponse:
        by, why = caller().name, text("reason", request.reason)
        return await self._task(
            request, pb.CancelTaskResponse, lambda tx: self._command.tasks.cancel(tx, request.incident_id, request.task_id, by, why)
        )

    async def ReopenTask(self, request: pb.ReopenTaskRequest, context: Context) -> pb.ReopenTaskResponse:
        by, why = caller().name, text("reason", request.reason)
        return await self._task(
            request, pb.ReopenTaskResponse, lambda tx: self._command.tasks.reopen(tx, request.incident_id, request.task_id, by, why)
        )

    async def ReassignTask(self, request: pb.ReassignTaskRequest, context: Context) -> pb.ReassignTaskResponse:
        by, owner = caller().name, text("owner", request.owner)
        due = instant("due_at", request.due_at) if request.HasField("due_at") else None
        return await self._task(
            request,
            pb.ReassignTaskResponse,
            lambda tx: self._command.tasks.reassign(tx, request.incident_id, request.task_id, by, owner, due),
        )

    async def ListTasks(self, request: pb.ListTasksRequest, context: Context) -> pb.ListTasksResponse:
        tasks, token = await self._command.tasks.listed(
            request.incident_id, text("owner", request.owner), request.closed_too, request.page_size, request.page_token, reader()
        )
        shown, token = fitted([wire.task_to_proto(task) for task in tasks], token, lambda last: page_token(tasks[last]))
        return pb.ListTasksResponse(tasks=shown, next_page_token=token)

    async def ListPlans(self, request: pb.ListPlansRequest, context: Context) -> pb.ListPlansResponse:
        async with self._database.transaction() as tx:
            plans = await self._command.plans.all(tx)
        return pb.ListPlansResponse(plans=[wire.plan_to_proto(kept) for kept in plans.values()])

    async def ReviewPlan(self, request: pb.ReviewPlanRequest, context: Context) -> pb.ReviewPlanResponse:
        by, name, note = caller().name, text("plan", request.plan), text("note", request.note)
        async with self._database.transaction() as tx:

            async def work() -> pb.ReviewPlanResponse:
                return pb.ReviewPlanResponse(plan=wire.plan_to_proto(await self._command.plans.review(tx, name, by, note)))

            return await once(tx, "ReviewPlan", text("request_id", request.request_id), pb.ReviewPlanResponse, work)

    async def GetReadiness(self, request: pb.GetReadinessRequest, context: Context) -> pb.GetReadinessResponse:
        services = [Service(each.service, each.team, each.escalation_policy) for each in request.services]
        found = await self._command.looking.ready(text("team", request.team), services)
        return pb.GetReadinessResponse(
            teams=[wire.readiness_to_proto(each) for each in found if not each.service],
            services=[wire.readiness_to_proto(each) for each in found if each.service],
            score=overall(found),
        )

    async def _done(self, request: Request, reply: type[Reply], work: Callable[[Tx], Awaitable[None]]) -> Reply:
        """The command after it was done; the first answer, if this is a repeat."""
        async with self._database.transaction() as tx:

            async def answer() -> Reply:
                await work(tx)
                return reply(command=await self._command.views.of(tx, request.incident_id))

            return await once(tx, reply.__name__, text("request_id", request.request_id), reply, answer)

    async def _task(self, request: Request, reply: type[Reply], work: Callable[[Tx], Awaitable[Task]]) -> Reply:
        """The task after it was done; the first answer, if this is a repeat."""
        async with self._database.transaction() as tx:

            async def answer() -> Reply:
                return reply(task=wire.task_to_proto(await work(tx)))

            return await once(tx, reply.__name__, text("request_id", request.request_id), reply, answer)
