"""Columns of very many rows as parameters for unnest(), in Postgres's binary form: as text each value is written, quoted and read again."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat
from struct import Struct, pack
from typing import Any, ClassVar

from psycopg import AsyncConnection
from psycopg.adapt import Dumper
from psycopg.pq import Format

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# The format of array_send(): number of dimensions, whether there are NULLs, type of the elements, length, first index; then the elements.
_head = Struct(">iiIii").pack
_nothing = Struct(">iiI").pack
_length = Struct(">i").pack
NULL = _length(-1)
NO_NULLS, SOME_NULLS = 0, 1


class Column(bytes):
    """An array in binary form. `element` and `array` are the types' numbers in every Postgres (pg_type.dat)."""

    element: ClassVar[int]
    array: ClassVar[int]


class Texts(Column):
    element, array = 25, 1009


class Documents(Column):
    """jsonb."""

    element, array = 3802, 3807


class Uuids(Column):
    element, array = 2950, 2951


class Instants(Column):
    """timestamptz."""

    element, array = 1184, 1185


class Integers(Column):
    """bigint."""

    element, array = 20, 1016


class Booleans(Column):
    element, array = 16, 1000


def texts(values: Sequence[str]) -> Texts:
    """Texts without NUL: the database refuses others."""
    return Texts(_array(Texts, len(values), _parts([value.encode() for value in values])))


def documents(values: Sequence[bytes]) -> Documents:
    """Values as JSON in UTF-8."""
    return Documents(_array(Documents, len(values), _parts([b"\x01" + value for value in values])))


def uuids(values: Sequence[str]) -> Uuids:
    """UUIDs in their usual text form."""
    return Uuids(_array(Uuids, len(values), _parts([bytes.fromhex(value.replace("-", "")) for value in values])))


def instants(values: Sequence[datetime | None]) -> Instants:
    """Aware instants; None is NULL."""
    if None in values:
        elements = [NULL if value is None else pack(">iq", 8, _microseconds(value)) for value in values]
        return Instants(_array(Instants, len(values), b"".join(elements), SOME_NULLS))
    return Instants(_array(Instants, len(values), _numbers([_microseconds(value) for value in values if value is not None])))


def integers(values: Sequence[int]) -> Integers:
    """Integers of 64 bits."""
    return Integers(_array(Integers, len(values), _numbers(values)))


def booleans(values: Sequence[bool]) -> Booleans:
    return Booleans(_array(Booleans, len(values), _parts([b"\x01" if value else b"\x00" for value in values])))


def write_columns(connection: AsyncConnection[Any]) -> None:
    """Let this connection take columns as parameters."""
    for kind, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(kind, dumper)


def _array(kind: type[Column], length: int, elements: bytes, nulls: int = NO_NULLS) -> bytes:
    return _head(1, nulls, kind.element, length, 1) + elements if length else _nothing(0, NO_NULLS, kind.element)


def _parts(values: Sequence[bytes]) -> bytes:
    """Elements of any length, each after its own."""
    return b"".join(chain.from_iterable(zip(map(_length, map(len, values)), values, strict=True)))


def _numbers(values: Sequence[int]) -> bytes:
    """Elements of 64 bits."""
    return pack(">" + "iq" * len(values), *chain.from_iterable(zip(repeat(8), values)))


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // MICROSECOND


class _ColumnDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Column) -> bytes:
        return obj


_DUMPERS = {
    kind: type(f"{kind.__name__}Dumper", (_ColumnDumper,), {"oid": kind.array})
    for kind in (Texts, Documents, Uuids, Instants, Integers, Booleans)
}
