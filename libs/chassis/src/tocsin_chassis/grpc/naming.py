"""What a request names by an id: which things, wherever in its message."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from tocsin_kernel.errors import NotFound


@dataclass(frozen=True, slots=True)
class Thing:
    """A kind of thing that belongs to an incident.

    `hidden` says which of these ids are of incidents that a reader may not know of, and of which; `absent` is how one is said not to exist.
    """

    hidden: Callable[[str, Collection[str]], Awaitable[dict[str, str]]]
    absent: Callable[[str], NotFound]


# By the name of the field that holds the id.
Things = Mapping[str, Thing]


@dataclass(frozen=True, slots=True)
class Names:
    """Where messages of a type name something: fields with ids, and fields with messages that do (True: a list of them)."""

    own: tuple[str, ...]
    parts: tuple[tuple[str, bool, "Names"], ...]

    def found(self, message: Any) -> Iterator[tuple[str, str]]:
        """Field and id of each thing that a message names."""
        for name in self.own:
            if value := getattr(message, name):
                yield name, value
        for name, many, names in self.parts:
            for part in getattr(message, name) if many else ([getattr(message, name)] if message.HasField(name) else []):
                yield from names.found(part)


def named(request: Message, things: Things) -> dict[str, set[str]]:
    """The ids that a request names, by field."""
    found: dict[str, set[str]] = {}
    for field, value in names_of(request.DESCRIPTOR, frozenset(things)).found(request):
        found.setdefault(field, set()).add(value)
    return found


def names_of(descriptor: Any, fields: frozenset[str]) -> Names:
    """Where messages of this type hold these fields."""
    return _names(descriptor, fields, frozenset())


@cache
def _names(descriptor: Descriptor, fields: frozenset[str], inside: frozenset[str]) -> Names:
    """`inside` are the types around it: one that holds itself is looked at once."""
    within = inside | {descriptor.full_name}
    own, parts = [], []
    for field in descriptor.fields:
        kind = field.message_type
        if field.name in fields and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
            own.append(field.name)
        elif kind is not None and kind.full_name not in within and not kind.GetOptions().map_entry:
            names = _names(kind, fields, within)
            if names.own or names.parts:
                parts.append((field.name, bool(field.is_repeated), names))
    return Names(tuple(own), tuple(parts))
