"""What all twins share: a clock that can be moved, faults that can be ordered, and a world that can be looked at."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

Json = Any
Handler = Callable[[Request], Awaitable[Response]]
SECRET = "simulated-"


class Fault(StrEnum):
    """What befalls a request."""

    EXPIRED = "401"
    FORBIDDEN = "403"
    THROTTLED = "429"
    BROKEN_BEFORE = "500 before"
    BROKEN_AFTER = "500 after"
    DROPPED_BEFORE = "drop before"
    DROPPED_AFTER = "drop after"
    HANGS = "hang"
    IGNORED = "ignored"
    """Answered like a success, and not done."""


@dataclass(slots=True)
class Order:
    """A fault for the next requests that fit."""

    fault: Fault
    method: str = ""
    path: str = ""
    times: int = 1
    retry_after: int = 7

    def fits(self, method: str, path: str) -> bool:
        """True if it befalls this request."""
        return self.times > 0 and self.method in ("", method) and (not self.path or re.search(self.path, path) is not None)


class TwinClock:
    """Runs with the machine's clock, and can be moved on."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def now(self) -> datetime:
        """The present instant of the simulated world."""
        return datetime.now(UTC) + self._ahead

    def forward(self, seconds: float) -> None:
        """Move on."""
        self._ahead += timedelta(seconds=seconds)


@dataclass(slots=True)
class Asked:
    """One request as it arrived, for the inspectable world."""

    at: str
    method: str
    path: str
    status: int = 0


@dataclass(slots=True)
class Twin:
    """One system. Subclasses have its routes and its world."""

    clock: TwinClock
    orders: list[Order] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    ignoring: bool = False

    name = ""

    def routes(self) -> list[BaseRoute]:
        """What it answers, under its own name."""
        raise NotImplementedError

    def world(self) -> Json:
        """Everything that is so now."""
        raise NotImplementedError

    async def listen(self, host: str) -> None:
        """Begin to listen, beside what `routes` answer."""

    async def deafen(self) -> None:
        """Listen no more."""

    def refusal(self, request: Request, path: str) -> Response | None:
        """What somebody gets who may not ask; None for those who may."""
        raise NotImplementedError

    def label(self, body: bytes) -> str:
        """What a request is about, where its address does not say."""
        return ""

    def now(self) -> str:
        """The present instant as most systems write it."""
        return stamp(self.clock.now())

    def order(self, fault: Fault, method: str = "", path: str = "", times: int = 1) -> None:
        """Let this befall the next requests that fit."""
        self.orders.append(Order(fault, method, path, times))

    def befalls(self, method: str, path: str) -> Order | None:
        """What befalls a request, if anything."""
        found = next((order for order in self.orders if order.fits(method, path)), None)
        if found is not None:
            found.times -= 1
        return found


def stamp(at: datetime) -> str:
    """An instant with its fractions: what happens later sorts later."""
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def basic(user: str, password: str) -> str:
    """The header of Basic authentication."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def form(request: Request) -> dict[str, str]:
    """The fields of a form."""
    return dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))


def answer(content: Json = None, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer; none without content."""
    return Response(status_code=status, headers=headers) if content is None else JSONResponse(content, status, headers)


async def befallen(order: Order, serve: Callable[[], Awaitable[Response]], twin: Twin) -> Response | None:
    """What a fault makes of a request; None cuts the line."""
    match order.fault:
        case Fault.EXPIRED:
            return answer({"error": {"code": "InvalidAuthenticationToken", "message": "the token has expired"}}, 401)
        case Fault.FORBIDDEN:
            return answer({"error": {"code": "Forbidden", "message": "a permission is missing"}}, 403)
        case Fault.THROTTLED:
            return answer({"error": {"message": "too many requests"}}, 429, {"retry-after": str(order.retry_after)})
        case Fault.BROKEN_BEFORE:
            return answer({"error": {"message": "internal error"}}, 500)
        case Fault.BROKEN_AFTER:
            await serve()
            return answer({"error": {"message": "internal error"}}, 500)
        case Fault.DROPPED_BEFORE:
            return None
        case Fault.DROPPED_AFTER:
            await serve()
            return None
        case Fault.HANGS:
            await asyncio.Event().wait()
            return None
        case Fault.IGNORED:
            twin.ignoring = True
            try:
                return await serve()
            finally:
                twin.ignoring = False
