"""The composition root of the edge."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_chassis.events.consumer import Patience
from tocsin_edge.accounts import Accounts
from tocsin_edge.api import EdgeApi
from tocsin_edge.audit import Audit
from tocsin_edge.contracts import EDGE, public_methods
from tocsin_edge.door import Door
from tocsin_edge.doors import Doors
from tocsin_edge.email_door import EmailDoor
from tocsin_edge.health import Health
from tocsin_edge.http.application import Http
from tocsin_edge.http.block_list import BlockLists
from tocsin_edge.http.calendar_feed import CalendarFeed
from tocsin_edge.http.channel_hooks import ChannelHooks
from tocsin_edge.http.connect import Connect
from tocsin_edge.http.console import Console, built_console
from tocsin_edge.http.intake import MOST_AT_ONCE, MOST_BYTES_AT_ONCE, Intake
from tocsin_edge.http.reply_links import ReplyLinks
from tocsin_edge.http.room import Room
from tocsin_edge.http.span_receiver import SpanReceiver
from tocsin_edge.live import SOURCES, Feed, Listener
from tocsin_edge.private import TELLING, PrivateIncidents
from tocsin_edge.public_grpc import PublicGrpc
from tocsin_edge.ring import Ring
from tocsin_edge.settings import EdgeSettings
from tocsin_edge.spans import Spans
from tocsin_edge.upstream import services
from tocsin_kernel.clock import Clock

FORGET_SPANS_SECONDS = 30.0
# Who may know of an incident is heard at once, and kept for the next start many at a time.
KEEP_SECONDS = 1.0
FORGET_EXPIRED_SECONDS = 600.0


@asynccontextmanager
async def edge(settings: EdgeSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The edge, composed."""
    span_key = settings.span_key_file.read_text().strip() if settings.span_key_file else ""
    async with foundation(EDGE, settings, clock) as base, services(settings.addresses, base.identity) as upstream:
        accounts = Accounts(base.database, base.clock, base.ids)
        audit = Audit(base.database, base.clock, base.ids)
        spans = Spans(base.database, base.clock, settings.spans_kept, receiving=bool(span_key))
        private = PrivateIncidents(base.database)
        feed = Feed(Ring(epoch=base.ids.new()))
        health = Health(base.database, base.app.bus, tuple(settings.addresses), upstream)
        api = EdgeApi(accounts, audit, feed, health, spans, private, settings.public_url)
        methods = public_methods()
        door = Door(accounts, audit, upstream, api)
        room = Room(MOST_AT_ONCE, MOST_BYTES_AT_ONCE)
        doors = Doors(PublicGrpc(door, methods), feed, EmailDoor(upstream, room, settings), settings.http_listen)
        connect = Connect(door, methods, settings.public_url)
        doors.opens(
            Http(
                connect,
                Intake(upstream, room),
                ReplyLinks(upstream),
                ChannelHooks(upstream),
                CalendarFeed(upstream),
                BlockLists(upstream),
                SpanReceiver(spans, span_key),
                Console(built_console()),
                ready=lambda: doors.ready,
            )
        )
        if settings.bootstrap_api_key_file is not None:
            await accounts.register_first_key(settings.bootstrap_api_key_file)
        app = base.app.listens(doors).consumes(private.handlers, Patience(tuple(TELLING.values()), KEEP_SECONDS))
        for source in SOURCES:
            first = private.hear if source == "triage" else None
            app.runs(f"live {source}", Listener(base.app.bus, source, feed, first=first).run)
        yield app.ticks("forget spans", FORGET_SPANS_SECONDS, spans.forget_old).ticks(
            "forget expired", FORGET_EXPIRED_SECONDS, accounts.forget_expired
        )


def main() -> None:
    """The command tocsin-edge."""
    sys.exit(cli.run(EDGE, EdgeSettings, edge))
