"""Configuration as it was read: resources, and where in which file each of their fields stands."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tocsin_client.configuration.kinds import Kind, configuration_class, kinds
from tocsin_client.errors import TocsinError


class ConfigurationError(TocsinError):
    """The files are not a configuration. `problems` holds one line for each mistake: file, line, field and how to mend it."""

    exit_code = 2

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class Place:
    """A line of a file, from 1."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Resource:
    """One document: what it says, and where it says so. `fields` holds the place of each field by path, such as "rotation.unit"."""

    kind: Kind
    name: str
    message: Any
    place: Place
    fields: Mapping[str, Place] = field(default_factory=dict)

    def where(self, path: str) -> Place:
        """The place of a field, or of the nearest thing around it that is written down."""
        while path and path not in self.fields:
            path = re.sub(r"(\[\d+\]|(^|\.)[^.\[\]]*)$", "", path)
        return self.fields.get(path, self.place)


@dataclass(frozen=True, slots=True)
class Configurations:
    """All resources of a set of files, in the order in which they were read. No kind has a name twice."""

    resources: tuple[Resource, ...] = ()

    def of_kind(self, kind: Kind) -> list[Resource]:
        return [resource for resource in self.resources if resource.kind == kind]

    def names(self) -> Iterator[tuple[str, str]]:
        """The kind and name of every resource."""
        return ((resource.kind.name, resource.name) for resource in self.resources)

    def message(self, service: str) -> Any:
        """The Configuration message of one service."""
        configuration = configuration_class(service)()
        for kind in kinds().values():
            if kind.service == service:
                fill(configuration, kind, [resource.message for resource in self.of_kind(kind)])
        return configuration


def fill(configuration: Any, kind: Kind, messages: list[Any]) -> None:
    if not kind.singular:
        getattr(configuration, kind.field).extend(messages)
    for message in messages if kind.singular else []:
        part = getattr(configuration, kind.field)
        part.SetInParent()
        part.CopyFrom(message)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Ends a sentence about an unknown word: with the nearest known one, or all of them where none is near."""
    words = list(known)
    lowered = {each.lower(): each for each in words}
    near = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f"did you mean {lowered[near[0]]!r}?" if near else f"known are {', '.join(words) or 'none'}"
