"""A paging provider in its own process: a webhook that writes every request to a ledger, synced to disk, before it answers.

`python -m tocsin_testkit.outside.provider LEDGER` prints its port and serves until it is stopped.
"""

import json
import os
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One request: when it came (monotonic nanoseconds, the same clock in all processes), its idempotency key, its body."""

    at: int
    key: str
    body: dict[str, Any]


def read_ledger(ledger: Path) -> list[Entry]:
    """Everything that the provider has accepted, in order."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [Entry(**json.loads(line)) for line in lines]


class _Provider(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def __init__(self, ledger: Path) -> None:
        self.lock = threading.Lock()
        self.file = ledger.open("ab", buffering=0)
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever sends may be killed at any moment: a connection that breaks is no error of the provider."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Provider

    def do_POST(self) -> None:
        at = time.monotonic_ns()
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        line = json.dumps({"at": at, "key": self.headers.get("webhook-id", ""), "body": body}) + "\n"
        with self.server.lock:
            self.server.file.write(line.encode())
            os.fdatasync(self.server.file.fileno())
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Silent: the ledger is the log."""


def main() -> None:
    provider = _Provider(Path(sys.argv[1]))
    print(provider.server_address[1], flush=True)
    provider.serve_forever()


if __name__ == "__main__":
    main()
