"""The composition root of detection."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from tocsin.detection.v1.detection_service_pb2 import DESCRIPTOR
from tocsin.detection.v1.detection_service_pb2_grpc import add_DetectionServiceServicer_to_server

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_detection.alerts import Alerts
from tocsin_detection.api import DetectionApi
from tocsin_detection.integrations import Integrations
from tocsin_detection.settings import DetectionSettings
from tocsin_detection.signals import Signals
from tocsin_kernel.clock import Clock


@asynccontextmanager
async def detection(settings: DetectionSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed."""
    async with foundation("detection", settings, clock) as base:
        integrations = Integrations(base.database, base.clock, base.ids)
        signals = Signals(base.database, integrations, base.clock, base.ids)
        alerts = Alerts(base.database, base.clock, base.ids, timedelta(seconds=settings.silence_grace_seconds))
        api = DetectionApi(signals, alerts, integrations, base.clock)
        yield (
            base.app.serves(api, add_DetectionServiceServicer_to_server, DESCRIPTOR.services_by_name["DetectionService"])
            .ticks("silent end of alerts", 0.5, alerts.end_silent)
            .ticks("last reports of integrations", 2.0, integrations.note_reports)
        )


def main() -> None:
    """The command tocsin-detection."""
    sys.exit(cli.run("detection", DetectionSettings, detection))
