"""Entra ID behind Microsoft Graph: accounts, sessions, the audit log."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer, form

TOKEN = "simulated-bearer-of-entra"


@dataclass(slots=True)
class EntraTwin(Twin):
    """Accounts."""

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    audits: list[dict[str, Any]] = field(default_factory=list)

    name = "entra"

    def __post_init__(self) -> None:
        for number, name in enumerate(("ada", "ben"), 1):
            self.users[f"user-{number}"] = {
                "id": f"user-{number}",
                "userPrincipalName": f"{name}@example.org",
                "accountEnabled": True,
                "onPremisesSyncEnabled": None,
                "signInSessionsValidFromDateTime": self.now(),
                "lastPasswordChangeDateTime": self.now(),
            }

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs a token, but for asking for one."""
        if path.endswith("/token") or request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        return _error(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")

    def world(self) -> Any:
        """Accounts, and what was done to them."""
        return {"users": list(self.users.values()), "audits": self.audits}

    def change(self, user: str, **changed: Any) -> None:
        """Change an account; the audit log says so."""
        if not self.ignoring:
            self.users[user].update(changed)
            audit = {"activityDisplayName": "Update user", "activityDateTime": self.now(), "targetResources": [{"id": user}]}
            self.audits.append(audit)

    def routes(self) -> list[BaseRoute]:
        """The addresses of Graph, and of the tokens."""
        return [
            Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            Route("/users", self._all),
            Route("/users/{user}", self._user, methods=["GET", "PATCH"]),
            Route("/users/{user}/revokeSignInSessions", self._revoke, methods=["POST"]),
            Route("/auditLogs/directoryAudits", self._audits),
        ]

    async def _token(self, request: Request) -> Response:
        if (await form(request)).get("client_secret") != SECRET + "client_secret":
            return answer({"error": "invalid_client"}, 401)
        return answer({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    async def _all(self, _: Request) -> Response:
        return answer({"value": list(self.users.values())})

    async def _user(self, request: Request) -> Response:
        found = self._found(request)
        if found is None:
            return _error(404, "Request_ResourceNotFound", "Resource does not exist")
        if request.method == "GET":
            return answer(found)
        changed = await request.json()
        if profile := changed.pop("passwordProfile", None):
            if len(profile["password"]) < 8:
                return _error(400, "Request_BadRequest", "The specified password does not comply with password complexity requirements.")
            changed |= {"lastPasswordChangeDateTime": self.now(), "forceChange": profile["forceChangePasswordNextSignIn"]}
        self.change(found["id"], **changed)
        return Response(status_code=204)

    async def _revoke(self, request: Request) -> Response:
        found = self._found(request)
        if found is None:
            return _error(404, "Request_ResourceNotFound", "Resource does not exist")
        self.change(found["id"], signInSessionsValidFromDateTime=self.now())
        return answer({"value": True})

    async def _audits(self, request: Request) -> Response:
        wanted = request.query_params.get("$filter", "")
        return answer({"value": [audit for audit in self.audits if f"'{audit['targetResources'][0]['id']}'" in wanted]})

    def _found(self, request: Request) -> dict[str, Any] | None:
        name = request.path_params["user"]
        return next((user for user in self.users.values() if name in (user["id"], user["userPrincipalName"])), None)


def _error(status: int, code: str, message: str) -> Response:
    return answer({"error": {"code": code, "message": message}}, status)
