"""Linux machines behind a real SSH server. Scripts are known by their first line and done to simulated machines; none is run."""

import asyncio
import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncssh
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tocsin_runner.twins.twin import SECRET, Asked, Fault, Order, Twin, answer

EXPORT = re.compile(r"""export (TOCSIN_[A-Z0-9_]+)="\$\(printf %s '([^']*)' \| base64 -d\)\"""")
SCRIPT = re.compile(r"""^(?:eval "\$\()?printf %s '([^']*)' \| base64 -d""", re.MULTILINE)
MARKER = re.compile(r"""^m="\$d/([0-9a-f]+)\"""", re.MULTILINE)
PAYLOAD = "9f64a747e1b97f131fabb6b447296c9b6f0201e79fb3c5356e6c77e89b6a806a"
DENIED = "Operation not permitted"
Said = dict[str, str]


@dataclass(slots=True)
class LinuxTwin(Twin):
    """Machines by name; one that nobody has asked for yet is like the others."""

    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    ran: dict[str, tuple[int, str]] = field(default_factory=dict)
    key: Any = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    authorized: str = ""
    """A public key that may sign in, beside the password of exercises."""
    server: Any = None
    port: int = 0

    name = "linux"

    def refusal(self, request: Request, path: str) -> Response | None:
        """Where it listens is no secret."""
        return None

    def world(self) -> Any:
        """All machines."""
        return {"machines": self.machines}

    def machine(self, name: str) -> dict[str, Any]:
        """One machine."""
        return self.machines.setdefault(
            name,
            {
                "processes": {"640": "sshd", "4711": "xmrig"},
                "files": {"/opt/payload": {"sum": PAYLOAD, "mode": "755 0:0 1770000000"}},
                "quarantine": {},
                "evidence": {},
                "changed": 0,
            },
        )

    def routes(self) -> list[BaseRoute]:
        """Where the SSH server is, and its key."""
        return [Route("/address", self._address)]

    async def listen(self, host: str) -> None:
        """Listen for SSH at a free port."""
        keys = asyncssh.import_authorized_keys(self.authorized) if self.authorized else None
        self.server = await asyncssh.listen(
            host,
            0,
            server_factory=_Door,
            server_host_keys=[self.key],
            authorized_client_keys=keys,
            process_factory=self._serve,
        )
        self.port = self.server.sockets[0].getsockname()[1]

    async def deafen(self) -> None:
        """Listen no more."""
        self.server.close()
        await self.server.wait_closed()

    @property
    def host_key(self) -> str:
        """The key by which it is known."""
        return str(self.key.export_public_key().decode()).strip()

    async def _address(self, request: Request) -> Response:
        return answer({"host": request.url.hostname, "port": self.port, "host_key": self.host_key})

    async def _serve(self, process: Any) -> None:
        text = await process.stdin.read()
        said = {name.removeprefix("TOCSIN_").lower(): _plain(value) for name, value in EXPORT.findall(text)}
        label = _plain(SCRIPT.findall(text)[-1]).partition("\n")[0].removeprefix("# ")
        marker = found[1] if (found := MARKER.search(text)) else ""
        asked = Asked(self.now(), "RUN", label)
        self.asked.append(asked)
        order = self.befalls("RUN", label)
        if not await self._befell(order, process, lambda: self._run(label, said, marker)):
            return
        status, out = self._run(label, said, marker)
        asked.status = status or 200
        process.stdout.write(out)
        process.exit(status)

    async def _befell(self, order: Order | None, process: Any, run: Callable[[], tuple[int, str]]) -> bool:
        """What a fault makes of a script; False if there is nothing more to be answered."""
        match order.fault if order is not None else None:
            case None:
                return True
            case Fault.HANGS:
                await asyncio.Event().wait()
            case Fault.IGNORED:
                process.exit(0)
            case Fault.FORBIDDEN | Fault.EXPIRED:
                process.stderr.write(f"{DENIED}\n")
                process.exit(1)
            case Fault.BROKEN_AFTER | Fault.DROPPED_AFTER:
                run()
                process.channel.get_connection().abort()
            case _:
                process.channel.get_connection().abort()
        return False

    def _run(self, label: str, said: Said, marker: str) -> tuple[int, str]:
        """Once for each marker."""
        if marker and marker in self.ran:
            return self.ran[marker]
        acts: dict[str, Callable[[dict[str, Any], Said], tuple[int, str]]] = {
            "kill-process look": _look_at_process,
            "kill-process execute": _kill,
            "quarantine-file look": _look_at_file,
            "quarantine-file execute": _quarantine,
            "quarantine-file undo": _bring_back,
            "verify-integrity look": _compare,
            "collect-evidence look": _look_at_evidence,
            "collect-evidence execute": _collect,
            "collect-evidence bring": _bring,
            "true": lambda machine, said: (0, ""),
        }
        act = acts.get(label)
        done = (127, "") if act is None else act(self.machine(said.get("machine", "")), said)
        if marker:
            self.ran[marker] = done
        return done


class _Door(asyncssh.SSHServer):
    """Lets in who has the password of exercises."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return password == SECRET + "private_key"


def _plain(text: str) -> str:
    return base64.b64decode(text).decode()


def _look_at_process(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    running = machine["processes"]
    found = [number for number, name in running.items() if said["process"] in (number, name)]
    return 0, f"running={' '.join(found)}\n"


def _kill(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    for number in said["running"].split():
        machine["processes"].pop(number, None)
    return 0, ""


def _look_at_file(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    file, kept = machine["files"].get(said["path"]), machine["quarantine"].get(said["hash"])
    there = f"there=yes\nsum={file['sum']}\nmode={file['mode']}\n" if file else "there=no\nsum=\nmode=\n"
    return 0, there + f"by={kept['by'] if kept else ''}\n"


def _quarantine(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    machine["quarantine"][said["hash"]] = {**machine["files"].pop(said["path"]), "by": said["marker"]}
    return 0, ""


def _bring_back(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    kept = machine["quarantine"].pop(said["hash"])
    machine["files"][said["path"]] = {"sum": kept["sum"], "mode": said["mode"]}
    return 0, ""


def _compare(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    return 0, f"files=3\nwrong={machine['changed']}\n"


def _look_at_evidence(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    return 0, f"sha256={PAYLOAD if said['marker'] in machine['evidence'] else ''}\n"


def _collect(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    listed = "\n".join(f"{number} {name}" for number, name in machine["processes"].items())
    machine["evidence"][said["marker"]] = f"== processes ==\n{listed}\n"
    return 0, ""


def _bring(machine: dict[str, Any], said: Said) -> tuple[int, str]:
    return 0, f"base64={base64.b64encode(machine['evidence'][said['marker']].encode()).decode()}\n"
