"""Everything of detection that is kept in files, applied as one."""

from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1.integration_pb2 import Configuration

from tocsin_chassis.postgres.database import Database
from tocsin_detection.heartbeat.heartbeats import Heartbeats
from tocsin_detection.integrations import Integrations
from tocsin_detection.noise.noise_configuration import NoiseConfiguration


class Configurations:
    """The configuration of detection."""

    def __init__(self, database: Database, integrations: Integrations, heartbeats: Heartbeats, noise: NoiseConfiguration) -> None:
        self._database = database
        self._integrations = integrations
        self._heartbeats = heartbeats
        self._noise = noise

    async def apply(self, configuration: Configuration, *, dry_run: bool, prune: bool) -> list[Change]:
        """All of it or nothing. Raises Invalid that names the field that is wrong."""
        async with self._database.transaction() as tx:
            return [
                *await self._integrations.apply(tx, configuration.integrations, dry_run=dry_run, prune=prune),
                *await self._heartbeats.apply(tx, configuration.heartbeats, dry_run=dry_run, prune=prune),
                *await self._noise.apply(tx, configuration, dry_run=dry_run, prune=prune),
            ]

    async def export(self) -> Configuration:
        """Everything; applying it changes nothing."""
        async with self._database.transaction() as tx:
            found = await self._noise.exported(tx)
            found.integrations.extend(await self._integrations.exported(tx))
            found.heartbeats.extend(await self._heartbeats.exported(tx))
            return found
