"""Block lists as Tocsin serves them: an interface to change them, and the plain lists that firewalls fetch; kept in a file if given one."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer

# An address for documentation: an empty file would lift every block at some firewalls.
SENTINEL = {"addresses": "192.0.2.255", "domains": "sentinel.invalid", "hashes": "0" * 64}


@dataclass(slots=True)
class BlocklistTwin(Twin):
    """Lists by name, entries by their text."""

    lists: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {name: {} for name in SENTINEL})
    file: Path | None = None
    fetched: list[str] = field(default_factory=list)

    name = "blocklist"

    def __post_init__(self) -> None:
        if self.file is not None and self.file.exists():
            self.lists = json.loads(self.file.read_text(encoding="utf-8"))

    def refusal(self, request: Request, path: str) -> Response | None:
        """Changing needs the key; fetching does not."""
        if path.startswith("/edl/") or request.headers.get("authorization") == f"Bearer {SECRET}token":
            return None
        return answer({"error": "who are you?"}, 401)

    def world(self) -> Any:
        """Lists, and who fetched them."""
        return {"lists": self.lists, "fetched": self.fetched}

    def put(self, name: str, entry: str, said: dict[str, Any]) -> None:
        """Put an entry on a list."""
        if not self.ignoring:
            self.lists[name][entry] = {"entry": entry, **said}
            self._keep()

    def remove(self, name: str, entry: str) -> None:
        """Take an entry off a list."""
        if not self.ignoring:
            del self.lists[name][entry]
            self._keep()

    def routes(self) -> list[BaseRoute]:
        """The interface, and the lists."""
        return [
            Route("/blocklists", self._names),
            Route("/blocklists/{list}/entries/{entry:path}", self._entry, methods=["GET", "PUT", "DELETE"]),
            Route("/edl/{list}.txt", self._served),
        ]

    async def _names(self, _: Request) -> Response:
        return answer({"lists": list(self.lists)})

    async def _entry(self, request: Request) -> Response:
        name, entry = request.path_params["list"], request.path_params["entry"]
        if name not in self.lists:
            return answer({"error": "there is no such list"}, 404)
        found = self.lists[name].get(entry)
        if request.method == "PUT":
            if found is not None and request.headers.get("if-none-match") == "*":
                return answer({"error": "the entry is there already"}, 412)
            self.put(name, entry, await request.json())
            return answer({}, 201)
        if found is None:
            return answer({"error": "there is no such entry"}, 404)
        if request.method == "DELETE":
            self.remove(name, entry)
            return Response(status_code=204)
        return answer(found)

    async def _served(self, request: Request) -> Response:
        name = request.path_params["list"]
        if name not in self.lists:
            return PlainTextResponse("there is no such list\n", 404)
        lines = sorted(self.lists[name]) or [SENTINEL.get(name, "")]
        text = "\n".join(lines) + "\n"
        tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:16]}"'
        self.fetched.append(f"{self.now()} {name} {tag}")
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return PlainTextResponse(text, headers={"etag": tag})

    def _keep(self) -> None:
        if self.file is not None:
            self.file.write_text(json.dumps(self.lists, indent=1), encoding="utf-8")
