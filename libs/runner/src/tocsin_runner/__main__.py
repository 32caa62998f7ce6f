"""`tocsin-runner run|settings`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from tocsin_chassis.settings import SettingsError, load, table
from tocsin_chassis.telemetry import start_metrics, start_tracing
from tocsin_runner.app import SERVICE, runner, start_logging
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
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with runner(settings, redactor) as running:
        await running.run(stop)


def _settings(_: argparse.Namespace) -> int:
    for variable, default, description in table(RunnerSettings):
        print(f"{variable:32} {default:16} {description}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
