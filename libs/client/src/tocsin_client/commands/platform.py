"""`tocsin up` and `tocsin doctor`: run the platform on this machine, and say how it is."""

import os
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.connection import FILE, LOCAL_HOME, data_home
from tocsin_client.errors import CallFailed, TocsinError, UsageError
from tocsin_client.later import later
from tocsin_client.screen import coloured

if TYPE_CHECKING:
    from tocsin.edge.v1 import edge_service_pb2 as edge
else:
    edge = later("tocsin.edge.v1.edge_service_pb2")

STANDALONE = "tocsin_standalone"


@dataclass(frozen=True, slots=True)
class Finding:
    """How one part is; `remedy` says how to mend it, and is empty where nothing is wrong."""

    name: str
    healthy: bool
    detail: str
    remedy: str


class Unwell(TocsinError):
    """Something does not work. What, was printed."""


def up(*, home: Path = LOCAL_HOME, port: int = 8080, demo: bool = False) -> None:
    """Start the whole platform on this machine: PostgreSQL, NATS, the services and the console. Ends on Ctrl-C.

    Parameters
    ----------
    home
        The directory that keeps its data; made if it is not there.
    port
        The port of the console and of senders' reports; gRPC is on the next one. 0: free ones.
    demo
        Load an example organisation and play three incidents.
    """
    if find_spec(STANDALONE) is None:
        raise UsageError("`tocsin up` needs the platform itself: install the package tocsin-standalone beside tocsin-client")
    raise SystemExit(import_module(f"{STANDALONE}.up").up(home, port, demo))


def doctor(
    *, home: Annotated[Path | None, Parameter(help="The directory of a platform on this machine.")] = None, options: Options = DEFAULTS
) -> None:
    """Say what works, what does not, and how to mend it. Exit status 1 if something does not."""
    found = local_home(home)
    findings = examined(found) if found else []
    findings += asked(options, found)
    options.screen.table(
        [asdict(finding) for finding in findings],
        {
            "": lambda finding: coloured("ok") if finding["healthy"] else coloured("FAILED"),
            "PART": lambda finding: str(finding["name"]),
            "SEEN": lambda finding: str(finding["detail"]),
            "REMEDY": lambda finding: str(finding["remedy"]),
        },
        nothing="There is nothing to examine.",
    )
    ill = [finding.name for finding in findings if not finding.healthy]
    if ill:
        raise Unwell(f"not healthy: {', '.join(ill)}")


def local_home(given: Path | None) -> Path | None:
    """The home of a platform on this machine; None if there is none, or nothing here can examine it."""
    if find_spec(STANDALONE) is None:
        if given is not None:
            raise UsageError("--home: examining a local platform needs the package tocsin-standalone, which is not installed")
        return None
    return given or next((home for home in (data_home(os.environ), LOCAL_HOME) if home.is_dir()), None)


def examined(home: Path) -> list[Finding]:
    """What can be seen from this machine, running or not."""
    findings = import_module(f"{STANDALONE}.doctor").examine(home)
    return [Finding(each.name, each.healthy, each.detail, each.remedy) for each in findings]


def asked(options: Options, home: Path | None) -> list[Finding]:
    """What the platform says of itself."""
    own = home / FILE if home else None
    reach = options if options.connection or own is None or not own.is_file() else Options(connection=own)
    try:
        with reach.open() as tocsin:
            answer = tocsin.edge.GetHealth(edge.GetHealthRequest())
    except UsageError as error:
        return [Finding("connection", False, str(error), "start a platform with `tocsin up`, or say where it is with --connection")]
    except CallFailed as error:
        return [Finding("platform", False, str(error), "see the findings above, and the logs of the edge")]
    return [Finding(each.name, each.healthy, each.detail, each.remedy) for each in answer.components]
