"""`tocsin apply` and `tocsin export`: configuration as files."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tocsin_client.commands.asking import agree
from tocsin_client.commands.options import DEFAULTS, REACH, Options, Reach
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import plain

if TYPE_CHECKING:
    from rich.text import Text

    from tocsin_client import configuration
else:
    configuration = later("tocsin_client.configuration")

SIGNS = {"created": ("+", "green"), "updated": ("~", "yellow"), "deleted": ("-", "red")}


def apply(
    *,
    files: Annotated[Path, Parameter(name=("--files", "-f"))],
    dry_run: bool = False,
    prune: bool = False,
    yes: bool = False,
    options: Options = DEFAULTS,
) -> None:
    """Make the configuration like the given files, after showing the plan. What files do not name stays, unless --prune is given.

    Nothing is changed unless every service accepts its part.

    Parameters
    ----------
    files
        A file, or a directory whose .yaml files are read, subdirectories included.
    dry_run
        Show the plan, and change nothing.
    prune
        Delete what is stored and stands in no file. Asks before.
    yes
        Do not ask.
    """
    wanted = configuration.load(files)
    connection = options.found()
    planned = configuration.plan(connection, wanted, prune=prune)
    report(options, planned)
    deleted = sum(change.action == "deleted" for change in planned)
    if dry_run or all(change.action == "unchanged" for change in planned):
        return
    if deleted:
        agree(f"Delete {deleted} resource{'s' * (deleted > 1)}?", yes)
    configuration.apply(connection, wanted, prune=prune)
    options.screen.say("Applied.")


def export(*, output: Annotated[Path | None, Parameter(name=("--output", "-o"))] = None, reach: Reach = REACH) -> None:
    """Write the stored configuration as files. Applying them changes nothing.

    Parameters
    ----------
    output
        The directory for one file of each kind; made if it is not there. Without it everything goes to standard output.
    """
    texts = configuration.export(reach.found())
    if output is None:
        print("".join(texts.values()), end="")
        return
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name in configuration.file_names():
            write(output / name, texts.get(name, ""))
    except OSError as error:
        raise UsageError(f"--output: cannot write to {output}: {error.strerror}") from error
    print(plain(f"Wrote {len(texts)} file{'s' * (len(texts) != 1)} to {output}."))


def write(file: Path, text: str) -> None:
    """A kind without resources gets no file; one that an earlier export left is emptied, since its resources are gone."""
    if text or file.exists():
        file.write_text(text, encoding="utf-8")


def report(options: Options, changes: "list[configuration.Change]") -> None:
    if options.output != "table":
        options.screen.data([asdict(change) for change in changes])
        return
    from rich.text import Text

    options.screen.draw(Text("\n").join([*lines(changes), Text(summary(changes))]))


def lines(changes: "list[configuration.Change]") -> "Iterator[Text]":
    from rich.text import Text

    for change in changes:
        if change.action in SIGNS:
            sign, style = SIGNS[change.action]
            yield Text(plain(f"{sign} {change.kind} {change.name}"), style=style)
            for field in change.fields:
                yield Text(plain(f"    {field.path}: {field.before or '(not set)'} → {field.after or '(not set)'}"))


def summary(changes: "list[configuration.Change]") -> str:
    counts = {action: sum(change.action == action for change in changes) for action in ("created", "updated", "deleted", "unchanged")}
    return (
        f"{counts['created']} to create, {counts['updated']} to change, {counts['deleted']} to delete, {counts['unchanged']} as they are."
    )
