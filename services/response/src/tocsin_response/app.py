"""The composition root of response."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.response.v1.response_service_pb2 import DESCRIPTOR
from tocsin.response.v1.response_service_pb2_grpc import add_ResponseServiceServicer_to_server
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentOpened, IncidentReopened, IncidentResolved, SeverityChanged

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_kernel.clock import Clock
from tocsin_response.actions.platform import detection
from tocsin_response.api import ResponseApi
from tocsin_response.configuration.configurations import Configurations
from tocsin_response.escalation.escalations import Escalations
from tocsin_response.gap.reports import GapReports
from tocsin_response.oncall.oncall import Oncall
from tocsin_response.settings import ResponseSettings

STEP_SECONDS = 0.25
REPORT_SECONDS = 0.5


@asynccontextmanager
async def response(settings: ResponseSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed and not yet running."""
    async with (
        foundation("response", settings, clock) as base,
        detection(settings.detection_address, base.identity) as alerts,
    ):
        oncall = Oncall(base.database, base.clock, base.ids)
        escalations = Escalations(base.database, base.clock, base.ids)
        configurations = Configurations(base.database, base.clock)
        api = ResponseApi(base.database, oncall, escalations, configurations)
        yield (
            base.app.serves(api, add_ResponseServiceServicer_to_server, DESCRIPTOR.services_by_name["ResponseService"])
            .consumes(
                {
                    IncidentOpened: escalations.on_opening,
                    IncidentReopened: escalations.on_opening,
                    IncidentAcknowledged: escalations.on_change,
                    IncidentResolved: escalations.on_change,
                    SeverityChanged: escalations.on_change,
                }
            )
            .ticks("escalation steps", STEP_SECONDS, escalations.step_on)
            .ticks("gap reports", REPORT_SECONDS, GapReports(base.database, base.clock, alerts).send_due)
        )


def main() -> None:
    """The command `tocsin-response`."""
    sys.exit(cli.run("response", ResponseSettings, response))
