"""Microsoft Defender for Endpoint, and the Entra ID that gives it tokens."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer, form

SECONDS_TO_ACT = 5.0
TOKEN = "simulated-bearer-of-defender"


@dataclass(slots=True)
class DefenderTwin(Twin):
    """Machines, and actions that are carried out when the machine next reports."""

    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    actions: list[dict[str, Any]] = field(default_factory=list)

    name = "defender"

    def __post_init__(self) -> None:
        for number, host in enumerate(("laptop-7", "db-1", "mail-1", "fin-laptop-7", "dc-1"), 1):
            self.add_machine(f"{number:040x}", host)

    def add_machine(self, machine: str, host: str) -> None:
        """One more, which is online."""
        self.machines[machine] = {"id": machine, "computerDnsName": host, "healthStatus": "Active", "online": True}

    def world(self) -> Any:
        """Which machines are isolated, and what is pending."""
        self.settle()
        isolated = {machine["computerDnsName"]: self.isolated(name) for name, machine in self.machines.items()}
        return {"isolated": isolated, "quarantined": self.quarantined(), "actions": self.actions}

    def quarantined(self) -> list[str]:
        """The files in quarantine, by their SHA-1."""
        done = [each for each in self.actions if each["type"] == "StopAndQuarantineFile" and each["status"] == "Succeeded"]
        return [each["relatedFileInfo"]["fileIdentifier"] for each in done]

    def isolated(self, machine: str) -> bool:
        """True if the machine is cut off."""
        kinds = ("Isolate", "Unisolate")
        done = [each for each in self.actions if each["machineId"] == machine and each["status"] == "Succeeded" and each["type"] in kinds]
        return bool(done) and done[-1]["type"] == "Isolate"

    def act(self, machine: str, kind: str, comment: str, file: str = "") -> dict[str, Any]:
        """Order something of a machine."""
        action = {
            "id": str(uuid4()),
            "type": kind,
            "status": "Pending",
            "machineId": machine,
            "requestor": "app",
            "requestorComment": comment,
            "relatedFileInfo": {"fileIdentifier": file, "fileIdentifierType": "Sha1"} if file else None,
            "creationDateTimeUtc": self.now(),
            "lastUpdateDateTimeUtc": self.now(),
            "due": self.clock.now().timestamp() + SECONDS_TO_ACT,
        }
        if not self.ignoring:
            self.actions.append(action)
        return action

    def settle(self) -> None:
        """Machines that are online have done what they were told a while ago."""
        for action in self.actions:
            online = self.machines[action["machineId"]]["online"]
            if action["status"] == "Pending" and online and action["due"] <= self.clock.now().timestamp():
                action["status"] = "Succeeded"

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs a token, but for asking for one."""
        if path.endswith("/token") or request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        return answer({"error": {"code": "Unauthorized", "message": "the token is not valid"}}, 401)

    def routes(self) -> list[BaseRoute]:
        """The addresses of Defender, and of Entra ID's tokens."""
        return [
            Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            Route("/api/machines", self._machines),
            Route("/api/machines/{machine}", self._machine),
            Route("/api/machines/{machine}/isolate", self._isolate, methods=["POST"]),
            Route("/api/machines/{machine}/unisolate", self._unisolate, methods=["POST"]),
            Route("/api/machines/{machine}/collectInvestigationPackage", self._collect, methods=["POST"]),
            Route("/api/machines/{machine}/StopAndQuarantineFile", self._quarantine, methods=["POST"]),
            Route("/api/machines/{machine}/alerts", self._alerts),
            Route("/api/machines/{machine}/logonusers", self._users),
            Route("/api/machineactions", self._actions),
            Route("/api/machineactions/{action}", self._action),
            Route("/api/machineactions/{action}/cancel", self._cancel, methods=["POST"]),
        ]

    async def _token(self, request: Request) -> Response:
        if (await form(request)).get("client_secret") != SECRET + "client_secret":
            return answer({"error": "invalid_client"}, 401)
        return answer({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})

    async def _machines(self, request: Request) -> Response:
        return answer({"value": [self._shown(machine) for machine in self.machines.values()]})

    async def _machine(self, request: Request) -> Response:
        found = self._found(request.path_params["machine"])
        return answer(self._shown(found)) if found else _missing("Machine")

    async def _isolate(self, request: Request) -> Response:
        return await self._ordered(request, "Isolate")

    async def _unisolate(self, request: Request) -> Response:
        return await self._ordered(request, "Unisolate")

    async def _collect(self, request: Request) -> Response:
        return await self._ordered(request, "CollectInvestigationPackage")

    async def _quarantine(self, request: Request) -> Response:
        return await self._ordered(request, "StopAndQuarantineFile")

    async def _alerts(self, request: Request) -> Response:
        found = self._found(request.path_params["machine"])
        title = "Ransomware behavior was detected in the file system"
        return answer({"value": [{"title": title, "severity": "High", "machineId": found["id"]}]}) if found else _missing("Machine")

    async def _users(self, request: Request) -> Response:
        found = self._found(request.path_params["machine"])
        return answer({"value": [{"accountName": "ada", "logonTypes": "Interactive"}]}) if found else _missing("Machine")

    async def _ordered(self, request: Request, kind: str) -> Response:
        self.settle()
        found = self._found(request.path_params["machine"])
        if found is None:
            return _missing("Machine")
        if any(action["status"] == "Pending" and action["machineId"] == found["id"] and action["type"] == kind for action in self.actions):
            return answer({"error": {"code": "ActiveRequestAlreadyExists", "message": "an action is pending"}}, 400)
        said = await request.json()
        if not said.get("Comment"):
            return answer({"error": {"code": "InvalidRequestBody", "message": "Comment is missing"}}, 400)
        return answer(self.act(found["id"], kind, said["Comment"], said.get("Sha1", "")), 201)

    async def _actions(self, request: Request) -> Response:
        self.settle()
        wanted = request.query_params.get("$filter", "")
        found = [action for action in self.actions if not wanted or f"'{action['machineId']}'" in wanted]
        return answer({"value": found})

    async def _action(self, request: Request) -> Response:
        self.settle()
        found = next((action for action in self.actions if action["id"] == request.path_params["action"]), None)
        return answer(found) if found else _missing("Action")

    async def _cancel(self, request: Request) -> Response:
        self.settle()
        found = next((action for action in self.actions if action["id"] == request.path_params["action"]), None)
        if found is None:
            return _missing("Action")
        if found["status"] != "Pending":
            return answer({"error": {"code": "InvalidRequestBody", "message": "it is over"}}, 400)
        if not self.ignoring:
            found["status"] = "Cancelled"
        return answer(found)

    def _found(self, name: str) -> dict[str, Any] | None:
        return next((machine for machine in self.machines.values() if name in (machine["id"], machine["computerDnsName"])), None)

    def _shown(self, machine: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in machine.items() if name != "online"}


def _missing(what: str) -> Response:
    return answer({"error": {"code": "ResourceNotFound", "message": f"{what} not found"}}, 404)
