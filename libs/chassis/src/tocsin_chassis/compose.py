"""What every composition root opens: database, bus, keys."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tocsin_chassis.app import App
from tocsin_chassis.events.bus import event_bus
from tocsin_chassis.grpc.caller import Identity, TrustedKeys
from tocsin_chassis.postgres.database import Database, postgres
from tocsin_chassis.settings import ServiceSettings
from tocsin_kernel.clock import Clock, FollowingClock
from tocsin_kernel.ids import Ids, RandomIds


@dataclass(frozen=True, slots=True)
class Foundation:
    """What a service is built on."""

    app: App
    database: Database
    clock: Clock
    ids: Ids
    identity: Identity
    keys: TrustedKeys


@asynccontextmanager
async def foundation(service: str, settings: ServiceSettings, clock: Clock | None = None) -> AsyncIterator[Foundation]:
    """Open what every service needs; close it at the end. `clock` replaces the one that follows the database, for tests: facts are told
    at its time too."""
    following = FollowingClock()
    ids = RandomIds()
    keys = TrustedKeys.read(settings.trusted_keys_file, following)
    identity = Identity.read(service, settings.signing_key_file, following)
    async with (
        postgres(settings.postgres_url, service, clock=following, ids=ids, size=settings.postgres_pool_size, told_by=clock) as database,
        event_bus(settings.nats_url, service) as bus,
    ):
        app = App(service, database, bus, keys, settings.grpc_listen, clock or following)
        yield Foundation(app, database, clock or following, ids, identity, keys)
