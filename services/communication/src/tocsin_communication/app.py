"""The composition root of communication."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tocsin.communication.v1.communication_service_pb2 import DESCRIPTOR
from tocsin.communication.v1.communication_service_pb2_grpc import add_CommunicationServiceServicer_to_server
from tocsin.triage.v1.events_pb2 import IncidentOpened
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_chassis.events.consumer import Patience
from tocsin_chassis.grpc.channel import channel
from tocsin_communication.api import CommunicationApi
from tocsin_communication.channels.channel import Accounts, Surroundings
from tocsin_communication.channels.registry import KINDS
from tocsin_communication.configuration import ConfigurationStore
from tocsin_communication.consumers import Consumers
from tocsin_communication.contact import Channel
from tocsin_communication.departures import Departures
from tocsin_communication.links import Links
from tocsin_communication.pages import Pages
from tocsin_communication.replies import Replies
from tocsin_communication.sender import Sender
from tocsin_communication.settings import CommunicationSettings
from tocsin_kernel.clock import Clock

# A summons brings its incident along, so that nobody waits for what triage said of it before.
GATHER_SECONDS = 0.5


@asynccontextmanager
async def communication(settings: CommunicationSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed."""
    async with (
        foundation("communication", settings, clock) as base,
        channel(settings.triage_address, base.identity) as triage,
        accounts(settings, base.clock) as channels,
    ):
        woken = asyncio.Event()
        links = Links(base.database, base.ids, settings.public_url)
        departures = Departures(woken.set)
        pages = Pages(base.clock, base.ids, links, departures, woken.set)
        drivers = {channel: opened[0].driver for channel, opened in channels.items()}
        sender = Sender(base.database, base.clock, links, drivers, pages, departures, woken)
        replies = Replies(base.database, base.clock, TriageServiceStub(triage))
        consumers = Consumers(pages)
        api = CommunicationApi(base.database, pages, replies, ConfigurationStore(base.database))
        yield (
            base.app.serves(api, add_CommunicationServiceServicer_to_server, DESCRIPTOR.services_by_name["CommunicationService"])
            .consumes(consumers.handlers)
            .consumes(consumers.of_incidents, Patience((IncidentOpened,), GATHER_SECONDS))
            .runs("sender", sender.run)
        )


@asynccontextmanager
async def accounts(settings: CommunicationSettings, clock: Clock) -> AsyncIterator[dict[Channel, Accounts]]:
    """The accounts of every kind of channel; one that is not set up says how to set it up."""
    around = Surroundings(clock, settings.public_url)
    async with AsyncExitStack() as stack:
        yield {kind.channel: await stack.enter_async_context(kind.open(settings, around)) for kind in KINDS}


def main() -> None:
    """The command tocsin-communication."""
    sys.exit(cli.run("communication", CommunicationSettings, communication))
