"""Scripts at other machines over SSH: a machine is known by its key, values are never part of a script, and no script runs twice."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncssh

from tocsin_chassis.outgoing import GuardedNetwork, PrivateAddress
from tocsin_runner.assignment import Failed, Refused

CONNECT_SECONDS = 10.0
RUNS_STILL = 98
# What the other machine does before and after a script that changes something. Values come as Base64, which nothing can break out of.
WRAPPER = """set -u
umask 077
d="${{HOME:-/tmp}}/.tocsin"; mkdir -p "$d" || exit 96
m="$d/{marker}"
if ! mkdir "$m" 2>/dev/null; then
  [ -f "$m/status" ] || exit {runs}
  cat "$m/out"; cat "$m/err" >&2; exit "$(cat "$m/status")"
fi
{exports}
printf %s '{script}' | base64 -d > "$m/script"
(sh "$m/script" < /dev/null > "$m/out" 2> "$m/err"; printf %s "$?" > "$m/status.new"; mv "$m/status.new" "$m/status")
cat "$m/out"; cat "$m/err" >&2
rm -f "$m/script"
exit "$(cat "$m/status")"
"""
LOOKING = """set -u
umask 077
{exports}
eval "$(printf %s '{script}' | base64 -d)"
"""


class LineCut(Exception):
    """The line was cut while a script ran: nobody knows how far it came."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a script runs and as whom. `host_keys` are lines of known_hosts, or one key; either `private_key` or `password` is given."""

    host: str
    user: str
    host_keys: str
    port: int = 22
    private_key: str = ""
    password: str = ""
    address: str = ""
    """Where the machine is, if not where its name leads."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a script came to."""

    status: int
    out: str
    err: str


class Shell:
    """Runs scripts at machines."""

    def __init__(self, private_hosts: frozenset[str]) -> None:
        self._network = GuardedNetwork(private_hosts)

    @asynccontextmanager
    async def at(self, machine: Machine) -> AsyncIterator["Line"]:
        """A line to a machine. Raises Refused, Failed."""
        options = _options(machine)
        address = await self._checked(machine.address or machine.host, machine.port)
        try:
            connection = await asyncssh.connect(
                address, machine.port, connect_timeout=CONNECT_SECONDS, login_timeout=CONNECT_SECONDS, **options
            )
        except asyncssh.HostKeyNotVerifiable as error:
            raise Refused(f"{machine.host} has another key than the pinned one: {error.reason}") from error
        except asyncssh.PermissionDenied as error:
            raise Refused(f"{machine.host} refuses the credentials") from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise Failed(f"{machine.host} cannot be reached: {str(error) or type(error).__name__}") from error
        try:
            yield Line(connection, machine.host)
        finally:
            connection.abort()

    async def _checked(self, host: str, port: int) -> str:
        """The checked address, so that a second look-up cannot answer differently."""
        try:
            stream = await self._network.connect_tcp(host, port, CONNECT_SECONDS)
        except PrivateAddress as error:
            raise Refused(f"{error}; the operator may allow it in TOCSIN_RUNNER_PRIVATE_HOSTS") from error
        except Exception as error:  # httpcore's errors of connecting
            raise Failed(f"{host} cannot be reached: {error}") from error
        peer = stream.get_extra_info("server_addr")
        await stream.aclose()
        return str(peer[0])


class Line:
    """A line to one machine."""

    def __init__(self, connection: asyncssh.SSHClientConnection, host: str) -> None:
        self._connection = connection
        self._host = host

    async def run(self, text: str) -> Ran:
        """Run what `once` or `looking` made. Raises LineCut."""
        try:
            done = await self._connection.run("sh -s", input=text, encoding="utf-8", errors="replace")
        except (asyncssh.Error, OSError) as error:
            raise LineCut(f"the line to {self._host} was cut while the script ran: {error}") from error
        if done.exit_status is None or done.exit_signal is not None:
            raise LineCut(f"the line to {self._host} was cut while the script ran")
        if done.exit_status == RUNS_STILL:
            raise LineCut(f"the script was begun at {self._host} and has not ended")
        return Ran(done.exit_status, str(done.stdout), str(done.stderr))


def once(script: str, values: Mapping[str, str], key: str) -> str:
    """A script that runs once for each key; asked again it tells what it came to."""
    marker = hashlib.sha256(key.encode()).hexdigest()[:40]
    return WRAPPER.format(marker=marker, runs=RUNS_STILL, exports=_exports(values), script=_base64(script))


def looking(script: str, values: Mapping[str, str]) -> str:
    """A script that changes nothing, and runs as often as it is asked."""
    return LOOKING.format(exports=_exports(values), script=_base64(script))


def _options(machine: Machine) -> dict[str, object]:
    options: dict[str, object] = {
        "username": machine.user,
        "config": None,
        "agent_path": None,
        "known_hosts": asyncssh.import_known_hosts(_pinned(machine.host_keys, machine.host)),
        "host_key_alias": machine.host,
        "client_keys": None,
    }
    try:
        if machine.private_key:
            options["client_keys"] = [asyncssh.import_private_key(machine.private_key + "\n")]
        else:
            options["password"] = machine.password
    except asyncssh.KeyImportError as error:
        raise Refused("the private key cannot be read") from error
    return options


def _exports(values: Mapping[str, str]) -> str:
    return "\n".join(f"export {name}=\"$(printf %s '{_base64(value)}' | base64 -d)\"" for name, value in values.items())


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pinned(written: str, host: str) -> str:
    """Lines of known_hosts, or only the key: `ssh-ed25519 AAAA…`."""
    line = written.strip()
    return f"{host} {line}" if re.match(r"(ssh|ecdsa|sk)-", line) else line
