"""How the supervisor runs the demo: as a process of its own, which knows only what an outsider knows."""

import sys

from tocsin_standalone.process import Program
from tocsin_standalone.services import INHERITED, Surroundings


def demo_program(around: Surroundings) -> Program:
    """The outside world of this instance."""
    ports, home = around.ports, around.home
    return Program(
        name="demo",
        command=[
            *(sys.executable, "-m", "tocsin_standalone.demo"),
            *("--connection", str(home.connection)),
            *("--mailbox", str(ports.mailbox)),
            *("--smtp", str(ports.smtp)),
        ],
        log=home.logs / "demo.log",
        record=home.run / "demo.pid",
        environment={"PYTHONUNBUFFERED": "1"} | {name: around.operator[name] for name in INHERITED if name in around.operator},
    )
