"""Names that one resource gives of another: each must be there, in the files or on the server."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor

from tocsin_client.configuration.kinds import Kind, is_map, referred_kind, writable
from tocsin_client.configuration.resources import Configurations, Resource, did_you_mean


def dangling(configurations: Configurations, known: set[tuple[str, str]]) -> list[str]:
    """One line for each name that is not among the known (kind, name) pairs: file, line, field and the nearest name that exists."""
    return [problem for resource in configurations.resources for problem in dangling_of(resource, known)]


def dangling_of(resource: Resource, known: set[tuple[str, str]]) -> Iterator[str]:
    for path, kind, name in references(resource.message, resource.kind.descriptor, ""):
        if (kind.name, name) not in known:
            hint = did_you_mean(name, sorted(each for of, each in known if of == kind.name))
            yield (
                f"{resource.where(path)}: {resource.kind.name} {resource.name}: {path}: "
                f"there is no {kind.name} {name!r}, neither in these files nor on the server; {hint}"
            )


def references(message: Any, descriptor: Descriptor, path: str) -> Iterator[tuple[str, Kind, str]]:
    """Every name that a message gives of a resource, with its path and the kind it names."""
    for field in writable(descriptor):
        value = getattr(message, field.name)
        kind = referred_kind(field)
        numbered = enumerate(value) if field.is_repeated and not is_map(field) else []
        items = [(f"{path}{field.name}[{index}]", item) for index, item in numbered] if field.is_repeated else [(path + field.name, value)]
        for place, item in items:
            if kind is not None and item:
                yield place, kind, item
            elif field.message_type is not None:
                yield from references(item, field.message_type, f"{place}.")
