"""Lists as parameters: written as text whose type the statement names (`%s::uuid[]`). The driver's own way looks at every element twice."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from psycopg.types.array import ListDumper


class ArrayDumper(Dumper):
    """Writes lists of the usual types; others are left to the driver."""

    format = Format.TEXT
    oid = 0

    def dump(self, obj: list[Any]) -> bytes:
        try:
            return f"{{{','.join([_WRITERS[type(item)](item) for item in obj])}}}".encode()
        except KeyError:
            left = ListDumper(list, self.connection).upgrade(obj, PyFormat.TEXT).dump(obj)
            assert left is not None
            return bytes(left)


def write_arrays_quickly(connection: AsyncConnection[Any]) -> None:
    """Let this connection write lists in this way."""
    connection.adapters.register_dumper(list, ArrayDumper)


def _text(item: str) -> str:
    if "\0" in item:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    if "\\" in item or '"' in item:
        item = item.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{item}"'


def _bytes(item: bytes) -> str:
    return f'"\\\\x{item.hex()}"'


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: _text,
    UUID: str,
    int: str,
    bytes: _bytes,
    datetime: lambda item: f'"{item.isoformat()}"',
    date: date.isoformat,
    bool: lambda item: "t" if item else "f",
    type(None): lambda item: "NULL",
}
