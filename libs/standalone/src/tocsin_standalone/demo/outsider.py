"""What an outsider can do to the platform: send alerts over HTTP, call its API with a key, use the link in a mail."""

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import httpx
from tocsin.access.v1 import access_pb2
from tocsin.edge.v1 import edge_service_pb2 as edge
from tocsin.response.v1 import playbook_pb2, playbook_service_pb2
from tocsin.triage.v1 import incident_pb2
from tocsin.triage.v1 import triage_service_pb2 as triage

from tocsin_client import configuration
from tocsin_client.client import Tocsin
from tocsin_client.connection import Connection
from tocsin_client.errors import TooSlow, Unavailable
from tocsin_kernel.ids import Ids

Result = TypeVar("Result")
Request = TypeVar("Request")
Answer = TypeVar("Answer")
PATIENCE_SECONDS = 60.0
SHORT_FORM = ".yaml"
LIVE = (incident_pb2.Incident.STATE_OPEN, incident_pb2.Incident.STATE_ACKNOWLEDGED)


@dataclass(frozen=True)
class Person:
    """Somebody of the example organisation at the platform. What is restarted meanwhile is waited for."""

    name: str
    connection: Connection

    async def does(self, work: Callable[[Tocsin], Result], seconds: float = PATIENCE_SECONDS) -> Result:
        """What the work gives. Raises TocsinError, if the platform does not answer for so long the last one."""
        end = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                return await asyncio.to_thread(self._do, work)
            except (Unavailable, TooSlow):
                if asyncio.get_running_loop().time() > end:
                    raise
                await asyncio.sleep(1)

    async def calls(self, method: Callable[[Tocsin], Callable[[Request], Answer]], request: Request) -> Answer:
        """The answer of one call. Raises TocsinError."""
        return await self.does(lambda tocsin: method(tocsin)(request))

    def _do(self, work: Callable[[Tocsin], Result]) -> Result:
        with Tocsin(self.connection) as tocsin:
            return work(tocsin)


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
        """Keep the playbooks that are shipped, and apply the configuration files of a folder."""
        await asyncio.to_thread(self._put_playbooks)
        await asyncio.to_thread(lambda: configuration.apply(self.connection, configuration.load(folder)))

    async def signed_in(self, name: str) -> "Person":
        """A responder who has followed a sign-in link."""
        return Person(name, Connection(self.connection.address, await asyncio.to_thread(self._session, name), self.connection.console))

    def _put_playbooks(self) -> None:
        with Tocsin(self.connection) as tocsin:
            for file in sorted(files("tocsin_playbook.library").iterdir(), key=lambda each: each.name):
                if file.name.endswith(SHORT_FORM):
                    shipped = playbook_pb2.Playbook(name=file.name.removesuffix(SHORT_FORM), content=file.read_text())
                    tocsin.playbooks.PutPlaybook(playbook_service_pb2.PutPlaybookRequest(playbook=shipped))

    def _session(self, name: str) -> str:
        with Tocsin(self.connection) as tocsin:
            link = tocsin.edge.CreateSignInLink(edge.CreateSignInLinkRequest(account=name, role=access_pb2.ROLE_RESPONDER))
            return tocsin.edge.SignIn(edge.SignInRequest(token=re.split(r"[/#=]", link.url)[-1])).session_token

    def _declare(self, request: triage.DeclareIncidentRequest) -> None:
        with Tocsin(self.connection) as tocsin:
            tocsin.triage.DeclareIncident(request)

    def _live_incidents(self) -> list[incident_pb2.Incident]:
        with Tocsin(self.connection) as tocsin:
            return list(tocsin.incidents(LIVE))
