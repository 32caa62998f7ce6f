"""Bytes that are arriving: written to a file and hashed at the same time, so that an upload that broke off can go on."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from tocsin_kernel.errors import Invalid, Stale
from tocsin_response.evidence.item import HashDiffers, StoreUnavailable, TooLarge

PIECE = 1024 * 1024
KEPT = timedelta(days=1)
PRIVATE = 0o700


class UploadRunning(Stale):
    reason = "UPLOAD_RUNNING"
    message = "this upload is arriving already; wait until it is over"


class UploadOffset(Invalid):
    reason = "UPLOAD_OFFSET"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that is complete."""

    file: Path
    sha256: str
    size: int


class Spool:
    """Uploads by a name, in one folder. One stream at a time writes to each."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self._folder = folder
        self._most = most_bytes
        self._running: set[str] = set()

    async def received(self, name: str) -> int:
        """How many bytes of it are here."""
        try:
            return (await asyncio.to_thread(self._file(name).stat)).st_size
        except FileNotFoundError:
            return 0

    @asynccontextmanager
    async def arriving(self, name: str, offset: int) -> AsyncIterator["Arriving"]:
        """An upload that goes on at `offset`. Raises UploadRunning, UploadOffset, StoreUnavailable."""
        if name in self._running:
            raise UploadRunning()
        self._running.add(name)
        try:
            arriving = await asyncio.to_thread(self._begin, name, offset)
            try:
                yield arriving
            finally:
                await asyncio.to_thread(arriving.close)
        except OSError as error:
            raise StoreUnavailable(detail=error.strerror or type(error).__name__) from error
        finally:
            self._running.discard(name)

    async def stage(self, name: str, content: bytes) -> Arrived:
        """Bytes that are here at once."""
        async with self.arriving(name, 0) as arriving:
            await arriving.take(content)
            return await arriving.complete("")

    async def forget(self) -> None:
        """Remove uploads that nobody went on with for a day."""
        await asyncio.to_thread(self._forget)

    def _begin(self, name: str, offset: int) -> "Arriving":
        self._folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        file = self._file(name)
        there = file.stat().st_size if file.exists() else 0
        if offset > there:
            raise UploadOffset(field="begins.offset", detail=f"is beyond the {there} bytes that are here; go on from there")
        digest = hashlib.sha256()
        opened = file.open("r+b" if there else "wb")
        opened.truncate(offset)
        while piece := opened.read(PIECE) if there else b"":
            digest.update(piece)
        return Arriving(file, opened, digest, offset, self._most)

    def _forget(self) -> None:
        oldest = time.time() - KEPT.total_seconds()
        for file in self._folder.glob("*.part") if self._folder.exists() else ():
            if file.stat().st_mtime < oldest:
                file.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.part"


class Arriving:
    """One upload, while its bytes come."""

    def __init__(self, file: Path, opened: BinaryIO, digest: "hashlib._Hash", size: int, most: int) -> None:
        self._file = file
        self._opened = opened
        self._digest = digest
        self._size = size
        self._most = most

    async def take(self, piece: bytes) -> None:
        """The next bytes. Raises TooLarge; what came is gone then."""
        if self._size + len(piece) > self._most:
            await asyncio.to_thread(self._file.unlink, missing_ok=True)
            raise TooLarge(field="piece", detail=f"an item has at most {self._most} bytes here")
        await asyncio.to_thread(self._write, piece)

    async def complete(self, expected: str) -> Arrived:
        """All has come. Raises HashDiffers if it is not what was expected; what came is gone then."""
        await asyncio.to_thread(self._opened.flush)
        found = self._digest.hexdigest()
        if expected and found != expected:
            await asyncio.to_thread(self._file.unlink, missing_ok=True)
            raise HashDiffers(field="begins.sha256", detail=f"the {self._size} bytes that came have the hash {found}; send them again")
        return Arrived(self._file, found, self._size)

    def close(self) -> None:
        self._opened.close()

    def _write(self, piece: bytes) -> None:
        self._opened.write(piece)
        self._opened.flush()
        self._digest.update(piece)
        self._size += len(piece)
