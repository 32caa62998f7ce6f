"""Velero: backups of a cluster, and restores that take a while."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer

SECONDS_TO_RESTORE = 5.0
ITEMS = 42


@dataclass(slots=True)
class VeleroTwin(Twin):
    """One good backup, one that failed, and the restores that were ordered."""

    backups: dict[str, dict[str, Any]] = field(default_factory=dict)
    restores: dict[str, dict[str, Any]] = field(default_factory=dict)
    due: dict[str, float] = field(default_factory=dict)
    lost: int = 0
    """How many items a restore fails to bring back."""

    name = "velero"

    def __post_init__(self) -> None:
        for name, phase in (("latest-clean", "Completed"), ("last-night", "PartiallyFailed")):
            self.backups[name] = {"metadata": {"name": name}, "status": {"phase": phase, "progress": {"totalItems": ITEMS}}}

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs the token."""
        return None if request.headers.get("authorization") == f"Bearer {SECRET}token" else _status(401, "Unauthorized")

    def world(self) -> Any:
        """Backups, and how far restores are."""
        self.settle()
        return {"backups": self.backups, "restores": self.restores}

    def settle(self) -> None:
        """Restores that had their time are over."""
        for name, due in list(self.due.items()):
            if due <= self.clock.now().timestamp():
                progress = {"itemsRestored": ITEMS - self.lost, "totalItems": ITEMS}
                phase = "PartiallyFailed" if self.lost else "Completed"
                self.restores[name]["status"] = {"phase": phase, "errors": self.lost, "warnings": 0, "progress": progress}
                del self.due[name]

    def routes(self) -> list[BaseRoute]:
        """The addresses of its resources at the API server."""
        base = "/apis/velero.io/v1"
        return [
            Route(base, self._resources),
            Route(base + "/namespaces/{namespace}/backups/{name}", self._backup),
            Route(base + "/namespaces/{namespace}/restores", self._restores, methods=["GET", "POST"]),
        ]

    async def _resources(self, _: Request) -> Response:
        return answer({"kind": "APIResourceList", "groupVersion": "velero.io/v1"})

    async def _backup(self, request: Request) -> Response:
        found = self.backups.get(request.path_params["name"])
        return answer(found) if found else _status(404, "backups.velero.io not found")

    async def _restores(self, request: Request) -> Response:
        self.settle()
        if request.method == "POST":
            return self._restore(await request.json())
        label, _, value = request.query_params.get("labelSelector", "").partition("=")
        found = [each for each in self.restores.values() if not label or each["metadata"]["labels"].get(label) == value]
        return answer({"kind": "RestoreList", "items": found})

    def _restore(self, said: dict[str, Any]) -> Response:
        name = said["metadata"]["name"]
        if name in self.restores:
            return _status(409, f'restores.velero.io "{name}" already exists')
        made = {**said, "metadata": {**said["metadata"], "creationTimestamp": self.now()}, "status": {"phase": "InProgress"}}
        if not self.ignoring:
            self.restores[name] = made
            self.due[name] = self.clock.now().timestamp() + SECONDS_TO_RESTORE
        return answer(made, 201)


def _status(code: int, message: str) -> Response:
    return answer({"kind": "Status", "status": "Failure", "message": message, "code": code}, code)
