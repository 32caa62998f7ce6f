"""Any service with documents, and whatever requests a playbook describes itself."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer


@dataclass(slots=True)
class HttpTwin(Twin):
    """Documents with versions. Requests of http-api commands are only taken down: /_exercise/<host>/<path>."""

    documents: dict[str, Any] = field(default_factory=lambda: {"flags/checkout": {"enabled": True}})
    taken: list[Any] = field(default_factory=list)

    name = "http"

    def refusal(self, request: Request, path: str) -> Response | None:
        """Documents need the header; the rest is open."""
        if request.headers.get("authorization") == f"{SECRET}authorization" or path.startswith("/_exercise/"):
            return None
        return answer({"error": "who are you?"}, 401)

    def world(self) -> Any:
        """Documents, and requests of playbooks."""
        return {"documents": self.documents, "taken": self.taken}

    def routes(self) -> list[BaseRoute]:
        """Everything."""
        methods = ["GET", "PUT", "POST", "PATCH", "DELETE"]
        return [
            Route("/", self._root),
            Route("/_exercise/{rest:path}", self._take, methods=methods),
            Route("/{collection}/{name}", self._document, methods=["GET", "PUT"]),
        ]

    async def _root(self, _: Request) -> Response:
        return answer({"documents": list(self.documents)})

    async def _document(self, request: Request) -> Response:
        name = f"{request.path_params['collection']}/{request.path_params['name']}"
        if name not in self.documents:
            return answer({"error": "not found"}, 404)
        version = hashlib.sha256(json.dumps(self.documents[name]).encode()).hexdigest()[:16]
        if request.method == "GET":
            return answer(self.documents[name], headers={"etag": f'"{version}"'})
        if request.headers.get("if-match", "*") not in ("*", f'"{version}"'):
            return answer({"error": "it has changed"}, 412)
        if not self.ignoring:
            self.documents[name] = await request.json()
        return answer({})

    async def _take(self, request: Request) -> Response:
        body = (await request.body()).decode(errors="replace")
        self.taken.append({"method": request.method, "to": request.path_params["rest"], "query": str(request.query_params), "body": body})
        return answer({"simulated": True})
