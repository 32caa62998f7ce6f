"""Calendar programs read duties at secret links."""

from pathlib import Path
from typing import Any

from edge_harness import running_edge
from tocsin.response.v1 import oncall_service_pb2 as pb
from tocsin.response.v1 import oncall_service_pb2_grpc

from tocsin_chassis.grpc.caller import TrustedKeys, caller
from tocsin_chassis.grpc.server import GrpcServer, Served
from tocsin_kernel.errors import NotFound, Overloaded
from tocsin_testkit.world import World


class FeedUnknown(NotFound):
    reason = "CALENDAR_FEED_NOT_FOUND"
    message = "there is no calendar behind this link"


class Busy(Overloaded):
    reason = "DATABASE_BUSY"
    message = "too many requests for the database"


class Response(oncall_service_pb2_grpc.OncallServiceServicer):
    """Knows one secret; its calendar is written anew each time."""

    def __init__(self) -> None:
        self.read = 0

    async def GetCalendarFeed(self, request: Any, context: Any) -> Any:
        assert caller().service == "edge"
        self.read += 1
        if request.token == "busy":
            raise Busy()
        if request.token != "right":
            raise FeedUnknown()
        text = b"BEGIN:VCALENDAR\r\nDTSTAMP:%d\r\nEND:VCALENDAR\r\n" % self.read
        answer = pb.GetCalendarFeedResponse(calendar=text)
        answer.fresh_for.seconds = 900
        return answer


async def test_a_calendar_is_read_by_its_secret_link_alone(world: World, tmp_path: Path) -> None:
    behind = Response()
    add = oncall_service_pb2_grpc.add_OncallServiceServicer_to_server
    served = Served(behind, add, pb.DESCRIPTOR.services_by_name["OncallService"])
    server = GrpcServer([served], TrustedKeys.read(world.keys.folder / "trusted.jwks"))
    port = await server.start("127.0.0.1:0")
    await server.report(True)
    try:
        async with running_edge(world, tmp_path, response_address=f"127.0.0.1:{port}") as edge:
            found = await edge.http.get("/calendar/right.ics")
            assert (found.status_code, found.headers["content-type"]) == (200, "text/calendar; charset=utf-8")
            assert found.headers["cache-control"] == "private, max-age=900"
            assert found.text.startswith("BEGIN:VCALENDAR")
            again = await edge.http.get("/calendar/right.ics", headers={"if-none-match": found.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            for path in ("/calendar/wrong.ics", "/calendar/right", "/calendar/.ics", "/calendar/a/b.ics", f"/calendar/{'x' * 300}.ics"):
                assert (await edge.http.get(path)).status_code == 404
            busy = await edge.http.get("/calendar/busy.ics")
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "60")
            assert (await edge.http.post("/calendar/right.ics")).status_code == 405
    finally:
        await server.stop(1.0)
