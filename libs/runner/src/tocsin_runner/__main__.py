"""`tocsin-runner run|connectors|check|twins|settings`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tocsin_chassis.settings import SettingsError, load, table
from tocsin_chassis.telemetry import start_metrics, start_tracing
from tocsin_runner.app import SERVICE, connected, runner, start_logging
from tocsin_runner.connectors.catalogue import Catalogue
from tocsin_runner.listing import checked, listed
from tocsin_runner.secrets import Redactor
from tocsin_runner.settings import RunnerSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        return int(chosen.act(chosen))
    except SettingsError as error:
        print(f"tocsin-runner: these settings need attention:\n{error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tocsin-runner", description="Carries out the steps of playbooks.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="work until SIGTERM").set_defaults(act=_run)
    commands.add_parser("connectors", help="list connectors, their actions, and what they need").set_defaults(act=_connectors)
    commands.add_parser("check", help="ask every connection whether it works, without changing anything").set_defaults(act=_check)
    twins = commands.add_parser("twins", help="serve simulated twins of all systems until SIGTERM")
    twins.add_argument("--port", type=int, default=8090, help="the port; 0 takes a free one")
    twins.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    twins.add_argument("--lists", type=Path, help="a file to keep block lists in")
    twins.set_defaults(act=_twins)
    commands.add_parser("settings", help="print every setting").set_defaults(act=_settings)
    return parser


def _run(_: argparse.Namespace) -> int:
    settings = load(RunnerSettings, os.environ)
    redactor = Redactor()
    start_logging(settings.log_level, redactor)
    provider = start_tracing(SERVICE)
    start_metrics(settings.metrics_listen)
    try:
        asyncio.run(_until_signal(settings, redactor))
    finally:
        if provider is not None:
            provider.shutdown()
    return 0


async def _until_signal(settings: RunnerSettings, redactor: Redactor) -> None:
    stop = _stop()
    async with runner(settings, redactor) as running:
        await running.run(stop)


def _connectors(_: argparse.Namespace) -> int:
    folder = os.environ.get("TOCSIN_RUNNER_CONNECTORS")
    catalogue = Catalogue(Path(folder) if folder else None)
    print("\n".join(listed(catalogue)))
    return 1 if catalogue.problems else 0


def _check(_: argparse.Namespace) -> int:
    return asyncio.run(_checked(load(RunnerSettings, os.environ)))


async def _checked(settings: RunnerSettings) -> int:
    well = True
    redactor = Redactor()
    start_logging("error", redactor)
    async with connected(settings, redactor) as bindings:
        for file, problem in sorted(bindings.catalogue.problems.items()):
            well = False
            print(f"{file} cannot be used: {problem}")
        async for works, said in checked(bindings, bindings.connections):
            well &= works
            print(said)
    return 0 if well else 1


def _twins(chosen: argparse.Namespace) -> int:
    # Imported here: a runner needs no web server.
    from tocsin_runner.twins.all import everything
    from tocsin_runner.twins.server import served

    async def serve() -> None:
        stop = _stop()
        async with served(everything(chosen.lists), chosen.host, chosen.port) as twins:
            print(f"Simulated twins at {twins.url}", flush=True)
            await stop.wait()

    asyncio.run(serve())
    return 0


def _settings(_: argparse.Namespace) -> int:
    for variable, default, description in table(RunnerSettings):
        print(f"{variable:32} {default:16} {description}")
    return 0


def _stop() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


if __name__ == "__main__":
    sys.exit(main())
