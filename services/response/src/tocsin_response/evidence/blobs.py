"""Where bytes are kept under their hash: what every store of them can do."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

PIECE = 256 * 1024


class Blobs(Protocol):
    """Keeps bytes under their SHA-256. What is kept is never changed and never removed."""

    async def put(self, staged: Path, sha256: str, size: int) -> None:
        """Keep what is in this file, which goes. What is kept already stays as it is. Raises StoreUnavailable."""
        ...

    def read(self, sha256: str) -> AsyncIterator[bytes]:
        """The bytes, in pieces. Raises BytesMissing, StoreUnavailable."""
        ...

    async def size(self, sha256: str) -> int | None:
        """How many bytes are kept under this hash; None if none are. Raises StoreUnavailable."""
        ...

    async def hold(self, sha256: str, on: bool) -> None:
        """Tell the store that these bytes are on legal hold, if it knows such a thing. Raises StoreUnavailable."""
        ...


async def hash_of(blobs: Blobs, sha256: str) -> str:
    """The hash of what is really kept under this one. Raises BytesMissing, StoreUnavailable."""
    found = hashlib.sha256()
    async for piece in blobs.read(sha256):
        found.update(piece)
    return found.hexdigest()
