"""RunnerService: what runners ask and tell becomes leases and reports."""

from datetime import timedelta

from tocsin.response.v1 import runner_service_pb2 as pb
from tocsin.response.v1.runner_service_pb2_grpc import RunnerServiceServicer

from tocsin_chassis.grpc.deadlines import remaining
from tocsin_chassis.grpc.wrapping import Context
from tocsin_response.oncall.wire import text, timestamp
from tocsin_response.playbook.leases import Leases
from tocsin_response.playbook.reports import Reports
from tocsin_response.playbook.runners import Runners

LONGEST_WAIT_SECONDS = 20.0
# What an answer needs on its way.
MARGIN_SECONDS = 0.5


class RunnerApi(RunnerServiceServicer):
    """The RPCs of runners."""

    def __init__(self, leases: Leases, reports: Reports, runners: Runners) -> None:
        self._leases = leases
        self._runners = runners
        self._reports = reports

    async def ClaimSteps(self, request: pb.ClaimStepsRequest, context: Context) -> pb.ClaimStepsResponse:
        wait = min(request.wait.ToTimedelta().total_seconds(), remaining(LONGEST_WAIT_SECONDS) - MARGIN_SECONDS)
        capabilities = [text("capabilities", each) for each in request.capabilities]
        runner = text("runner", request.runner)
        can = {text("connectors", each.connector): [text("connectors", name) for name in each.actions] for each in request.connectors}
        await self._runners.note(runner, capabilities, can)
        claimed = await self._leases.claim(runner, capabilities, request.most, timedelta(seconds=wait))
        return pb.ClaimStepsResponse(assignments=claimed)

    async def RenewLeases(self, request: pb.RenewLeasesRequest, context: Context) -> pb.RenewLeasesResponse:
        until, lost = await self._leases.renew([(lease.assignment_id, lease.fence) for lease in request.leases])
        return pb.RenewLeasesResponse(lease_until=timestamp(until), stop=lost)

    async def SayGoodbye(self, request: pb.SayGoodbyeRequest, context: Context) -> pb.SayGoodbyeResponse:
        await self._leases.give_back([(lease.assignment_id, lease.fence) for lease in request.leases])
        await self._runners.gone(text("runner", request.runner))
        return pb.SayGoodbyeResponse()

    async def KeepPriorState(self, request: pb.KeepPriorStateRequest, context: Context) -> pb.KeepPriorStateResponse:
        given = request.prior_state.SerializeToString()
        kept = await self._leases.keep_prior_state(request.lease.assignment_id, request.lease.fence, given)
        answer = pb.KeepPriorStateResponse()
        answer.prior_state.ParseFromString(kept)
        return answer

    async def ReportOutcomes(self, request: pb.ReportOutcomesRequest, context: Context) -> pb.ReportOutcomesResponse:
        return pb.ReportOutcomesResponse(refused=await self._reports.take(request.outcomes))
