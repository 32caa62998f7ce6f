"""An OpenC2 consumer: a stateless packet filter that applies each command once."""

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer

MEDIA_TYPE = "application/openc2+json;version=1.0"
PAIRS = {"deny": ["ipv4_net", "ipv6_net"], "delete": ["slpf:rule_number"], "query": ["features"]}


@dataclass(slots=True)
class Openc2Twin(Twin):
    """Rules by their number."""

    rules: dict[int, str] = field(default_factory=dict)
    answered: dict[str, tuple[int, Any]] = field(default_factory=dict)
    pairs: dict[str, list[str]] = field(default_factory=lambda: dict(PAIRS))
    slow: bool = False

    name = "openc2"

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs the header."""
        return None if request.headers.get("authorization") == f"{SECRET}authorization" else answer({"status": 401}, 401)

    def world(self) -> Any:
        """Rules."""
        return {"rules": self.rules}

    def label(self, body: bytes) -> str:
        """All requests have the same address; the action tells them apart."""
        return str(json.loads(body)["body"]["openc2"]["request"]["action"])

    def routes(self) -> list[BaseRoute]:
        """The one address."""
        return [Route("/.well-known/openc2", self._command, methods=["POST"])]

    async def _command(self, request: Request) -> Response:
        if request.headers.get("content-type") != MEDIA_TYPE:
            return answer({"status": 415}, 415)
        said = await request.json()
        wanted = said["body"]["openc2"]["request"]
        command = wanted.get("command_id") or said["headers"]["request_id"]
        if wanted["action"] == "query":
            return self._told(said, 200, {"pairs": self.pairs})
        if command not in self.answered:
            status, results = self._applied(wanted)
            if self.ignoring or status >= 400:
                return self._told(said, status, results)
            self.answered[command] = status, results
        return self._told(said, *self.answered[command])

    def _applied(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        (kind, value), *_ = wanted["target"].items()
        if kind not in self.pairs.get(wanted["action"], []):
            return 501, None
        if wanted["action"] == "deny":
            number = max(self.rules, default=1000) + 1
            if not self.ignoring:
                self.rules[number] = value
            return (102, None) if self.slow else (200, {"slpf": {"rule_number": number}})
        return (200, None) if self.rules.pop(value, None) else (404, None)

    def _told(self, said: dict[str, Any], status: int, results: Any) -> Response:
        response = {"status": status, **({"results": results} if results else {})}
        content = {"headers": {"request_id": said["headers"]["request_id"]}, "body": {"openc2": {"response": response}}}
        # An interim status of HTTP would not be an answer.
        return answer(content, 200 if status == 102 else status, {"content-type": MEDIA_TYPE})
