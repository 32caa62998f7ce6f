"""A sender that is too fast, on real servers."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from tocsin.access.v1.access_pb2 import Role
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.integration_pb2 import Configuration, Integration

from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.settings import DetectionSettings
from tocsin_testkit.world import World


async def test_what_is_urgent_is_kept_and_the_rest_is_refused_with_the_time_to_wait(world: World) -> None:
    settings = world.settings("detection", DetectionSettings, rate_per_second=1, rate_burst=2)
    async with world.running(detection(settings, clock=world.clock)) as app:
        edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        configuration = Configuration(integrations=[Integration(name="door", kind="webhook")])
        await admin.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=configuration))
        key = (await admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name="door"))).key

        def report(body: bytes) -> pb.SubmitReportRequest:
            return pb.SubmitReportRequest(integration_key=key, kind="webhook", method="POST", path="/", body=body)

        assert (await edge.SubmitReport(report(b'[{"title": "a"}, {"title": "b"}]'))).accepted == 2
        told = {header.name: header.value for header in (await edge.SubmitReport(report(b"no json"))).headers}
        assert told == {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2"}
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await edge.SubmitReport(report(b'[{"title": "c"}, {"title": "fire", "severity": "critical"}]'))
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        packed = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
        info = error_details_pb2.ErrorInfo()
        status_pb2.Status.FromString(packed).details[0].Unpack(info)  # type: ignore[arg-type]
        assert (info.reason, info.metadata["retry_after"]) == ("INTEGRATION_TOO_FAST", "1.0")
        titles = {alert.title for alert in (await admin.ListAlerts(pb.ListAlertsRequest())).alerts}
        assert titles == {"a", "b", "fire"}
