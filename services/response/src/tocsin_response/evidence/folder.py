"""Bytes in a local folder: each file is written once, made durable, and then only linked to its place."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

from tocsin_response.evidence.blobs import PIECE
from tocsin_response.evidence.item import BytesMissing, StoreUnavailable

READ_ONLY = 0o400
PRIVATE = 0o700


class FolderBlobs:
    """Files named by their hash, in folders of two letters so that none holds too many."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, staged: Path, sha256: str, size: int) -> None:
        try:
            await asyncio.to_thread(self._put, staged, sha256)
        except OSError as error:
            raise StoreUnavailable(detail=error.strerror or type(error).__name__) from error

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self._place(sha256).open, "rb")
        except FileNotFoundError as error:
            raise BytesMissing(sha256=sha256) from error
        except OSError as error:
            raise StoreUnavailable(detail=error.strerror or type(error).__name__) from error
        with contextlib.closing(file):
            while piece := await asyncio.to_thread(file.read, PIECE):
                yield piece

    async def size(self, sha256: str) -> int | None:
        try:
            return (await asyncio.to_thread(self._place(sha256).stat)).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable(detail=error.strerror or type(error).__name__) from error

    async def hold(self, sha256: str, on: bool) -> None:
        """A folder knows no holds; nothing here is ever removed anyway."""

    def _put(self, staged: Path, sha256: str) -> None:
        place = self._place(sha256)
        place.parent.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        staged.chmod(READ_ONLY)
        _flush(staged)
        # A link never replaces what is there, as a rename would.
        with contextlib.suppress(FileExistsError):
            os.link(staged, place)
        _flush(place.parent)
        _flush(place.parent.parent)
        staged.unlink()

    def _place(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256[2:4] / sha256


def _flush(path: Path) -> None:
    """Make a file, or the names in a folder, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
