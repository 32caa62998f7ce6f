"""The stores of the bytes of evidence: a folder, and a bucket whose lock is stronger than whoever has its keys."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from blobs_conformance import MEMORY, BlobsConformance, hash_of_bytes, kept, read
from minio import Minio
from minio.error import S3Error

from tocsin_chassis.settings import Secret, SettingsError
from tocsin_kernel.clock import ManualClock
from tocsin_response.evidence.bucket import BucketBlobs, Lock, Place, connected
from tocsin_response.evidence.folder import FolderBlobs
from tocsin_response.evidence.item import StoreUnavailable
from tocsin_response.evidence.stores import store_of
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.outside.http import Plan, running
from tocsin_testkit.outside.s3 import FakeS3, Version

YEAR = timedelta(days=365)
PART = 5 * 1024 * 1024


@dataclass
class Bucket:
    """A store with a bucket, and those who have its keys."""

    server: FakeS3
    place: Place
    clock: ManualClock

    def blobs(self, lock: Lock | None = None, **other: Any) -> BucketBlobs:
        return BucketBlobs(replace(self.place, **other), lock or Lock("GOVERNANCE", YEAR), self.clock, PART)

    @property
    def client(self) -> Minio:
        return connected(self.place)

    def versions(self, sha256: str) -> list[Version]:
        return self.server.objects[f"acme/{sha256[:2]}/{sha256[2:4]}/{sha256}"]

    async def overwritten(self, sha256: str) -> None:
        """Somebody with the keys puts other bytes, and then a mark of deletion, over what is kept."""
        name = f"acme/{sha256[:2]}/{sha256[2:4]}/{sha256}"
        spare = Path(self.place.access_key_file or "").with_name("forged")
        spare.write_bytes(b"forged")
        await asyncio.to_thread(self.client.fput_object, "evidence", name, str(spare))
        await asyncio.to_thread(self.client.remove_object, "evidence", name)


@pytest.fixture
async def bucket(tmp_path: Path) -> AsyncIterator[Bucket]:
    async with running(FakeS3()) as server:
        access, secret = tmp_path / "access", tmp_path / "secret"
        access.write_text(f"{server.access_key}\n")
        secret.write_text(f"{server.secret_key}\n")
        yield Bucket(server, Place(server.url, "eu-central-1", "evidence", "/acme", access, secret), ManualClock())


class TestFolder(BlobsConformance):
    @pytest.fixture
    def blobs(self, tmp_path: Path) -> FolderBlobs:
        return FolderBlobs(tmp_path / "kept")


class TestBucket(BlobsConformance):
    @pytest.fixture
    def blobs(self, bucket: Bucket) -> BucketBlobs:
        return bucket.blobs()


async def test_what_is_kept_is_locked_for_a_year_and_written_once(bucket: Bucket, tmp_path: Path) -> None:
    sha256 = await kept(bucket.blobs(), tmp_path, MEMORY)
    await kept(bucket.blobs(), tmp_path, MEMORY)

    [version] = bucket.versions(sha256)
    assert version.lock.mode == "GOVERNANCE" and version.checksum
    assert abs(datetime.fromisoformat(version.lock.until) - bucket.clock.now() - YEAR) < timedelta(seconds=2)
    with pytest.raises(S3Error, match="AccessDenied"):
        await asyncio.to_thread(bucket.client.remove_object, "evidence", f"acme/{sha256[:2]}/{sha256[2:4]}/{sha256}", version_id=version.id)


async def test_what_is_laid_over_it_or_deletes_it_does_not_count(bucket: Bucket, tmp_path: Path) -> None:
    blobs = bucket.blobs()
    sha256 = await kept(blobs, tmp_path, MEMORY)
    bucket.server.page = 1

    await bucket.overwritten(sha256)

    assert len(bucket.versions(sha256)) == 3
    assert await read(blobs, sha256) == MEMORY and await blobs.size(sha256) == len(MEMORY)
    await blobs.hold(sha256, True)
    assert [each.lock.hold for each in bucket.versions(sha256)] == [True, False, False]
    await kept(blobs, tmp_path, MEMORY)
    assert len(bucket.versions(sha256)) == 3


async def test_what_comes_again_is_locked_for_as_long_as_if_it_were_new_and_never_less(bucket: Bucket, tmp_path: Path) -> None:
    sha256 = await kept(bucket.blobs(Lock("COMPLIANCE", YEAR)), tmp_path, MEMORY)
    [first] = bucket.versions(sha256)
    of_a_year = first.lock.until

    await kept(bucket.blobs(Lock("GOVERNANCE", timedelta(days=1))), tmp_path, MEMORY)
    assert first.lock.until == of_a_year

    await kept(bucket.blobs(Lock("GOVERNANCE", 2 * YEAR)), tmp_path, MEMORY)
    assert first.lock.until > of_a_year and first.lock.mode == "COMPLIANCE"


async def test_what_is_large_goes_up_in_parts_and_is_locked_too(bucket: Bucket, tmp_path: Path) -> None:
    blobs, image = bucket.blobs(), b"disk image " * 600_000

    sha256 = await kept(blobs, tmp_path, image)

    [version] = bucket.versions(sha256)
    assert version.etag.endswith("-2") and version.lock.mode == "GOVERNANCE" and not bucket.server.uploads
    assert hash_of_bytes(await read(blobs, sha256)) == sha256


async def test_bytes_that_are_not_what_their_name_says_are_not_taken(bucket: Bucket, tmp_path: Path) -> None:
    staged = tmp_path / "arrived.part"
    staged.write_bytes(b"something else")

    with pytest.raises(StoreUnavailable, match="BadDigest"):
        await bucket.blobs().put(staged, hash_of_bytes(MEMORY), len(b"something else"))

    assert staged.exists() and not bucket.server.objects


async def test_a_bucket_without_lock_or_with_other_keys_takes_nothing(bucket: Bucket, tmp_path: Path) -> None:
    bucket.server.locks = False
    with pytest.raises(StoreUnavailable, match="missing Object Lock"):
        await kept(bucket.blobs(), tmp_path, MEMORY)

    assert bucket.place.secret_key_file is not None
    bucket.place.secret_key_file.write_text("another")
    with pytest.raises(StoreUnavailable, match="SignatureDoesNotMatch"):
        await kept(bucket.blobs(), tmp_path, MEMORY)


async def test_a_store_that_is_busy_is_asked_again_and_one_that_is_gone_is_told(bucket: Bucket, tmp_path: Path) -> None:
    bucket.server.plan = [Plan.REFUSE_NOW, Plan.ACCEPT, Plan.REFUSE_NOW, Plan.DROP]
    sha256 = await kept(bucket.blobs(), tmp_path, MEMORY)
    assert [each.content for each in bucket.versions(sha256)] == [MEMORY, MEMORY], "one was taken, and its answer was lost"

    with pytest.raises(StoreUnavailable):
        await bucket.blobs(endpoint="http://127.0.0.1:9").size(sha256)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"evidence_store": "https://bucket"}, "s3://bucket/prefix"),
        ({"evidence_s3_endpoint": "minio:9000"}, "https://host:port"),
        ({"evidence_s3_access_key_file": Path("/keys/access")}, "set both"),
        ({"evidence_lock_mode": "strict"}, "neither governance nor compliance"),
        ({"evidence_lock_days": 0}, "1 or more"),
        ({"outgoing_ca_file": Path("/no/such/file")}, "TOCSIN_EVIDENCE_STORE"),
    ],
)
def test_settings_that_name_no_store_are_refused_by_name(wrong: dict[str, Any], said: str) -> None:
    needed = {
        "postgres_url": Secret("postgresql://"),
        "nats_url": Secret("nats://"),
        "signing_key_file": Path(),
        "trusted_keys_file": Path(),
    }

    with pytest.raises(SettingsError, match=said):
        store_of(ResponseSettings(**{**needed, "evidence_store": "s3://evidence/acme", **wrong}), ManualClock())
