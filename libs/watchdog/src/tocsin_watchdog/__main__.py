"""`tocsin-watchdog run|status|test|pause|settings`."""

import argparse
import json
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from tocsin_watchdog.platform import NotAnswered, request
from tocsin_watchdog.server import HEALTH
from tocsin_watchdog.settings import Settings, SettingsError, read, table
from tocsin_watchdog.watchdog import PAUSE, Watchdog

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LONGEST_PAUSE = 86400.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if chosen.command == "settings":
        print(table())
        return 0
    try:
        return int(chosen.act(read(os.environ), chosen))
    except (SettingsError, NotAnswered) as error:
        print(f"tocsin-watchdog: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tocsin-watchdog", description="Pages by itself when the platform does not.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="watch until SIGTERM").set_defaults(act=_run)
    commands.add_parser("status", help="ask the running watchdog how it stands").set_defaults(act=_status)
    commands.add_parser("test", help="page whom an outage would page now, as a test").set_defaults(act=_test)
    pause = commands.add_parser("pause", help="page nobody for a while, for planned work; 0s ends it")
    pause.add_argument("length", type=_length, help="how long: 90s, 30m, 2h; at most 1d")
    pause.set_defaults(act=_pause)
    commands.add_parser("settings", help="print the settings as a table")
    return parser


def _run(settings: Settings, _: argparse.Namespace) -> int:
    watchdog = Watchdog(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watchdog.stop())
    watchdog.run()
    return 0


def _status(settings: Settings, _: argparse.Namespace) -> int:
    health = json.loads(request("GET", f"http://{settings.listen}{HEALTH}", seconds=5.0))
    print(json.dumps(health, indent=2))
    return 0 if health["platform"] == "up" else 1


def _test(settings: Settings, _: argparse.Namespace) -> int:
    # A port of its own: the running watchdog holds the usual one.
    lines = Watchdog(replace(settings, listen="127.0.0.1:0")).test()
    print("\n".join(lines))
    return 0 if any(line.endswith(": sent") for line in lines) else 1


def _pause(settings: Settings, chosen: argparse.Namespace) -> int:
    pause = settings.home / PAUSE
    pause.write_text(str(time.time() + chosen.length))
    print(f"Paused for {chosen.length:g} s." if chosen.length else "Watching again.")
    return 0


def _length(text: str) -> float:
    found = re.fullmatch(r"(\d+)([smhd])", text)
    if found is None or int(found[1]) * _UNITS[found[2]] > LONGEST_PAUSE:
        raise argparse.ArgumentTypeError("give a number and s, m or h, at most 1d: 30m")
    return float(int(found[1]) * _UNITS[found[2]])


if __name__ == "__main__":
    sys.exit(main())
