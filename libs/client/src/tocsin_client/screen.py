"""What commands print: tables for people, JSON and YAML for programs. Senders' text never reaches the terminal raw."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

Format = Literal["table", "json", "yaml"]
Item = TypeVar("Item")

# Where the output is no terminal nothing is cut: a table is as wide as what it holds.
UNLIMITED = 10_000
HARMLESS = {"\n", "\t"}
STATE_STYLES = {
    "OPEN": "bold red",
    "ACKNOWLEDGED": "yellow",
    "RESOLVED": "green",
    "nobody": "bold red",
    "FAILED": "bold red",
    "DELIVERED": "green",
    "SENT": "green",
    "CANCELLED": "dim",
    "SEV1": "bold red",
    "SEV2": "red",
    "SEV3": "yellow",
    "ALIVE": "green",
    "LATE": "bold red",
    "NEVER PINGED": "yellow",
    "DISABLED": "dim",
    "ACTIVE": "green",
    "PENDING": "yellow",
    "EXPIRED": "dim",
}


@dataclass(frozen=True, slots=True)
class Screen:
    """Prints results in the format that the user asked for, on standard output."""

    format: Format = "table"

    def table(self, items: Iterable[Item], columns: Mapping[str, Callable[[Item], "str | Text"]], nothing: str) -> None:
        """Several things of one sort; `nothing` is what people read if there are none."""
        found = list(items)
        if self.format != "table":
            self.data([as_data(item) for item in found])
        elif found:
            self.draw(grid(found, columns))
        else:
            self.say(nothing)

    def result(self, message: Any, draw: "Callable[[Any], RenderableType]") -> None:
        """One answer."""
        if self.format == "table":
            self.draw(draw(message))
        else:
            self.data(as_data(message))

    def draw(self, renderable: "RenderableType") -> None:
        console().print(renderable, markup=False, highlight=False)

    def data(self, value: object) -> None:
        if self.format == "yaml":
            import yaml

            sys.stdout.write(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
        else:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=not sys.stdout.encoding.lower().startswith("utf")) + "\n")

    def say(self, text: str) -> None:
        """A line for people, in every format: on standard error where programs read the output."""
        print(plain(text), file=sys.stdout if self.format == "table" else sys.stderr)

    def note(self, text: str) -> None:
        """A line for people beside a result, always on standard error."""
        print(plain(text), file=sys.stderr)


def console() -> "Console":
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=UNLIMITED)


def as_data(value: Any) -> Any:
    """A message as its protobuf JSON with the field names of the contract; anything else as it is."""
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import Message

    if not isinstance(value, Message):
        return value
    return MessageToDict(value, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def line(message: Any) -> str:
    """A message as JSON in one line, as `-o json` prints it."""
    return json.dumps(as_data(message), separators=(",", ":"))


def grid(items: Sequence[Item], columns: Mapping[str, Callable[[Item], "str | Text"]]) -> "RenderableType":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title in columns:
        table.add_column(title, overflow="fold")
    for item in items:
        table.add_row(*(cell(value(item)) for value in columns.values()))
    return table


def facts(pairs: "Mapping[str, str | Text]") -> "RenderableType":
    """Names and values below each other; what is empty is left out."""
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs.items():
        if value:
            table.add_row(name, cell(value))
    return table


def heading(text: str) -> "Text":
    from rich.text import Text

    return Text("\n" + text, style="bold")


def stack(*parts: "RenderableType") -> "RenderableType":
    from rich.console import Group

    return Group(*parts)


def cell(value: "str | Text") -> "Text":
    from rich.text import Text

    return value if isinstance(value, Text) else Text(plain(value))


def coloured(word: str) -> "Text":
    """A state or severity in its colour; the word itself says it too."""
    from rich.text import Text

    return Text(plain(word), style=STATE_STYLES.get(word, ""))


def plain(text: str) -> str:
    """Text that cannot steer a terminal: control characters and direction marks are shown as a sign."""
    return "".join(letter if letter.isprintable() or letter in HARMLESS else "\N{REPLACEMENT CHARACTER}" for letter in text)


def short(enum: Any, number: int) -> str:
    """The name of an enum's value without its prefix: "OPEN", "SEV2", "WEEKLY"; "" for "not given"."""
    if number == 0:
        return ""
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    try:
        return str(enum.Name(number)).removeprefix(prefix)
    except ValueError:
        return str(number)


def number(enum: Any, word: str, argument: str) -> Any:
    """The value of an enum by its short name, in any case. UsageError names `argument` and what is possible."""
    from tocsin_client.errors import UsageError

    known = {short(enum, value): value for value in enum.values() if value}
    if word.upper() not in known:
        raise UsageError(f"{argument}: {word!r} is not possible; give one of {', '.join(name.lower() for name in known)}")
    return known[word.upper()]
