"""Configuration to files, one for each kind, in an order that does not change: reading them again gives the same."""

from collections.abc import Iterable
from typing import Any

import yaml
from google.protobuf.descriptor import FieldDescriptor

from tocsin_client.client import Tocsin
from tocsin_client.configuration.applying import stored
from tocsin_client.configuration.kinds import DURATION, ONLY_ONE, Kind, is_map, is_message, kinds, short_names, writable
from tocsin_client.configuration.reading import API_VERSION
from tocsin_client.configuration.resources import Configurations
from tocsin_client.connection import Connection

# The platform's own resources, such as those of its watchdog, belong to one installation and are in no file.
PLATFORM_PREFIX = "tocsin-"


def export(connection: Connection) -> dict[str, str]:
    """What is stored, as the text of YAML files by file name. A kind without resources has no file."""
    with Tocsin(connection) as tocsin:
        return render(stored(tocsin))


def render(configurations: Configurations) -> dict[str, str]:
    texts = {}
    for kind in kinds().values():
        own = [resource for resource in configurations.of_kind(kind) if not resource.name.startswith(PLATFORM_PREFIX)]
        resources = sorted(own, key=lambda resource: resource.name)
        if resources:
            texts[file_name(kind)] = dump(document(kind, resource.name, resource.message) for resource in resources)
    return texts


def file_name(kind: Kind) -> str:
    return f"{kind.field.replace('_', '-')}.yaml"


def file_names() -> list[str]:
    """The names of all files that an export may write, one for each kind."""
    return [file_name(kind) for kind in kinds().values()]


class Dumper(yaml.SafeDumper):
    """Escapes what readers of YAML take for a line break or drop; PyYAML writes some of it as it is."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        odd = any(not letter.isprintable() and letter != "\n" for letter in text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style='"' if odd else None)


Dumper.add_representer(str, Dumper.represent_text)


def dump(documents: Iterable[dict[str, Any]]) -> str:
    return str(yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=120))


def document_of(kind: str, message: Any) -> dict[str, Any]:
    """One resource as the document of a file."""
    return document(kinds()[kind], message.name, message)


def document(kind: Kind, name: str, message: Any) -> dict[str, Any]:
    spec = {field.name: plain(field, getattr(message, field.name)) for field in kind.fields if is_set(message, field)}
    return {"apiVersion": API_VERSION, "kind": kind.name, "metadata": {"name": ONLY_ONE if kind.singular else name}, "spec": spec}


def is_set(message: Any, field: FieldDescriptor) -> bool:
    return bool(message.HasField(field.name)) if field.has_presence else bool(getattr(message, field.name))


def plain(field: FieldDescriptor, value: Any) -> Any:
    """The value of a field as YAML says it."""
    if is_map(field):
        return {key: value[key] for key in sorted(value)}
    if field.is_repeated:
        return [one(field, item) for item in value]
    return one(field, value)


def one(field: FieldDescriptor, value: Any) -> Any:
    if is_message(field, DURATION):
        return duration_text(value.seconds * 10**9 + value.nanos)
    if field.message_type is not None:
        inner = writable(field.message_type)
        return {each.name: plain(each, getattr(value, each.name)) for each in inner if is_set(value, each)}
    if field.enum_type is not None:
        return {number: word for word, number in short_names(field.enum_type).items()}[value]
    return value


def duration_text(nanos: int) -> str:
    seconds, rest = divmod(nanos, 10**9)
    return f"{seconds}.{rest:09}".rstrip("0").rstrip(".") + "s"
