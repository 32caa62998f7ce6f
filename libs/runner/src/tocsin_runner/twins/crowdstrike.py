"""CrowdStrike Falcon: hosts that check in, and their containment."""

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Twin, answer, form

TOKEN = "simulated-bearer-of-falcon"
CHECK_IN_SECONDS = 5.0


@dataclass(slots=True)
class CrowdstrikeTwin(Twin):
    """Hosts."""

    hosts: dict[str, dict[str, Any]] = field(default_factory=dict)
    processes: dict[str, dict[str, str]] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    commands: dict[str, dict[str, Any]] = field(default_factory=dict)

    name = "crowdstrike"

    def __post_init__(self) -> None:
        for number, host in enumerate(("laptop-7", "db-1"), 1):
            self.hosts[f"aid{number}"] = {"device_id": f"aid{number}", "hostname": host, "status": "normal", "online": True, "due": 0.0}
            self.processes[f"aid{number}"] = {"640": "winlogon.exe", "4711": "locker.exe"}

    def refusal(self, request: Request, path: str) -> Response | None:
        """Everybody needs a token, but for asking for one."""
        if path == "/oauth2/token" or request.headers.get("authorization") == f"Bearer {TOKEN}":
            return None
        return answer({"errors": [{"code": 401, "message": "access denied, invalid bearer token"}]}, 401)

    def world(self) -> Any:
        """Hosts."""
        self.settle()
        return {"hosts": list(self.hosts.values()), "processes": self.processes}

    def settle(self) -> None:
        """Hosts that have checked in since have done what they were told."""
        done = {"containment_pending": "contained", "lift_containment_pending": "normal"}
        for host in self.hosts.values():
            if host["online"] and host["due"] <= self.clock.now().timestamp():
                host["status"] = done.get(host["status"], host["status"])

    def tell(self, host: str, status: str) -> None:
        """Tell a host something; it hears it when it checks in."""
        if not self.ignoring:
            self.hosts[host].update(status=status, due=self.clock.now().timestamp() + CHECK_IN_SECONDS)

    def routes(self) -> list[BaseRoute]:
        """The addresses of Falcon."""
        return [
            Route("/oauth2/token", self._token, methods=["POST"]),
            Route("/devices/queries/devices/v1", self._query),
            Route("/devices/entities/devices/v2", self._devices, methods=["POST"]),
            Route("/devices/entities/devices-actions/v2", self._act, methods=["POST"]),
            Route("/real-time-response/entities/sessions/v1", self._session, methods=["POST"]),
            Route("/real-time-response/entities/command/v1", self._command, methods=["GET", "POST"]),
            Route("/real-time-response/entities/active-responder-command/v1", self._command, methods=["GET", "POST"]),
        ]

    async def _token(self, request: Request) -> Response:
        if (await form(request)).get("client_secret") != SECRET + "client_secret":
            return answer({"errors": [{"code": 403, "message": "access denied, authorization failed"}]}, 403)
        return answer({"access_token": TOKEN, "expires_in": 1799, "token_type": "bearer"}, 201)

    async def _query(self, _: Request) -> Response:
        return answer({"resources": list(self.hosts), "errors": []})

    async def _devices(self, request: Request) -> Response:
        self.settle()
        wanted = (await request.json())["ids"]
        return answer({"resources": [self.hosts[aid] for aid in wanted if aid in self.hosts], "errors": []})

    async def _act(self, request: Request) -> Response:
        self.settle()
        status = {"contain": "containment_pending", "lift_containment": "lift_containment_pending"}
        name = request.query_params.get("action_name", "")
        wanted = (await request.json())["ids"]
        errors = [{"code": 404, "id": aid, "message": "not found"} for aid in wanted if aid not in self.hosts]
        for aid in wanted:
            if aid in self.hosts:
                self.tell(aid, status[name])
        return answer({"resources": [{"id": aid} for aid in wanted if aid in self.hosts], "errors": errors}, 202)

    async def _session(self, request: Request) -> Response:
        aid = (await request.json())["device_id"]
        if not self.hosts.get(aid, {}).get("online"):
            return answer({"resources": [], "errors": [{"code": 40401, "message": "could not establish sensor comms"}]}, 404)
        name = f"session-{len(self.sessions) + 1}"
        self.sessions[name] = aid
        return answer({"resources": [{"session_id": name}], "errors": []}, 201)

    async def _command(self, request: Request) -> Response:
        if request.method == "GET":
            return self._told(self.commands.get(request.query_params.get("cloud_request_id", "")))
        said = await request.json()
        if said["session_id"] not in self.sessions:
            return answer({"resources": [], "errors": [{"code": 40407, "message": "session not found"}]}, 404)
        name = f"request-{len(self.commands) + 1}"
        self.commands[name] = {"complete": False, "stdout": "", "stderr": "", **self._done(self.sessions[said["session_id"]], said)}
        return answer({"resources": [{"session_id": said["session_id"], "cloud_request_id": name}], "errors": []}, 201)

    def _told(self, command: dict[str, Any] | None) -> Response:
        """What a command wrote; the first one who asks hears that it has not ended."""
        if command is None:
            return answer({"resources": [], "errors": [{"code": 404, "message": "command not found"}]}, 404)
        told = {**command} if command["complete"] else {"complete": False, "stdout": "", "stderr": ""}
        command["complete"] = True
        return answer({"resources": [told], "errors": []})

    def _done(self, aid: str, said: dict[str, Any]) -> dict[str, str]:
        running = self.processes[aid]
        if said["base_command"] == "ps":
            return {"stdout": "\n".join(f"{number} {name}" for number, name in running.items())}
        number = said["command_string"].split()[-1]
        if number not in running:
            return {"stderr": f"no process {number}"}
        if not self.ignoring:
            del running[number]
        return {"stdout": f"killed {number}"}
