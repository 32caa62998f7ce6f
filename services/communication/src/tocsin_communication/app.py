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
from tocsin_communication.channels.channel import ChannelDriver, Off
from tocsin_communication.channels.email import EmailChannel, MailServer
from tocsin_communication.channels.webhook import WebhookSecret, webhook_channel
from tocsin_communication.configuration import ConfigurationStore
from tocsin_communication.consumers import Consumers
from tocsin_communication.contact import Channel
from tocsin_communication.departures import Departures
from tocsin_communication.links import Links
from tocsin_communication.pages import Pages
from tocsin_communication.receipt import Outcome, Receipt
from tocsin_communication.replies import Replies
from tocsin_communication.sender import Sender
from tocsin_communication.settings import CommunicationSettings
from tocsin_kernel.clock import Clock

# A summons brings its incident along, so that nobody waits for what triage said of it before.
GATHER_SECONDS = 0.1


@asynccontextmanager
async def communication(settings: CommunicationSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed."""
    async with (
        foundation("communication", settings, clock) as base,
        channel(settings.triage_address, base.identity) as triage,
        drivers(settings, base.clock) as channels,
    ):
        woken = asyncio.Event()
        links = Links(base.database, base.ids, settings.public_url)
        departures = Departures(woken.set)
        pages = Pages(base.clock, base.ids, links, departures, woken.set)
        sender = Sender(base.database, base.clock, links, channels, pages, departures, woken)
        replies = Replies(base.database, base.clock, TriageServiceStub(triage))
        api = CommunicationApi(base.database, pages, replies, ConfigurationStore(base.database))
        yield (
            base.app.serves(api, add_CommunicationServiceServicer_to_server, DESCRIPTOR.services_by_name["CommunicationService"])
            .consumes(Consumers(pages).handlers, Patience((IncidentOpened,), GATHER_SECONDS))
            .runs("sender", sender.run)
        )


@asynccontextmanager
async def drivers(settings: CommunicationSettings, clock: Clock) -> AsyncIterator[dict[Channel, ChannelDriver]]:
    """The channels that are set up; the others say how to set them up."""
    async with AsyncExitStack() as stack:
        email: ChannelDriver = Off(Receipt(Outcome.PERMANENT, "e-mail is off: TOCSIN_SMTP_URL is not set"))
        if settings.smtp_url:
            email = EmailChannel(MailServer.read(settings.smtp_url), settings.email_from, clock)
        webhook: ChannelDriver = Off(Receipt(Outcome.PERMANENT, "webhooks are off: TOCSIN_WEBHOOK_SECRET_FILE is not set"))
        if settings.webhook_secret_file is not None:
            secret = WebhookSecret(settings.webhook_secret_file.read_text())
            webhook = await stack.enter_async_context(webhook_channel(secret, settings.webhook_allow_private, clock))
        yield {Channel.EMAIL: email, Channel.WEBHOOK: webhook}


def main() -> None:
    """The command tocsin-communication."""
    sys.exit(cli.run("communication", CommunicationSettings, communication))
