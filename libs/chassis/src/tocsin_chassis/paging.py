"""Pages of a list: how many at once, how large, and the opaque token that says where the next page begins."""

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from tocsin_kernel.errors import Invalid

USUAL = 50
MOST = 500
# gRPC takes answers of up to 4 MiB unless it is told otherwise.
MOST_BYTES = 3 * 1024 * 1024

Item = TypeVar("Item", bound=Message)


class PageTokenInvalid(Invalid):
    """The token is not one that this list gave out."""

    reason = "PAGE_TOKEN_INVALID"


def page_size(requested: int, usual: int = USUAL, most: int = MOST) -> int:
    """How many to return: `usual` for 0 or less, never more than `most`."""
    return min(requested, most) if requested > 0 else usual


def fitted(items: Sequence[Item], token: str, after: Callable[[int], str], most: int = MOST_BYTES) -> tuple[Sequence[Item], str]:
    """As many items of a page as an answer may hold, one at least, and the token of what follows.

    `token` is that of the whole page, `after` makes the one that follows the item of that index.
    """
    first = next(in_answers(items, most), items)
    return (items, token) if len(first) == len(items) else (first, after(len(first) - 1))


def in_answers(items: Sequence[Item], most: int = MOST_BYTES) -> Iterator[Sequence[Item]]:
    """The items in as many answers as they need; none is larger than it may be, unless one item is."""
    start = size = 0
    for index, item in enumerate(items):
        weight = item.ByteSize()
        if index > start and size + weight > most:
            yield items[start:index]
            start, size = index, 0
        size += weight
    if items:
        yield items[start:]


def encode(*parts: str) -> str:
    """A token that holds the last key of a page."""
    return base64.urlsafe_b64encode(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(token: str, parts: int) -> tuple[str, ...]:
    """The key that a token holds. Raises PageTokenInvalid unless it holds exactly so many parts."""
    try:
        held = json.loads(base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        held = None
    if not isinstance(held, list) or len(held) != parts or not all(isinstance(part, str) for part in held):
        raise refused()
    return tuple(held)


def refused() -> PageTokenInvalid:
    """For a key that decodes but cannot be one of the list's own, such as a date that is none."""
    return PageTokenInvalid(field="page_token", detail="is not a token of this list; begin again without one")
