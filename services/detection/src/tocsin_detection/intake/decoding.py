"""Bytes of a stranger become values that Postgres and protobuf can hold, or are refused."""

import json
from datetime import UTC, datetime
from typing import Any

import orjson

# Nine digits of a second and a zone have room in it.
MOST_INSTANT = 64


class Undecodable(Exception):
    """The body is not JSON; the text says where."""


def is_plain(body: bytes) -> bool:
    """Whether a body is UTF-8 and names neither NUL nor half a surrogate pair: then any reader of JSON takes it for what it is."""
    if b"\\u" in body and (b"\\u0000" in body or b"\\ud" in body or b"\\uD" in body):
        return False
    try:
        return body.isascii() or bool(body.decode())
    except UnicodeDecodeError:
        return False


def decode_json(body: bytes) -> Any:
    """The value that a JSON body holds. Texts come without NUL and without halves of surrogate pairs. Raises Undecodable."""
    try:
        return orjson.loads(body) if b"\\u0000" not in body else _decode_leniently(body)
    except orjson.JSONDecodeError:
        # It refuses halves of surrogate pairs, which senders do send, and it says less well what is wrong.
        return _decode_leniently(body)


def _decode_leniently(body: bytes) -> Any:
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
        return _clean(value) if b"\\u" in body else value
    except UnicodeDecodeError as error:
        raise Undecodable(f"the body is not JSON in UTF-8: byte {error.start} is not part of a character") from error
    except RecursionError as error:
        raise Undecodable("the body is nested too deeply") from error
    except ValueError as error:
        raise Undecodable(f"the body is not JSON: {error}") from error


def decode_instant(value: object) -> datetime | None:
    """An RFC 3339 instant in UTC; None if it is absent or Go's zero time, which means absent. Raises ValueError."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ValueError("it is not a text")
    try:
        instant = datetime.fromisoformat(value if len(value) <= MOST_INSTANT else "")
        if instant.tzinfo is None:
            raise ValueError("it has no time zone")
        if instant.year == 1:
            return None
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{value[:64]!r} is no instant like 2026-11-23T07:00:00Z") from error


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {_clean(name): _clean(item) for name, item in value.items()}
    return value
