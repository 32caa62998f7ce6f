"""Firewalls read block lists at secret links."""

from pathlib import Path
from typing import Any

from edge_harness import running_edge
from tocsin.response.v1 import containment_service_pb2 as pb
from tocsin.response.v1 import containment_service_pb2_grpc

from tocsin_chassis.grpc.caller import TrustedKeys, caller
from tocsin_chassis.grpc.server import GrpcServer, Served
from tocsin_kernel.errors import NotFound, Overloaded
from tocsin_testkit.world import World


class ListUnknown(NotFound):
    reason = "BLOCK_LIST_NOT_FOUND"
    message = "there is no such block list"


class Busy(Overloaded):
    reason = "DATABASE_BUSY"
    message = "too many requests for the database"


class Response(containment_service_pb2_grpc.ContainmentServiceServicer):
    """Knows one secret."""

    async def ReadBlockList(self, request: Any, context: Any) -> Any:
        assert caller().service == "edge"
        assert request.reader == "127.0.0.1"
        if request.token == "busy":
            raise Busy()
        if (request.token, request.list) != ("right", "deny"):
            raise ListUnknown()
        answer = pb.ReadBlockListResponse(text="1.2.3.4\n", etag="7")
        answer.changed_at.FromJsonString("2026-11-23T12:00:00Z")
        return answer


async def test_a_block_list_is_read_by_its_secret_link_and_an_outage_never_empties_it(world: World, tmp_path: Path) -> None:
    add = containment_service_pb2_grpc.add_ContainmentServiceServicer_to_server
    served = Served(Response(), add, pb.DESCRIPTOR.services_by_name["ContainmentService"])
    server = GrpcServer([served], TrustedKeys.read(world.keys.folder / "trusted.jwks"))
    port = await server.start("127.0.0.1:0")
    await server.report(True)
    try:
        async with running_edge(world, tmp_path, response_address=f"127.0.0.1:{port}") as edge:
            found = await edge.http.get("/edl/right/deny.txt")
            assert (found.status_code, found.text, found.headers["etag"]) == (200, "1.2.3.4\n", '"7"')
            assert found.headers["last-modified"] == "Mon, 23 Nov 2026 12:00:00 GMT"
            again = await edge.http.get("/edl/right/deny.txt", headers={"if-none-match": '"7"'})
            assert (again.status_code, again.content) == (304, b"")
            for path in ("/edl/wrong/deny.txt", "/edl/right/other.txt", "/edl/right/deny", "/edl//deny.txt", "/edl/right/a/b.txt"):
                assert (await edge.http.get(path)).status_code == 404
            busy = await edge.http.get("/edl/busy/deny.txt")
            assert (busy.status_code, busy.headers["retry-after"]) == (503, "60")
            assert (await edge.http.post("/edl/right/deny.txt")).status_code == 405
    finally:
        await server.stop(1.0)
