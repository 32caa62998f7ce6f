"""What every command that asks the platform has in common."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client.connection import Connection, find_connection
from tocsin_client.screen import Format, Screen
from tocsin_kernel.clock import FollowingClock

if TYPE_CHECKING:
    from tocsin_client.client import Tocsin


@Parameter(name="*")
@dataclass(frozen=True)
class Reach:
    """How the platform is reached."""

    connection: Annotated[Path | None, Parameter(help="The connection.json to use.")] = None

    def found(self) -> Connection:
        return find_connection(os.environ, self.connection)

    def open(self) -> "Tocsin":
        """The platform; close it."""
        from tocsin_client.client import Tocsin

        return Tocsin(self.found())

    @property
    def now(self) -> datetime:
        return FollowingClock().now()


@Parameter(name="*")
@dataclass(frozen=True)
class Options(Reach):
    """How the platform is reached, and how its answer is printed."""

    output: Annotated[Format, Parameter(name=("--output", "-o"), help="How to print the answer.")] = "table"

    @property
    def screen(self) -> Screen:
        return Screen(self.output)


DEFAULTS = Options()
REACH = Reach()
