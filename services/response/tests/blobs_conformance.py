"""What every store of the bytes of evidence must do, whatever it is made of."""

import hashlib
from pathlib import Path

import pytest

from tocsin_response.evidence.blobs import Blobs, hash_of
from tocsin_response.evidence.item import BytesMissing

MEMORY = b"the memory of a host"
ABSENT = hashlib.sha256(b"nobody collected this").hexdigest()


def hash_of_bytes(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def kept(blobs: Blobs, folder: Path, content: bytes) -> str:
    """Bytes that arrived, handed to the store; their hash."""
    staged = folder / "arrived.part"
    staged.write_bytes(content)
    await blobs.put(staged, hash_of_bytes(content), len(content))
    assert not staged.exists(), "what is kept does not lie about twice"
    return hash_of_bytes(content)


async def read(blobs: Blobs, sha256: str) -> bytes:
    return b"".join([piece async for piece in blobs.read(sha256)])


class BlobsConformance:
    """Inherited by the tests of each store, with a fixture `blobs`."""

    @pytest.mark.parametrize("content", [b"", MEMORY, b"x" * 1_000_000], ids=["nothing", "little", "several pieces"])
    async def test_what_is_kept_is_read_again(self, blobs: Blobs, tmp_path: Path, content: bytes) -> None:
        sha256 = await kept(blobs, tmp_path, content)

        assert await blobs.size(sha256) == len(content)
        assert await read(blobs, sha256) == content and await hash_of(blobs, sha256) == sha256

    async def test_what_is_not_there_is_said_to_be_missing(self, blobs: Blobs) -> None:
        assert await blobs.size(ABSENT) is None
        with pytest.raises(BytesMissing):
            await read(blobs, ABSENT)

    async def test_what_is_kept_already_stays_as_it_is(self, blobs: Blobs, tmp_path: Path) -> None:
        sha256 = await kept(blobs, tmp_path, MEMORY)
        await kept(blobs, tmp_path, MEMORY)

        assert await read(blobs, sha256) == MEMORY

    async def test_a_legal_hold_comes_and_goes(self, blobs: Blobs, tmp_path: Path) -> None:
        sha256 = await kept(blobs, tmp_path, MEMORY)

        await blobs.hold(sha256, True)
        await blobs.hold(sha256, True)
        await blobs.hold(sha256, False)

        assert await read(blobs, sha256) == MEMORY
