"""What applying a configuration changes: stored and given resources, compared field by field."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from tocsin.configuration.v1.change_pb2 import Change, FieldChange

# The platform's own resources, such as those of its watchdog: configuration in files neither holds nor prunes them.
PLATFORM_PREFIX = "tocsin-"


def changes(kind: str, stored: Mapping[str, Message], given: Mapping[str, Message], prune: bool) -> list[Change]:
    """What becomes of each resource of a kind, by name. What is stored and not given stays and is not listed, unless `prune` deletes it.

    The platform's own resources are never pruned.
    """
    listed = [_change(kind, name, stored.get(name), given[name]) for name in sorted(given)]
    if prune:
        absent = sorted(name for name in stored.keys() - given.keys() if not name.startswith(PLATFORM_PREFIX))
        listed += [Change(kind=kind, name=name, action=Change.ACTION_DELETED) for name in absent]
    return listed


def _change(kind: str, name: str, stored: Message | None, given: Message) -> Change:
    if stored is None:
        return Change(kind=kind, name=name, action=Change.ACTION_CREATED)
    fields = list(_differences("", _as_json(stored), _as_json(given)))
    return Change(kind=kind, name=name, action=Change.ACTION_UPDATED if fields else Change.ACTION_UNCHANGED, fields=fields)


def _as_json(resource: Message) -> dict[str, Any]:
    fields: dict[str, Any] = json_format.MessageToDict(resource, preserving_proto_field_name=True)
    return fields


def _differences(prefix: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[FieldChange]:
    """A list counts as one value: the order of its items is part of it, so an item has no path of its own."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(f"{prefix}{name}.", old, new)
        elif old != new:
            yield FieldChange(path=f"{prefix}{name}", before=_said(old), after=_said(new))


def _said(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
