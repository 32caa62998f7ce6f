"""The composition root of communication."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from tocsin.communication.v1 import contact_service_pb2, paging_service_pb2
from tocsin.communication.v1.communication_service_pb2 import DESCRIPTOR
from tocsin.communication.v1.communication_service_pb2_grpc import add_CommunicationServiceServicer_to_server
from tocsin.communication.v1.contact_service_pb2_grpc import add_ContactServiceServicer_to_server
from tocsin.communication.v1.paging_service_pb2_grpc import add_PagingServiceServicer_to_server
from tocsin.triage.v1.events_pb2 import IncidentOpened
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_chassis.events.consumer import Patience
from tocsin_chassis.grpc.channel import channel
from tocsin_chassis.postgres.presence import presence
from tocsin_communication.answers.answers import Answers
from tocsin_communication.answers.events import Events
from tocsin_communication.answers.links import Links
from tocsin_communication.answers.replies import Replies
from tocsin_communication.api import CommunicationApi
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.channels.channel import Accounts, Surroundings
from tocsin_communication.channels.hooks import Hooks
from tocsin_communication.channels.registry import KINDS
from tocsin_communication.configuration.configuration import ConfigurationStore
from tocsin_communication.consumers import Consumers
from tocsin_communication.contacts.api import ContactApi
from tocsin_communication.contacts.by_hand import ByHand
from tocsin_communication.contacts.confirmation import Confirmation
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.contacts.delegations import Delegations
from tocsin_communication.contacts.reachability import Reachability
from tocsin_communication.edits.editor import Editor
from tocsin_communication.incidents.checks import Checks
from tocsin_communication.incidents.incidents import Incidents
from tocsin_communication.pages.api import PagingApi
from tocsin_communication.pages.follow_ups import FollowUps
from tocsin_communication.pages.pages import Pages
from tocsin_communication.pages.preview import Preview
from tocsin_communication.pages.questions import Questions
from tocsin_communication.pages.summonses import Summonses
from tocsin_communication.rules.tallies import Tallies
from tocsin_communication.sending.bundling import Bundler
from tocsin_communication.sending.departures import Departures
from tocsin_communication.sending.failures import Failures
from tocsin_communication.sending.gone import Gone
from tocsin_communication.sending.receipts import Receipts
from tocsin_communication.sending.recorder import Recorder
from tocsin_communication.sending.sender import Sender
from tocsin_communication.sending.switch import Switch
from tocsin_communication.settings import CommunicationSettings
from tocsin_kernel.clock import Clock

# A summons brings its incident along, so that nobody waits for what triage said of it before.
GATHER_SECONDS = 0.5
SWITCH_SECONDS = 1.0
RECEIPT_SECONDS = 2.0
GONE_SECONDS = 1.0
REACHABILITY_SECONDS = 60.0
HOUR_SECONDS = 3600.0


@asynccontextmanager
async def communication(settings: CommunicationSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed."""
    async with (
        foundation("communication", settings, clock) as base,
        channel(settings.triage_address, base.identity) as triage,
        accounts(settings, base.clock) as opened,
        presence(base.database) as shown,
    ):
        woken, woken_editor = asyncio.Event(), asyncio.Event()
        database, now = base.database, base.clock
        links = Links(database, base.ids, settings.public_url)
        channels = Channels(opened, now)
        departures = Departures(woken.set, Tallies(now), shown, base.app.hearing)
        pages = Pages(now, base.ids, links, channels, woken.set)
        follow_ups = FollowUps(now, pages, channels, woken_editor.set)
        incidents = Incidents(now, follow_ups)
        summonses = Summonses(now, pages, incidents, departures)
        questions = Questions(now, base.ids, pages, incidents, follow_ups)
        failures = Failures(now, channels, woken.set)
        bundler = Bundler(now, pages, departures.tallies)
        recorder = Recorder(database, channels, follow_ups, failures)
        sender = Sender(database, now, links, channels, departures, bundler, recorder, woken)
        receipts = Receipts(database, now, channels, failures, woken.set)
        answers = Answers(database, now, TriageServiceStub(triage))
        events = Events(database, now, answers, receipts)
        hooks = Hooks(opened, settings.public_url, events.take)
        switch = Switch(database, now, departures)
        confirmation = Confirmation(database, now, base.ids, pages, channels)
        reachability = Reachability(database, now, channels, failures)
        consumers = Consumers(now, pages, summonses, questions, incidents)
        api = CommunicationApi(database, pages, Replies(database, answers), ConfigurationStore(database, switch.refresh), hooks)
        preview = Preview(database, channels, departures)
        paging_api = PagingApi(database, now, channels, preview, confirmation, answers, switch)
        delegations = Delegations(database, now, base.ids)
        contact_api = ContactApi(database, now, channels, confirmation, reachability, delegations, ByHand(database, now, channels))
        yield (
            base.app.serves(api, add_CommunicationServiceServicer_to_server, DESCRIPTOR.services_by_name["CommunicationService"])
            .serves(paging_api, add_PagingServiceServicer_to_server, paging_service_pb2.DESCRIPTOR.services_by_name["PagingService"])
            .serves(contact_api, add_ContactServiceServicer_to_server, contact_service_pb2.DESCRIPTOR.services_by_name["ContactService"])
            .consumes(consumers.of_escalations)
            .consumes(consumers.of_silences)
            .consumes(consumers.of_incidents, Patience((IncidentOpened,), GATHER_SECONDS))
            .runs("sender", sender.run)
            .runs("listeners", hooks.listen)
            .runs("editor", Editor(database, now, links, channels, follow_ups, woken_editor).run)
            .ticks("switch", SWITCH_SECONDS, switch.refresh)
            .ticks("senders that are gone", GONE_SECONDS, Gone(database, shown, woken.set).look)
            .ticks("receipts", RECEIPT_SECONDS, receipts.look_for_missing)
            .ticks("forgetting of the platform's checks", HOUR_SECONDS, Checks(database, now).forget)
            .ticks("reachability", REACHABILITY_SECONDS, reachability.check)
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
