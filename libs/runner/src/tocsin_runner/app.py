"""Puts a runner together from its settings."""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from urllib.parse import urlsplit

from tocsin_chassis.grpc.caller import Identity
from tocsin_chassis.grpc.channel import channel
from tocsin_chassis.settings import SettingsError
from tocsin_kernel.clock import Clock, FollowingClock
from tocsin_runner.commands.action import ActionCommand
from tocsin_runner.commands.command import Command
from tocsin_runner.commands.http_api import HttpApi
from tocsin_runner.commands.local import bash, powershell
from tocsin_runner.commands.openc2_http import OpenC2Http
from tocsin_runner.commands.ssh import Ssh
from tocsin_runner.connectors.catalogue import Bindings, Catalogue
from tocsin_runner.connectors.connections import own, read
from tocsin_runner.connectors.lifecycle import Lifecycle
from tocsin_runner.http import Http, http_client
from tocsin_runner.runner import Runner
from tocsin_runner.secrets import RedactingFormatter, Redactor, Secrets
from tocsin_runner.settings import RunnerSettings, listed, local_commands, ports
from tocsin_runner.work import Work

SERVICE = "runner"


@asynccontextmanager
async def runner(settings: RunnerSettings, redactor: Redactor) -> AsyncIterator[Runner]:
    """The runner, with everything it needs, closed at the end. Raises SettingsError."""
    identity = Identity.read(SERVICE, settings.signing_key_file)
    clock = FollowingClock()
    async with work(settings, redactor, clock) as carrying_out, channel(settings.response, identity) as response:
        name = settings.name or f"{socket.gethostname()}/{os.getpid()}"
        yield Runner(response, carrying_out, clock, name=name, at_once=settings.at_once, grace=settings.grace_seconds)


@asynccontextmanager
async def work(settings: RunnerSettings, redactor: Redactor, clock: Clock) -> AsyncIterator[Work]:
    """All commands that this runner may carry out. Raises SettingsError."""
    async with connected(settings, redactor, clock) as bindings:
        http, secrets, twins = bindings.http, bindings.secrets, bindings.twins
        allowed = set(local_commands(settings.local_commands))
        commands: dict[str, Command] = {
            "http-api": HttpApi(http, secrets, clock, twins),
            "openc2-http": OpenC2Http(http, secrets, clock, twins),
            "ssh": Ssh(secrets, frozenset(listed(settings.private_hosts))),
            "tocsin-action": ActionCommand(bindings, Lifecycle(clock, asyncio.sleep)),
        }
        commands |= {name: command for name, command in (("bash", bash()), ("powershell", powershell())) if name in allowed}
        yield Work(commands, redactor, lambda: bindings.actions)


@asynccontextmanager
async def connected(settings: RunnerSettings, redactor: Redactor, clock: Clock | None = None) -> AsyncIterator[Bindings]:
    """All connectors at their connections. Raises SettingsError."""
    async with AsyncExitStack() as stack:
        private = [*listed(settings.private_hosts), *_own_hosts(settings)]
        http = await stack.enter_async_context(http_client(private, ports(settings.ports), settings.ca_file))
        given = own(read(settings.connections), settings.tocsin)
        secrets = Secrets(settings.secrets, given.hosts, redactor)
        twins = await _twins(stack, settings)
        yield Bindings(Catalogue(settings.connectors), given, secrets, http, clock or FollowingClock(), twins)


def _own_hosts(settings: RunnerSettings) -> list[str]:
    """Tocsin's own host may be private: the operator named it. Raises SettingsError."""
    if not settings.tocsin:
        return []
    parts = urlsplit(settings.tocsin)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("TOCSIN_RUNNER_TOCSIN: must be an http or https address")
    return [f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"]


async def _twins(stack: AsyncExitStack, settings: RunnerSettings) -> tuple[Http, str] | None:
    if not settings.twins:
        return None
    parts = urlsplit(settings.twins)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError("TOCSIN_RUNNER_TWINS: must be an http or https address")
    return await stack.enter_async_context(http_client([parts.hostname], [])), settings.twins.rstrip("/")


def start_logging(level: str, redactor: Redactor) -> None:
    """Send all logs to standard error as JSON lines without secrets."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(SERVICE, redactor))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for noisy in ("httpcore", "asyncio", "asyncssh", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
