"""Brings the schema and the stream of one service to the installed version: `python -m tocsin_chassis.migrating SERVICE`.

That is `tocsin-SERVICE migrate` for whoever sets all services up at once: it loads no more of the service than its migrations.
"""

import asyncio
import os
import sys

from tocsin_chassis.events.bus import event_bus
from tocsin_chassis.events.streams import declare_stream
from tocsin_chassis.postgres import retention
from tocsin_chassis.postgres.database import postgres
from tocsin_chassis.postgres.migrations import migrate
from tocsin_chassis.settings import ServiceSettings, SettingsError, load
from tocsin_kernel.clock import FollowingClock


async def bring(service: str, settings: ServiceSettings) -> None:
    """Run the migrations that have not run yet, make the partitions of these days, declare the stream."""
    for name in await asyncio.to_thread(migrate, settings.postgres_url, service):
        print(f"tocsin-{service}: applied {name}")
    async with postgres(settings.postgres_url, service, clock=FollowingClock()) as database, database.transaction() as tx:
        await retention.maintain(tx, database.clock.now())
    async with event_bus(settings.nats_url, service) as bus:
        await declare_stream(bus.jetstream, service)


def main(service: str) -> int:
    """Returns the exit status."""
    try:
        asyncio.run(bring(service, load(ServiceSettings, os.environ)))
    except SettingsError as error:
        print(f"tocsin-{service}: these settings need attention:\n{error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
