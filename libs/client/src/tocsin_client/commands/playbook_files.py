"""`tocsin playbook check`, `plan`, `convert`: playbooks in files, without any server."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import TocsinError, UsageError
from tocsin_client.later import later
from tocsin_client.screen import grid, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from tocsin_playbook import document, playbook, shortened, terms
    from tocsin_playbook import plan as planning
    from tocsin_playbook.document import Document
    from tocsin_playbook.plan import Line, Plan
else:
    document = later("tocsin_playbook.document")
    planning = later("tocsin_playbook.plan")
    playbook = later("tocsin_playbook.playbook")
    shortened = later("tocsin_playbook.shortened")
    terms = later("tocsin_playbook.terms")

STANDARD_INPUT = "-"


class PlaybookUnfit(TocsinError):
    """A playbook that cannot run as it is; what to mend was printed, or is in the message."""


def check(files: tuple[str, ...], /, *, options: Options = DEFAULTS) -> None:
    """Say everything that is wrong with playbooks, before anything runs. Ends with 1 if something has to be mended; warnings stop nobody.

    As JSON: a list of {file, step, field, detail, severity}.

    Parameters
    ----------
    files
        Playbooks: CACAO v2.0 as JSON or YAML, or the short form. "-" is standard input.
    """
    if not files:
        raise UsageError("FILE: name at least one playbook")
    found = [(name, read(name)) for name in files]
    problems = [
        {
            "file": name,
            "step": each.step,
            "field": each.field,
            "detail": each.detail,
            "severity": "warning" if each.warning else "error",
        }
        for name, one in found
        for each in one.problems
    ]
    options.screen.table(
        problems,
        {
            "FILE": lambda each: each["file"],
            "SEVERITY": lambda each: each["severity"],
            "STEP": lambda each: each["step"],
            "FIELD": lambda each: each["field"],
            "WHAT TO MEND": lambda each: each["detail"],
        },
        nothing=f"Nothing is wrong with {', '.join(files)}.",
    )
    if any(one.errors for _, one in found):
        raise SystemExit(PlaybookUnfit.exit_code)


def plan(
    file: str,
    /,
    *,
    var: Annotated[tuple[str, ...], Parameter(name="--var", negative="")] = (),
    options: Options = DEFAULTS,
) -> None:
    """Show what a playbook would do: every step on every way, who has to approve, what is undone, what may be hit. Nothing is touched.

    Parameters
    ----------
    file
        The playbook. "-" is standard input.
    var
        The value of a variable: --var host=web-1. What is not given is shown as $host.
    """
    plain = sound(file)
    try:
        found = planning.plan(playbook.read(plain), given(var))
    except ValueError as error:
        raise UsageError(f"--var: {error}") from error
    if options.output == "table":
        options.screen.draw(drawn(found))
    else:
        options.screen.data(json.loads(json.dumps(found.to_plain())))


def convert(file: str, /, *, to: Literal["", "cacao", "short"] = "") -> None:
    """Print a playbook in the other form: the short form as CACAO v2.0 (JSON), CACAO as the short form (YAML).

    Parameters
    ----------
    file
        The playbook. "-" is standard input.
    to
        The form to print, where it should not be the other one.
    """
    found = read(file)
    plain = sound(file, found)
    form = to or ("cacao" if found.short else "short")
    if form == "cacao":
        sys.stdout.write(json.dumps(plain, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(shortened.as_yaml(shortened.shortened(plain)))


def read(name: str) -> "Document":
    """A playbook with its problems. UsageError if there is no such file."""
    try:
        text = sys.stdin.read() if name == STANDARD_INPUT else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"FILE: {name}: {getattr(error, 'strerror', None) or 'it is no text in UTF-8'}") from error
    return document.loaded(text)


def sound(name: str, found: "Document | None" = None) -> dict[str, object]:
    """A playbook as CACAO. PlaybookUnfit names what has to be mended."""
    made = found or read(name)
    if made.errors:
        raise PlaybookUnfit(f"{name} cannot run as it is:\n" + "\n".join(f"  {each}" for each in made.errors))
    return dict(made.plain)


def given(pairs: Sequence[str]) -> dict[str, str | None]:
    """The values of --var, by the full names of variables."""
    values: dict[str, str | None] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            raise UsageError(f"--var: write name=value, not {pair!r}")
        values[terms.full(name)] = value
    return values


def drawn(found: "Plan") -> "RenderableType":
    """Steps below each other, and what may be hit."""
    columns = {
        "STEP": lambda line: "  " * line.depth + line.name,
        "WHEN": lambda line: line.when,
        "WHAT IT DOES": does,
        "APPROVAL": lambda line: line.approval,
    }
    return stack(grid(found.lines, columns), *summary(found))


def does(line: "Line") -> str:
    """What a step does, at what, and what else is to be known of it."""
    at = f"at {', '.join(line.targets)}" if line.targets else ""
    lasting = "CANNOT BE UNDONE" if line.irreversible else ""
    return "\n".join(part for part in (*line.does, at, "; ".join(line.notes), line.undo, lasting) if part)


def summary(found: "Plan") -> "Iterable[Text]":
    """What may be hit at most, and what has to be given."""
    from rich.text import Text

    hit = {"hosts": found.hosts, "users": found.users, "addresses": found.addresses, "workloads": found.workloads}
    counted = "; ".join(f"{len(names)} {kind}: {', '.join(names)}" for kind, names in hit.items() if names)
    yield Text(f"\nMay hit {counted}." if counted else "\nHits nothing.")
    yield Text(f"{found.approvals} steps wait for approval.")
    if found.irreversible:
        yield Text(f"Cannot be undone: {', '.join(found.irreversible)}.", style="bold red")
    if found.missing:
        yield Text(f"Still to be given: {', '.join(terms.bare(name) for name in found.missing)}.", style="yellow")
