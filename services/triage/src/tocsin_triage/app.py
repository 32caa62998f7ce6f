"""The composition root of triage."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin.triage.v1.triage_service_pb2 import DESCRIPTOR
from tocsin.triage.v1.triage_service_pb2_grpc import add_TriageServiceServicer_to_server

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_chassis.events.consumer import Patience
from tocsin_kernel.clock import Clock
from tocsin_triage.api import TriageApi
from tocsin_triage.configuring import Configuring
from tocsin_triage.consumers import INVOLVING, AlertFacts, ResponseFacts
from tocsin_triage.incidents import Incidents
from tocsin_triage.placements import Placements
from tocsin_triage.settings import TriageSettings
from tocsin_triage.simulations import Simulations

HOUR_SECONDS = 3600.0
# That somebody was summoned is noted many at a time: it counts where an incident is or becomes private, and paging goes before.
GATHER_SECONDS = 0.25


@asynccontextmanager
async def triage(settings: TriageSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed."""
    async with foundation("triage", settings, clock) as base:
        incidents = Incidents(base.database, base.clock, base.ids)
        placements = Placements(base.database, base.clock, base.ids)
        api = TriageApi(base.database, incidents, Configuring(base.database), Simulations(base.database))
        yield (
            base.app.serves(api, add_TriageServiceServicer_to_server, DESCRIPTOR.services_by_name["TriageService"])
            .consumes(AlertFacts(placements).handlers)
            .consumes(ResponseFacts(incidents).handlers, Patience(INVOLVING, GATHER_SECONDS))
            .ticks("forgetting of early alerts", HOUR_SECONDS, placements.forget_early)
            .ticks("forgetting of the platform's checks", HOUR_SECONDS, placements.forget_checks)
        )


def main() -> None:
    """The command tocsin-triage."""
    sys.exit(cli.run("triage", TriageSettings, triage))
