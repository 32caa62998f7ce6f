"""The doors of the edge: the public gRPC address, the HTTP address and the one for mail, opened and closed together."""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn

from tocsin_edge.email_door import EmailDoor
from tocsin_edge.http.asgi import Application
from tocsin_edge.live import Feed
from tocsin_edge.public_grpc import PublicGrpc

log = logging.getLogger(__name__)

BACKLOG = 1024
KEEP_ALIVE_SECONDS = 75


class Doors:
    """What the lifecycle of a service starts and stops. `http_port` is known once it has started."""

    def __init__(self, grpc: PublicGrpc, feed: Feed, mail: EmailDoor, http_listen: str) -> None:
        self.http_port = 0
        self.ready = False
        self._grpc = grpc
        self._mail = mail
        self._feed = feed
        self._listen = http_listen
        self._http: _Uvicorn | None = None
        self._serving: asyncio.Task[None] | None = None
        self._application: Application | None = None

    def opens(self, application: Application) -> "Doors":
        """What stands behind the HTTP address."""
        self._application = application
        return self

    async def start(self, listen: str) -> int:
        """Open all; returns the gRPC port. Raises OSError or RuntimeError if a port is taken."""
        assert self._application is not None
        listener = _listener(self._listen)
        self.http_port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._application,
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=3,
        )
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        self._http = _Uvicorn(config)
        port = await self._grpc.start(listen)
        await self._mail.start()
        self._serving = asyncio.create_task(self._http.serve(sockets=[listener]))
        log.info("HTTP at port %d", self.http_port)
        return port

    async def report(self, healthy: bool) -> None:
        self.ready = healthy
        await self._grpc.report(healthy)

    async def stop(self, grace: float) -> None:
        """Watchers are sent away first: they would stay for the whole grace."""
        self.ready = False
        self._feed.close()
        self._mail.stop()
        if self._http is not None:
            self._http.should_exit = True
        await asyncio.gather(self._grpc.stop(grace), *([self._serving] if self._serving else []))


class _Uvicorn(uvicorn.Server):
    """The signals belong to the service's own lifecycle."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listener(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((host or "127.0.0.1", int(port)))
    except OSError:
        opened.close()
        raise
    opened.listen(BACKLOG)
    return opened
