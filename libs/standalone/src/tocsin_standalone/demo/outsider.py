"""What an outsider can do to the platform: send alerts over HTTP, call its API with a key, use the link in a mail."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tocsin.triage.v1 import incident_pb2
from tocsin.triage.v1 import triage_service_pb2 as triage

from tocsin_client import configuration
from tocsin_client.client import Tocsin
from tocsin_client.connection import Connection
from tocsin_kernel.ids import Ids

LIVE = (incident_pb2.Incident.STATE_OPEN, incident_pb2.Incident.STATE_ACKNOWLEDGED)


@dataclass(frozen=True)
class Outsider:
    """Somebody with a connection.json and a web client."""

    connection: Connection
    integrations: Mapping[str, Mapping[str, str]]
    web: httpx.AsyncClient
    ids: Ids

    @classmethod
    def reading(cls, file: Path, web: httpx.AsyncClient, ids: Ids) -> "Outsider":
        """The outsider whom a connection.json describes."""
        return cls(Connection.from_file(file), json.loads(file.read_text())["integrations"], web, ids)

    async def report(self, kind: str, body: Any) -> None:
        """Send what a monitoring system of this kind would. Raises httpx.HTTPError if it is refused."""
        integration = self.integrations[kind]
        answer = await self.web.post(integration["url"], json=body, headers={"Authorization": f"Bearer {integration['key']}"})
        answer.raise_for_status()

    async def follow(self, link: str) -> None:
        """Press the button behind a link. Raises httpx.HTTPError if it is refused."""
        (await self.web.post(link)).raise_for_status()

    async def declare(self, title: str, summary: str, service: str) -> None:
        """Declare an incident, as a person does."""
        request = triage.DeclareIncidentRequest(
            request_id=self.ids.new(), title=title, summary=summary, service=service, severity=incident_pb2.SEVERITY_SEV3
        )
        await asyncio.to_thread(self._declare, request)

    async def live_incidents(self) -> list[incident_pb2.Incident]:
        """What is open or acknowledged now."""
        return await asyncio.to_thread(self._live_incidents)

    async def organise(self, folder: Path) -> None:
        """Apply the configuration files of a folder."""
        await asyncio.to_thread(lambda: configuration.apply(self.connection, configuration.load(folder)))

    def _declare(self, request: triage.DeclareIncidentRequest) -> None:
        with Tocsin(self.connection) as tocsin:
            tocsin.triage.DeclareIncident(request)

    def _live_incidents(self) -> list[incident_pb2.Incident]:
        with Tocsin(self.connection) as tocsin:
            return list(tocsin.incidents(LIVE))
