"""What an import is made of, whatever system it comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Plain = Mapping[str, Any]
Archive = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Document:
    """One resource in the form of configuration files: `spec` as they have it."""

    kind: str
    name: str
    spec: Plain


@dataclass(frozen=True, slots=True)
class Lost:
    """Something that was read and has no counterpart, or a different one. `instead` says what was done about it."""

    where: str
    what: str
    instead: str


@dataclass(frozen=True, slots=True)
class Span:
    """Who was on call from `start` until just before `end`, as the other system says."""

    start: datetime
    end: datetime
    people: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sender:
    """An integration of the other system: what sends to it has to know the key, or get a new one."""

    name: str
    kind: str
    key_known: bool
    note: str


@dataclass(slots=True)
class Imported:
    """Everything that was understood. `replayed` are the schedules with the past too, for the comparison; `rendered` what the
    other system says of them, by our names of the schedules.
    """

    documents: list[Document] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    senders: list[Sender] = field(default_factory=list)
    replayed: dict[str, Plain] = field(default_factory=dict)
    rendered: dict[str, list[Span]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, name: str, spec: Plain) -> None:
        """Keep a resource; fields without content are left out."""
        self.documents.append(Document(kind, name, {key: value for key, value in spec.items() if value not in (None, "", [], {})}))

    def lose(self, where: str, what: str, instead: str) -> None:
        """Note what does not come over as it was."""
        self.lost.append(Lost(where, what, instead))


class Unusable(Exception):
    """What was read cannot be imported; the text names the field."""


def items(archive: Archive, name: str) -> Sequence[Plain]:
    """The entries of one resource; none if it was not read."""
    found = archive.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise Unusable(f"{name}: must be a list of objects, as the API gives it")
    return found
