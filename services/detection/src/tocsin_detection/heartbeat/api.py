"""HeartbeatService: requests become commands, answers become messages."""

from tocsin.detection.v1 import heartbeat_service_pb2 as pb
from tocsin.detection.v1.heartbeat_service_pb2_grpc import HeartbeatServiceServicer

from tocsin_chassis.grpc.wrapping import Context
from tocsin_detection.heartbeat.heartbeat import HeartbeatNotFound
from tocsin_detection.heartbeat.heartbeats import Heartbeats
from tocsin_detection.heartbeat.wire import heartbeat_message, heartbeat_of
from tocsin_detection.signal import storable
from tocsin_kernel.clock import Clock


class HeartbeatApi(HeartbeatServiceServicer):
    """The RPCs of heartbeats."""

    def __init__(self, heartbeats: Heartbeats, clock: Clock) -> None:
        self._heartbeats = heartbeats
        self._clock = clock

    async def ListHeartbeats(self, request: pb.ListHeartbeatsRequest, context: Context) -> pb.ListHeartbeatsResponse:
        found = await self._heartbeats.all(storable(request.integration) or None)
        return pb.ListHeartbeatsResponse(heartbeats=[heartbeat_message(heartbeat) for heartbeat in found])

    async def GetHeartbeat(self, request: pb.GetHeartbeatRequest, context: Context) -> pb.GetHeartbeatResponse:
        return pb.GetHeartbeatResponse(heartbeat=heartbeat_message(await self._heartbeats.get(storable(request.name))))

    async def CreateHeartbeat(self, request: pb.CreateHeartbeatRequest, context: Context) -> pb.CreateHeartbeatResponse:
        wanted = heartbeat_of(request.heartbeat, self._clock.now())
        return pb.CreateHeartbeatResponse(heartbeat=await self._heartbeats.create(wanted, request.request_id))

    async def UpdateHeartbeat(self, request: pb.UpdateHeartbeatRequest, context: Context) -> pb.UpdateHeartbeatResponse:
        wanted = heartbeat_of(request.heartbeat, self._clock.now())
        return pb.UpdateHeartbeatResponse(heartbeat=heartbeat_message(await self._heartbeats.update(wanted.name, lambda _: wanted)))

    async def DeleteHeartbeat(self, request: pb.DeleteHeartbeatRequest, context: Context) -> pb.DeleteHeartbeatResponse:
        try:
            await self._heartbeats.delete(storable(request.name))
        except HeartbeatNotFound:
            pass  # deleting twice is deleting once
        return pb.DeleteHeartbeatResponse()

    async def EnableHeartbeat(self, request: pb.EnableHeartbeatRequest, context: Context) -> pb.EnableHeartbeatResponse:
        return pb.EnableHeartbeatResponse(heartbeat=heartbeat_message(await self._heartbeats.enable(storable(request.name))))

    async def DisableHeartbeat(self, request: pb.DisableHeartbeatRequest, context: Context) -> pb.DisableHeartbeatResponse:
        return pb.DisableHeartbeatResponse(heartbeat=heartbeat_message(await self._heartbeats.disable(storable(request.name))))

    async def PingHeartbeat(self, request: pb.PingHeartbeatRequest, context: Context) -> pb.PingHeartbeatResponse:
        return pb.PingHeartbeatResponse(heartbeat=heartbeat_message(await self._heartbeats.ping(storable(request.name))))
