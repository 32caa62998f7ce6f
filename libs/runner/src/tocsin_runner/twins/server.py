"""All twins behind one port: each under its name, with a page of its world, its faults and its clock."""

import asyncio
import html
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from tocsin_runner.twins.twin import Asked, Fault, Order, Twin, TwinClock, answer, befallen

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
REMEMBERED = 500


class Twins:
    """The simulated world."""

    def __init__(self, clock: TwinClock, twins: Sequence[Twin]) -> None:
        self.clock = clock
        self.twins = {twin.name: twin for twin in twins}
        self.url = ""

    def app(self) -> Starlette:
        """What is served."""
        routes: list[BaseRoute] = [
            Route("/", self._page),
            Route("/_world", self._world),
            Route("/_clock", self._forward, methods=["POST"]),
            Route("/_faults/{twin}", self._order, methods=["POST"]),
        ]
        routes += [Mount(f"/{name}", app=_Faulty(twin)) for name, twin in self.twins.items()]
        return Starlette(routes=routes)

    def _said(self) -> dict[str, Any]:
        return {name: {"world": twin.world(), "asked": [_line(asked) for asked in twin.asked]} for name, twin in self.twins.items()}

    async def _world(self, _: Request) -> Response:
        return JSONResponse({"now": self.clock.now().isoformat(), "twins": self._said()})

    async def _page(self, _: Request) -> Response:
        parts = [
            f"<h1>Simulated twins</h1><p>It is {self.clock.now():%Y-%m-%d %H:%M:%S} there. The same as JSON: <a href=_world>_world</a></p>"
        ]
        for name, said in self._said().items():
            shown = html.escape(json.dumps(said, indent=1, ensure_ascii=False))
            parts.append(f"<details open><summary>{html.escape(name)}</summary><pre>{shown}</pre></details>")
        return HTMLResponse("<!doctype html><meta charset=utf-8><title>Simulated twins</title>" + "".join(parts))

    async def _forward(self, request: Request) -> Response:
        self.clock.forward(float((await request.json())["seconds"]))
        return answer({"now": self.clock.now().isoformat()})

    async def _order(self, request: Request) -> Response:
        twin = self.twins.get(request.path_params["twin"])
        given = await request.json()
        try:
            order = Order(Fault(given["fault"]), given.get("method", ""), given.get("path", ""), int(given.get("times", 1)))
        except (KeyError, ValueError):
            return answer({"error": f"fault must be one of {', '.join(Fault)}"}, 400)
        if twin is None:
            return answer({"error": f"twins are {', '.join(self.twins)}"}, 404)
        twin.orders.append(order)
        return answer({})


@asynccontextmanager
async def served(twins: Twins, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Twins]:
    """The twins at an address, until the end."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((host, port))
    config = uvicorn.Config(twins.app(), log_config=None, log_level="critical", lifespan="off", access_log=False)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    # Not by `serve`: signals are the business of whoever runs it.
    await server.startup(sockets=[listening])
    serving = asyncio.create_task(server.main_loop())
    twins.url = f"http://{host}:{listening.getsockname()[1]}"
    for twin in twins.twins.values():
        await twin.listen(host)
    try:
        yield twins
    finally:
        for twin in twins.twins.values():
            await twin.deafen()
        # Nor by `shutdown`, which waits a tenth of a second for answers that nobody reads any more.
        serving.cancel()
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.wait([serving])


class _Faulty:
    """One twin, with the faults that were ordered for it."""

    def __init__(self, twin: Twin) -> None:
        self._twin = twin
        self._app = Starlette(routes=twin.routes())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        body = await request.body()
        path = request.url.path.removeprefix(scope.get("root_path", "")) + self._twin.label(body)
        receive = _again(body)
        asked = Asked(self._twin.now(), request.method, path)
        self._twin.asked = [*self._twin.asked[-REMEMBERED:], asked]
        order = self._twin.befalls(request.method, path)

        async def remembering(message: MutableMapping[str, Any]) -> None:
            asked.status = message.get("status", asked.status)
            await send(message)

        refused = self._twin.refusal(request, request.url.path.removeprefix(scope.get("root_path", "")))
        if refused is not None:
            await refused(scope, receive, remembering)
            return
        if order is None:
            await self._app(scope, receive, remembering)
            return
        response = await befallen(order, lambda: self._collected(scope, receive), self._twin)
        if response is not None:
            await response(scope, receive, remembering)
            return
        # An answer that ends before it is whole: the server cuts the line.
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})

    async def _collected(self, scope: Scope, receive: Receive) -> Response:
        """The answer, held back."""
        status, body = 500, b""
        headers: list[tuple[bytes, bytes]] = []

        async def keep(message: MutableMapping[str, Any]) -> None:
            nonlocal status, headers, body
            status = message.get("status", status)
            headers = message.get("headers", headers)
            body += message.get("body", b"")

        await self._app(scope, receive, keep)
        response = Response(body, status)
        response.raw_headers = list(headers)
        return response


def _again(body: bytes) -> Receive:
    """The request's body, for whoever reads it next."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


def _line(asked: Asked) -> str:
    return f"{asked.at} {asked.method} {asked.path} {asked.status or 'no answer'}"
