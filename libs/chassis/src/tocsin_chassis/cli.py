"""The command of every service: `tocsin-<service> serve | migrate | settings | dead`."""

import argparse
import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import uvloop

from tocsin_chassis import telemetry
from tocsin_chassis.app import App
from tocsin_chassis.events.dead import DeadLetters
from tocsin_chassis.migrating import bring
from tocsin_chassis.postgres.migrations import SchemaBehind, require_current
from tocsin_chassis.sealing import BadKeyFile, add_key
from tocsin_chassis.settings import ServiceSettings, SettingsError, load, table

SettingsType = TypeVar("SettingsType", bound=ServiceSettings)
Compose = Callable[[Any], AbstractAsyncContextManager[App]]


@dataclass(frozen=True, slots=True)
class Command:
    """One more command, of this service alone: it is given the composed service, which does not run, and returns the exit status."""

    name: str
    summary: str
    work: Callable[[App], Awaitable[int]]


def run(
    service: str, settings: type[ServiceSettings], compose: Compose, arguments: list[str] | None = None, more: Sequence[Command] = ()
) -> int:
    """The whole command line of one service; returns the exit status."""
    chosen = _parser(service, more).parse_args(arguments)
    if chosen.command == "settings":
        return _print_settings(settings)
    if chosen.command == "secrets" and chosen.secrets == "new-key":
        return _new_key(chosen.file)
    try:
        read = load(settings, os.environ)
    except SettingsError as error:
        print(f"tocsin-{service}: these settings need attention:\n{error}", file=sys.stderr)
        return 2
    telemetry.start_logging(service, read.log_level)
    try:
        own = {command.name: command for command in more}
        if chosen.command in own:
            return uvloop.run(_work(own[chosen.command], read, compose))
        return uvloop.run(_COMMANDS[chosen.command](service, read, compose, chosen))
    except (SchemaBehind, LookupError, BadKeyFile, SettingsError) as error:
        print(f"tocsin-{service}: {error}", file=sys.stderr)
        return 1


def _parser(service: str, more: Sequence[Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"tocsin-{service}", description=f"The {service} service of Tocsin.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve until SIGTERM")
    commands.add_parser("migrate", help="bring the schema and the stream to this version")
    commands.add_parser("settings", help="print every setting")
    for command in more:
        commands.add_parser(command.name, help=command.summary)
    dead = commands.add_parser("dead", help="facts that could not be handled").add_subparsers(dest="dead", required=True)
    dead.add_parser("list", help="list all of them, oldest first")
    retry = dead.add_parser("retry", help="handle them again: all of them, or the one given")
    retry.add_argument("id", type=UUID, nargs="?", help="the fact's id, as in the list; without it all are handled again")
    sealed = commands.add_parser("secrets", help="secrets that lie sealed in the database").add_subparsers(dest="secrets", required=True)
    made = sealed.add_parser("new-key", help="put a new key before the others in a key file, and make the file if there is none")
    made.add_argument("file", type=Path, help="the file that TOCSIN_SECRETS_KEY_FILE names")
    sealed.add_parser("rewrap", help="seal everything under the newest key; after that older keys can go")
    return parser


def _new_key(file: Path) -> int:
    try:
        add_key(file)
    except (BadKeyFile, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{file} has a new key. Restart every process that uses it, then run `secrets rewrap`.")
    return 0


async def _secrets(service: str, settings: ServiceSettings, compose: Compose, _: argparse.Namespace) -> int:
    async with compose(settings) as app:
        print(f"{await app.seal_again()} rows were sealed under the newest key")
    return 0


def _print_settings(settings: type[ServiceSettings]) -> int:
    for variable, default, description in table(settings):
        print(f"{variable:36} {default:28} {description}")
    return 0


async def _serve(service: str, settings: ServiceSettings, compose: Compose, _: argparse.Namespace) -> int:
    await asyncio.to_thread(require_current, settings.postgres_url, service)
    provider = telemetry.start_tracing(service)
    telemetry.start_metrics(settings.metrics_listen)
    try:
        async with compose(settings) as app:
            _collect_rarely()
            await app.run_until_signal()
    finally:
        if provider is not None:
            await asyncio.to_thread(provider.shutdown)
    return 0


def _collect_rarely() -> None:
    """What has been loaded stays for good and need not be looked at again; what a request makes is nearly all gone when it ends."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


async def _work(command: Command, settings: ServiceSettings, compose: Compose) -> int:
    async with compose(settings) as app:
        return await command.work(app)


async def _migrate(service: str, settings: ServiceSettings, _: Compose, __: argparse.Namespace) -> int:
    await bring(service, settings)
    return 0


async def _dead(service: str, settings: ServiceSettings, compose: Compose, chosen: argparse.Namespace) -> int:
    async with compose(settings) as app:
        letters = DeadLetters(app.database, app.consumers)
        if chosen.dead == "list":
            async for letter in letters.all():
                print(f"{letter.id}  {letter.died_at:%Y-%m-%d %H:%M:%S}Z  {letter.consumer}  {letter.subject}\n    {letter.error}")
            return 0
        retried = [again async for again in letters.retry_all()] if chosen.id is None else await letters.retry(chosen.id)
    failed = [again for again in retried if again.problem]
    for again in failed:
        print(f"{again.letter.id}  {again.letter.consumer}  {again.letter.subject}\n    {again.problem}", file=sys.stderr)
    print(f"{len(retried) - len(failed)} handled, {len(failed)} failed again and are kept")
    return 1 if failed else 0


_COMMANDS = {"serve": _serve, "migrate": _migrate, "dead": _dead, "secrets": _secrets}
