"""A client of Alertmanager's API v2, with the key of one integration, as detection hears it."""

import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from detection_service import Door
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.integration_pb2 import Configuration, Integration

API = "/api/v2"


class Client:
    """Sends requests; `key` may be another integration's."""

    def __init__(self, opened: Door) -> None:
        self.door = opened
        self.clock = opened.world.clock
        self.key = opened.key

    async def other(self, name: str) -> "Client":
        """A client with the key of another integration of this kind."""
        wanted = Configuration(integrations=[Integration(name=name, kind="alertmanager")])
        await self.door.admin.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=wanted))
        client = Client(self.door)
        client.key = (await self.door.admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name=name))).key
        return client

    async def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None, **query: Any
    ) -> pb.SubmitReportResponse:
        """A parameter may have several values."""
        request = pb.SubmitReportRequest(
            integration_key=self.key,
            kind="alertmanager",
            method=method,
            path=path,
            query=urlencode(query, doseq=True),
            headers=headers or {},
            body=b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode(),
        )
        answer: pb.SubmitReportResponse = await self.door.edge.SubmitReport(request)
        return answer

    async def get(self, path: str, **query: Any) -> Any:
        """The JSON of an answer that is 200."""
        answer = await self.call("GET", API + path, **query)
        assert (answer.status, answer.content_type) == (200, "application/json"), answer.body
        return json.loads(answer.body)

    async def fire(self, *alerts: dict[str, str], **more: object) -> None:
        told = [{"labels": labels, "endsAt": rfc3339(self.clock.now() + timedelta(hours=1)), **more} for labels in alerts]
        answer = await self.call("POST", API + "/alerts", told)
        assert (answer.status, answer.body) == (200, b"")

    async def names(self, path: str = "/alerts", **query: Any) -> list[str]:
        """The alertnames, sorted."""
        return sorted(alert["labels"]["alertname"] for alert in await self.get(path, **query))

    def wanted(self, *matchers: tuple[str, str, str], minutes: float = 60, **more: object) -> dict[str, object]:
        """A silence to post, from now on. Matchers are (name, operator, value)."""
        return {
            "matchers": [
                {"name": name, "value": value, "isRegex": "~" in operator, "isEqual": "!" not in operator}
                for name, operator, value in matchers or (("alertname", "=", "A"),)
            ],
            "startsAt": rfc3339(self.clock.now()),
            "endsAt": rfc3339(self.clock.now() + timedelta(minutes=minutes)),
            "createdBy": "bob",
            "comment": "planned",
            **more,
        }

    async def silence(self, *matchers: tuple[str, str, str], **more: Any) -> str:
        """Post a silence; returns its id."""
        answer = await self.call("POST", API + "/silences", self.wanted(*matchers, **more))
        assert (answer.status, answer.content_type) == (200, "application/json"), answer.body
        [(name, silence_id)] = json.loads(answer.body).items()
        assert name == "silenceID"
        return str(silence_id)


def rfc3339(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
