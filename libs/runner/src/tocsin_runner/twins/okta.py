"""Okta: users with its exact states, and the system log."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer


@dataclass(slots=True)
class OktaTwin(Twin):
    """Users and their sessions."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    sessions: dict[str, int] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)

    name = "okta"

    def __post_init__(self) -> None:
        for number, login in enumerate(("ada", "ben", "root"), 1):
            self.users[f"00u{number}"] = {
                "id": f"00u{number}",
                "status": "ACTIVE",
                "statusChanged": self.now(),
                "profile": {"login": login},
            }
            self.sessions[f"00u{number}"] = 2

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs the API token."""
        if request.headers.get("authorization") == f"SSWS {SECRET}token":
            return None
        return _error(401, "E0000011", "Invalid token provided")

    def world(self) -> Any:
        """Users with their states and sessions."""
        return {"users": list(self.users.values()), "sessions": self.sessions, "log": self.log}

    def become(self, user: str, status: str) -> None:
        """Change a user's state."""
        if not self.ignoring:
            self.users[user].update(status=status, statusChanged=self.now())

    def routes(self) -> list[BaseRoute]:
        """The addresses of Okta."""
        return [
            Route("/api/v1/users", self._all),
            Route("/api/v1/users/{user}", self._user),
            Route("/api/v1/users/{user}/lifecycle/{verb}", self._lifecycle, methods=["POST"]),
            Route("/api/v1/users/{user}/sessions", self._clear, methods=["DELETE"]),
            Route("/api/v1/logs", self._logs),
        ]

    async def _all(self, _: Request) -> Response:
        return answer(list(self.users.values()))

    async def _user(self, request: Request) -> Response:
        found = self._found(request)
        return answer(found) if found else _error(404, "E0000007", "Not found")

    async def _lifecycle(self, request: Request) -> Response:
        found, verb = self._found(request), request.path_params["verb"]
        if found is None:
            return _error(404, "E0000007", "Not found")
        allowed = {"suspend": ("ACTIVE",), "unsuspend": ("SUSPENDED",), "expire_password": ("ACTIVE", "LOCKED_OUT", "RECOVERY")}
        if found["status"] not in allowed.get(verb, ()):
            return _error(400, "E0000001", f"Cannot {verb} a user who is {found['status']}")
        self.become(found["id"], {"suspend": "SUSPENDED", "unsuspend": "ACTIVE", "expire_password": "PASSWORD_EXPIRED"}[verb])
        return answer(found) if verb == "expire_password" else Response(status_code=200)

    async def _clear(self, request: Request) -> Response:
        found = self._found(request)
        if found is None:
            return _error(404, "E0000007", "Not found")
        if not self.ignoring:
            self.sessions[found["id"]] = 0
            self.log.append({"eventType": "user.session.clear", "published": self.now(), "target": [{"id": found["id"]}]})
        return Response(status_code=204)

    async def _logs(self, request: Request) -> Response:
        wanted = request.query_params.get("filter", "")
        found = [item for item in self.log if f'"{item["target"][0]["id"]}"' in wanted]
        return answer(sorted(found, key=lambda item: item["published"], reverse=True)[: int(request.query_params.get("limit", "100"))])

    def _found(self, request: Request) -> dict[str, Any] | None:
        name = request.path_params["user"]
        return next((user for user in self.users.values() if name in (user["id"], user["profile"]["login"])), None)


def _error(status: int, code: str, summary: str) -> Response:
    return answer({"errorCode": code, "errorSummary": summary}, status)
