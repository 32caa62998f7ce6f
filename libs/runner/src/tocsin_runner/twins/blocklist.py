"""Block lists as Tocsin serves them: its calls that change them, and the plain lists that firewalls fetch; kept in a file if given one."""

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
    protected: set[str] = field(default_factory=set)

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

    def put(self, name: str, value: str, said: dict[str, Any]) -> dict[str, Any]:
        """Put an entry on a list."""
        entry = {"list": name, "value": value, "since": self.now(), **said}
        if not self.ignoring:
            self.lists.setdefault(name, {})[value] = entry
            self._keep()
        return entry

    def routes(self) -> list[BaseRoute]:
        """The calls by the Connect protocol, and the lists."""
        service = "/tocsin.response.v1.ContainmentService"
        return [
            Route(f"{service}/ListBlockEntries", self._entries, methods=["POST"]),
            Route(f"{service}/AddBlockEntry", self._add, methods=["POST"]),
            Route(f"{service}/RemoveBlockEntry", self._remove, methods=["POST"]),
            Route("/edl/{list}.txt", self._served),
        ]

    async def _entries(self, request: Request) -> Response:
        said = await request.json()
        entries = self.lists.get(said["list"], {})
        wanted = said.get("value")
        found = [entry for value, entry in entries.items() if not wanted or value == wanted]
        # As protobuf has it in JSON: what is empty is not there.
        return answer({"entries": found} if found else {})

    async def _add(self, request: Request) -> Response:
        said = await request.json()
        if said["value"] in self.protected:
            return answer({"code": "invalid_argument", "message": "value: guard rails protect it"}, 400)
        was_there = said["value"] in self.lists.get(said["list"], {})
        entry = self.put(
            said["list"], said["value"], {"kind": said["kind"], "comment": said.get("comment", ""), "until": said.get("until")}
        )
        return answer({"entry": entry, "wasThere": was_there})

    async def _remove(self, request: Request) -> Response:
        said = await request.json()
        was_there = said["value"] in self.lists.get(said["list"], {})
        if was_there and not self.ignoring:
            del self.lists[said["list"]][said["value"]]
            self._keep()
        return answer({"wasThere": was_there})

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
