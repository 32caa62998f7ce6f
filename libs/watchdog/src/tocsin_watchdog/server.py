"""Where the synthetic page comes back, and where others ask whether the watchdog itself is well."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tocsin_watchdog.paging import is_signed

PAGE = "/page"
HEALTH = "/health"
LONGEST_BODY = 64 * 1024
READ_SECONDS = 10.0


class Server(ThreadingHTTPServer):
    """Two addresses: POST /page takes what the platform sends to its own responder, GET /health answers others."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(
        self, listen: tuple[str, int], secret: str, hear: Callable[[str, str], None], health: Callable[[], Mapping[str, Any]]
    ) -> None:
        super().__init__(listen, _Handler)
        self.secret = secret
        self.hear = hear
        self.health = health

    @property
    def port(self) -> int:
        """The port that it listens at."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Serve in the background."""
        threading.Thread(target=self.serve_forever, name="server", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = READ_SECONDS
    server_version = "tocsin-watchdog"
    sys_version = ""

    def do_GET(self) -> None:
        """Say how it stands."""
        if self.path != HEALTH:
            return self._answer(404, {"error": f"there is only {HEALTH}"})
        health = self.server.health()
        self._answer(200 if health["well"] else 503, health)

    def do_POST(self) -> None:
        """Take a page."""
        if self.path != PAGE:
            return self._answer(404, {"error": f"there is only {PAGE}"})
        length = self.headers.get("content-length", "")
        if not length.isdigit() or int(length) > LONGEST_BODY:
            return self._answer(413, {"error": f"send at most {LONGEST_BODY} bytes, and their number"})
        body = self.rfile.read(int(length))
        if not is_signed(self.server.secret, {name.lower(): value for name, value in self.headers.items()}, body, time.time()):
            return self._answer(401, {"error": "the signature does not fit"})
        try:
            said = json.loads(body)
            self.server.hear(str(said.get("page", {}).get("subject", "")), str(said.get("incident", {}).get("title", "")))
        except (ValueError, AttributeError):
            return self._answer(400, {"error": "this is no page"})
        self._answer(200, {})

    def _answer(self, status: int, content: Mapping[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a round a minute would fill the log."""
