"""PlaybookService: requests become wishes and answers, what comes of them becomes messages."""

from collections.abc import Awaitable, Callable, Mapping

from tocsin.response.v1 import playbook_pb2 as playbook_pb
from tocsin.response.v1 import playbook_service_pb2 as pb
from tocsin.response.v1.playbook_service_pb2_grpc import PlaybookServiceServicer

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.paging import encode, fitted
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import once
from tocsin_playbook.run import Say
from tocsin_response.oncall.wire import text, timestamp
from tocsin_response.playbook.auditor import RunAuditor
from tocsin_response.playbook.library import Library, by_name, by_version
from tocsin_response.playbook.questions import Questions, Told
from tocsin_response.playbook.run_store import RunRow
from tocsin_response.playbook.runs import Runs, Shown, StartWish
from tocsin_response.playbook.wire import question_to_proto, run_to_proto, step_to_proto, version_to_proto

SAYS = {
    pb.AnswerManualStepRequest.ANSWER_DONE: Say.DONE,
    pb.AnswerManualStepRequest.ANSWER_FAILED: Say.FAILED,
    pb.AnswerManualStepRequest.ANSWER_AGAIN: Say.RETRY,
}


class PlaybookApi(PlaybookServiceServicer):
    """The RPCs about playbooks and their runs."""

    def __init__(self, database: Database, library: Library, runs: Runs, questions: Questions, auditor: RunAuditor) -> None:
        self._database = database
        self._library = library
        self._runs = runs
        self._questions = questions
        self._auditor = auditor

    async def PutPlaybook(self, request: pb.PutPlaybookRequest, context: Context) -> pb.PutPlaybookResponse:
        content = text("playbook.content", request.playbook.content)
        async with self._database.transaction() as tx:
            version, warnings = await self._library.put(tx, request.playbook.name, content, caller().name)
        return pb.PutPlaybookResponse(version=version_to_proto(version), warnings=warnings)

    async def GetPlaybook(self, request: pb.GetPlaybookRequest, context: Context) -> pb.GetPlaybookResponse:
        async with self._database.transaction() as tx:
            version = await self._library.get(tx, text("playbook", request.playbook), request.version)
        cacao = self._library.as_cacao(version) if request.as_cacao else ""
        return pb.GetPlaybookResponse(version=version_to_proto(version), cacao=cacao)

    async def ListPlaybooks(self, request: pb.ListPlaybooksRequest, context: Context) -> pb.ListPlaybooksResponse:
        async with self._database.transaction() as tx:
            found, token = await self._library.listed(tx, request.page_size, request.page_token)
        playbooks, token = fitted([version_to_proto(each) for each in found], token, lambda last: by_name(found[last]))
        return pb.ListPlaybooksResponse(playbooks=playbooks, next_page_token=token)

    async def ListPlaybookVersions(self, request: pb.ListPlaybookVersionsRequest, context: Context) -> pb.ListPlaybookVersionsResponse:
        name = text("playbook", request.playbook)
        async with self._database.transaction() as tx:
            found, token = await self._library.versions(tx, name, request.page_size, request.page_token)
        versions, token = fitted([version_to_proto(each) for each in found], token, lambda last: by_version(found[last]))
        return pb.ListPlaybookVersionsResponse(versions=versions, next_page_token=token)

    async def PlanRun(self, request: pb.PlanRunRequest, context: Context) -> pb.PlanRunResponse:
        async with self._database.transaction() as tx:
            plan = await self._library.plan(tx, text("playbook", request.playbook), _values(request.variables))
        return pb.PlanRunResponse(plan=plan)

    async def StartRun(self, request: pb.StartRunRequest, context: Context) -> pb.StartRunResponse:
        wish = _start_wish(request, caller().name)

        async def make(tx: Tx) -> pb.StartRunResponse:
            plan = await self._library.plan(tx, wish.playbook, wish.variables) if wish.dry_run else None
            return pb.StartRunResponse(run=run_to_proto(await self._runs.start(tx, wish)), plan=plan)

        async with self._database.transaction() as tx:
            return await once(tx, "StartRun", text("request_id", request.request_id), pb.StartRunResponse, lambda: make(tx))

    async def GetRun(self, request: pb.GetRunRequest, context: Context) -> pb.GetRunResponse:
        async with self._database.transaction() as tx:
            return _shown(await self._runs.show(tx, request.run_id))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Context) -> pb.ListRunsResponse:
        states = [playbook_pb.Run.State.Name(state).removeprefix("STATE_") for state in request.states]
        incident_id, playbook = text("incident_id", request.incident_id), text("playbook", request.playbook)
        async with self._database.transaction(plans_anew=True) as tx:
            found, token = await self._runs.listed(tx, incident_id, playbook, states, request.page_size, request.page_token)
        runs = [run_to_proto(row, open_questions=count, with_variables=False) for row, count in found]
        return pb.ListRunsResponse(runs=runs, next_page_token=token)

    async def PauseRun(self, request: pb.PauseRunRequest, context: Context) -> pb.PauseRunResponse:
        why = text("reason", request.reason)
        return pb.PauseRunResponse(run=await self._steer(lambda tx: self._runs.pause(tx, request.run_id, caller().name, why)))

    async def ResumeRun(self, request: pb.ResumeRunRequest, context: Context) -> pb.ResumeRunResponse:
        return pb.ResumeRunResponse(run=await self._steer(lambda tx: self._runs.resume(tx, request.run_id, caller().name)))

    async def CancelRun(self, request: pb.CancelRunRequest, context: Context) -> pb.CancelRunResponse:
        why = text("reason", request.reason)
        return pb.CancelRunResponse(run=await self._steer(lambda tx: self._runs.cancel(tx, request.run_id, caller().name, why)))

    async def SkipStep(self, request: pb.SkipStepRequest, context: Context) -> pb.SkipStepResponse:
        path, why, by = text("step_path", request.step_path), text("reason", request.reason), caller().name

        async def make(tx: Tx) -> pb.SkipStepResponse:
            return pb.SkipStepResponse(run=run_to_proto(await self._runs.skip(tx, request.run_id, path, by, why)))

        async with self._database.transaction() as tx:
            return await once(tx, "SkipStep", text("request_id", request.request_id), pb.SkipStepResponse, lambda: make(tx))

    async def RerunFromStep(self, request: pb.RerunFromStepRequest, context: Context) -> pb.RerunFromStepResponse:
        path, why, by = text("step_path", request.step_path), text("reason", request.reason), caller().name

        async def make(tx: Tx) -> pb.RerunFromStepResponse:
            return pb.RerunFromStepResponse(run=run_to_proto(await self._runs.rerun(tx, request.run_id, path, by, why)))

        async with self._database.transaction() as tx:
            return await once(tx, "RerunFromStep", text("request_id", request.request_id), pb.RerunFromStepResponse, lambda: make(tx))

    async def AnswerManualStep(self, request: pb.AnswerManualStepRequest, context: Context) -> pb.AnswerManualStepResponse:
        told = Told(request.question_id, caller().name, SAYS[request.answer], text("note", request.note), _values(request.variables))

        async def make(tx: Tx) -> pb.AnswerManualStepResponse:
            return pb.AnswerManualStepResponse(question=question_to_proto(await self._questions.answer(tx, told)))

        async with self._database.transaction() as tx:
            return await once(tx, "AnswerManualStep", text("request_id", request.request_id), pb.AnswerManualStepResponse, lambda: make(tx))

    async def VoteApproval(self, request: pb.VoteApprovalRequest, context: Context) -> pb.VoteApprovalResponse:
        reason, by = text("reason", request.reason), caller().name
        async with self._database.transaction() as tx:
            question = await self._questions.vote(tx, request.question_id, by, approve=request.approve, reason=reason)
        return pb.VoteApprovalResponse(question=question_to_proto(question))

    async def ListQuestions(self, request: pb.ListQuestionsRequest, context: Context) -> pb.ListQuestionsResponse:
        for_whom = caller().name if request.for_me else None
        incident_id = text("incident_id", request.incident_id)
        async with self._database.transaction(plans_anew=True) as tx:
            found, token = await self._questions.listed(
                tx, for_whom, incident_id, request.also_closed, request.page_size, request.page_token
            )
        questions, token = fitted([question_to_proto(each) for each in found], token, lambda last: encode(found[last].id))
        return pb.ListQuestionsResponse(questions=questions, next_page_token=token)

    async def ExportRun(self, request: pb.ExportRunRequest, context: Context) -> pb.ExportRunResponse:
        async with self._database.transaction() as tx:
            shown = await self._runs.show(tx, request.run_id)
        return pb.ExportRunResponse(cacao=self._library.exported(shown))

    async def AuditRuns(self, request: pb.AuditRunsRequest, context: Context) -> pb.AuditRunsResponse:
        audited = await self._auditor.audit()
        stuck = [
            pb.StuckRun(run_id=each.run_id, incident_id=each.incident_id, since=timestamp(each.since), text=each.text)
            for each in audited.stuck
        ]
        return pb.AuditRunsResponse(runs=audited.runs, stuck=stuck)

    async def _steer(self, work: Callable[[Tx], Awaitable[RunRow]]) -> playbook_pb.Run:
        async with self._database.transaction() as tx:
            return run_to_proto(await work(tx))


def _values(given: Mapping[str, str]) -> dict[str, str | None]:
    return {text("variables", name): text(f"variables.{name}", value) for name, value in given.items()}


def _start_wish(request: pb.StartRunRequest, by: str) -> StartWish:
    return StartWish(
        playbook=text("playbook", request.playbook),
        started_by=by,
        variables=_values(request.variables),
        incident_id=request.incident_id,
        reason=text("reason", request.reason),
        dry_run=request.dry_run,
        simulated=request.simulated,
        priority=request.priority,
    )


def _shown(shown: Shown) -> pb.GetRunResponse:
    open_questions = sum(each.ended_at is None for each in shown.questions)
    return pb.GetRunResponse(
        run=run_to_proto(shown.row, shown.sha256, open_questions),
        steps=[
            step_to_proto(each, shown.run.playbook, [work for work in shown.work if work.path == each.path])
            for each in shown.run.steps.values()
        ],
        questions=[question_to_proto(each) for each in shown.questions],
    )
