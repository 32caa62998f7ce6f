"""CACAO's ssh: a script at another machine, which is known by its key. A marker there keeps it from running twice."""

import base64
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncssh

from tocsin_chassis.outgoing import GuardedNetwork, PrivateAddress
from tocsin_runner.assignment import Assignment, Failed, Outcome, Refused, Task, Unknown, Verb
from tocsin_runner.commands.address import host_of, information, port_of
from tocsin_runner.commands.results_of_scripts import judged
from tocsin_runner.commands.scripts import environment, for_bash, text_of
from tocsin_runner.secrets import Secrets

CONNECT_SECONDS = 10.0
RAN_ALREADY = 97
RUNS_STILL = 98
# What the other machine does before and after the script. Values come as Base64, which nothing can break out of.
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


class Ssh:
    """Runs scripts at other machines."""

    def __init__(self, secrets: Secrets, private_hosts: frozenset[str]) -> None:
        self._secrets = secrets
        self._private_hosts = private_hosts

    async def carry_out(self, task: Task) -> Outcome:
        """Raises Ended, LeaseLost."""
        assignment = task.assignment
        if assignment.verb is not Verb.EXECUTE:
            raise Refused("a script can neither be undone nor verified by itself")
        if assignment.simulated:
            raise Refused("scripts do not run at other machines in an exercise")
        script = wrapped(assignment)
        host = host_of(assignment)
        async with self._connected(assignment, host) as connection:
            task.about_to_change()
            try:
                done = await connection.run("sh -s", input=script, encoding="utf-8", errors="replace")
            except (asyncssh.Error, OSError) as error:
                raise Unknown(f"the line to {host} was cut while the script ran: {error}") from error
        if done.exit_status is None or done.exit_signal is not None:
            raise Unknown(f"the line to {host} was cut while the script ran")
        if done.exit_status == RUNS_STILL:
            raise Unknown(f"the script was begun at {host} and has not ended")
        task.answered()
        return judged(task, done.exit_status, str(done.stdout).encode(), str(done.stderr).encode(), host)

    @asynccontextmanager
    async def _connected(self, assignment: Assignment, host: str) -> AsyncIterator[asyncssh.SSHClientConnection]:
        info = information(assignment)
        options = self._options(assignment, host)
        port = port_of(assignment, 22)
        if info.get("type") not in ("user-auth", "private-key", None) or not info:
            raise Refused("ssh needs authentication information of type user-auth: username, and private_key or password by secret:NAME")
        address = await self._address(host, port)
        try:
            connection = await asyncssh.connect(address, port, connect_timeout=CONNECT_SECONDS, login_timeout=CONNECT_SECONDS, **options)
        except asyncssh.HostKeyNotVerifiable as error:
            raise Refused(f"{host} has another key than the pinned one: {error.reason}") from error
        except asyncssh.PermissionDenied as error:
            raise Refused(f"{host} refuses the credentials") from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise Failed(f"{host} cannot be reached: {str(error) or type(error).__name__}") from error
        try:
            yield connection
        finally:
            connection.abort()

    def _options(self, assignment: Assignment, host: str) -> dict[str, object]:
        info = information(assignment)
        options: dict[str, object] = {
            "username": str(info.get("username") or ""),
            "config": None,
            "agent_path": None,
            "known_hosts": asyncssh.import_known_hosts(_pinned(self._secrets.for_host(str(info.get("host_key")), host), host)),
            "host_key_alias": host,
            "client_keys": None,
        }
        try:
            if info.get("private_key"):
                options["client_keys"] = [asyncssh.import_private_key(self._secrets.for_host(str(info["private_key"]), host) + "\n")]
            else:
                options["password"] = self._secrets.for_host(str(info.get("password")), host)
        except asyncssh.KeyImportError as error:
            raise Refused("the private key cannot be read") from error
        return options

    async def _address(self, host: str, port: int) -> str:
        """The checked address, so that a second look-up cannot answer differently."""
        network = GuardedNetwork(self._private_hosts)
        try:
            stream = await network.connect_tcp(host, port, CONNECT_SECONDS)
        except PrivateAddress as error:
            raise Refused(f"{error}; the operator may allow it in TOCSIN_RUNNER_PRIVATE_HOSTS") from error
        except Exception as error:  # httpcore's errors of connecting
            raise Failed(f"{host} cannot be reached: {error}") from error
        peer = stream.get_extra_info("server_addr")
        await stream.aclose()
        return str(peer[0])


def wrapped(assignment: Assignment) -> str:
    """What is sent. Raises Refused."""
    exports = "\n".join(
        f"export {name}=\"$(printf %s '{_base64(value)}' | base64 -d)\"" for name, value in environment(assignment.variables).items()
    )
    script = for_bash(text_of(assignment), assignment.variables)
    return WRAPPER.format(
        marker=hashlib.sha256(assignment.key.encode()).hexdigest()[:40],
        runs=RUNS_STILL,
        exports=exports,
        script=_base64(script),
    )


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _pinned(written: str, host: str) -> str:
    """A line of known_hosts, or only the key: `ssh-ed25519 AAAA…`."""
    line = written.strip()
    return f"{host} {line}" if re.match(r"(ssh|ecdsa|sk)-", line) else line
