"""Bytes in a bucket that speaks S3, locked against everybody: what is kept first under a hash counts, whatever is laid over it later."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import certifi
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.credentials.credentials import Credentials
from minio.credentials.providers import IamAwsProvider, Provider
from minio.datatypes import Object
from minio.error import MinioException, S3Error
from minio.retention import Retention
from urllib3 import PoolManager, Retry, Timeout
from urllib3.exceptions import HTTPError

from tocsin_kernel.clock import Clock
from tocsin_response.evidence.blobs import PIECE
from tocsin_response.evidence.item import BytesMissing, StoreUnavailable

# What is larger goes up in parts of this size, one at a time: so much of it is in memory.
PART = 64 * 1024 * 1024
CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
LONGEST_DETAIL = 200
# The instant at which a request was made is not the one at which the store judges it.
SLACK = timedelta(minutes=1)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Lock:
    """How long what is kept can be removed by nobody: `mode` is GOVERNANCE or COMPLIANCE."""

    mode: str
    kept_for: timedelta


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bucket is, and who may write to it. Without files with keys the machine's own role at AWS may."""

    endpoint: str
    region: str
    bucket: str
    prefix: str
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    ca_file: Path | None = None


class BucketBlobs:
    """Objects named by their hash, each with a lock of its own."""

    def __init__(self, place: Place, lock: Lock, clock: Clock, part: int = PART) -> None:
        self._client = connected(place)
        self._bucket = place.bucket
        self._prefix = f"{place.prefix.strip('/')}/" if place.prefix.strip("/") else ""
        self._lock = lock
        self._clock = clock
        self._part = part

    async def put(self, staged: Path, sha256: str, size: int) -> None:
        await self._asked(lambda: self._put(staged, sha256, size))

    async def read(self, sha256: str) -> AsyncIterator[bytes]:
        version = await self._asked(lambda: self._there(sha256))
        name = self._name(sha256)
        response = await self._asked(lambda: self._client.get_object(self._bucket, name, version_id=version.version_id))
        try:
            while piece := await self._asked(lambda: response.read(PIECE)):
                yield piece
        finally:
            response.close()
            response.release_conn()

    async def size(self, sha256: str) -> int | None:
        first = await self._asked(lambda: self._first(sha256))
        return first.size if first is not None else None

    async def hold(self, sha256: str, on: bool) -> None:
        await self._asked(lambda: self._hold(sha256, on))

    def _put(self, staged: Path, sha256: str, size: int) -> None:
        if self._first(sha256) is None:
            self._send(staged, sha256, size)
        self._confirm(sha256, size)
        staged.unlink()

    def _send(self, staged: Path, sha256: str, size: int) -> None:
        # The store checks the whole against the hash; what goes up in parts has a checksum for each in its request.
        checked = {"x-amz-checksum-sha256": _base64(sha256)} if size <= self._part else {}
        retention = Retention(self._lock.mode, self._until())
        with staged.open("rb") as content:
            self._client.put_object(
                self._bucket,
                self._name(sha256),
                content,
                size,
                metadata={**checked},
                part_size=self._part,
                num_parallel_uploads=1,
                retention=retention,
            )

    def _confirm(self, sha256: str, size: int) -> None:
        """What is there is what was sent, and locked for long enough. Raises StoreUnavailable, S3Error."""
        version = self._there(sha256)
        told = self._client.stat_object(
            self._bucket, self._name(sha256), version_id=version.version_id, extra_headers={"x-amz-checksum-mode": "ENABLED"}
        )
        whole = {name.lower(): value for name, value in (told.metadata or {}).items()}
        checksum = whole.get("x-amz-checksum-sha256", "")
        of_parts = "-" in checksum
        if told.size != size or (checksum and not of_parts and checksum != _base64(sha256)):
            raise StoreUnavailable(detail=f"other bytes than {sha256} are kept under its name")
        mode, until = whole.get("x-amz-object-lock-mode", ""), whole.get("x-amz-object-lock-retain-until-date", "")
        if not mode or not until or datetime.fromisoformat(until) < self._until() - SLACK:
            # A bucket without Object Lock refuses this.
            kept = Retention(COMPLIANCE if mode == COMPLIANCE else self._lock.mode, self._until())
            self._client.set_object_retention(self._bucket, self._name(sha256), kept, version_id=version.version_id)

    def _hold(self, sha256: str, on: bool) -> None:
        change = self._client.enable_object_legal_hold if on else self._client.disable_object_legal_hold
        change(self._bucket, self._name(sha256), version_id=self._there(sha256).version_id)

    def _there(self, sha256: str) -> Object:
        first = self._first(sha256)
        if first is None:
            raise BytesMissing(sha256=sha256)
        return first

    def _first(self, sha256: str) -> Object | None:
        """The oldest version, which its lock protects: one that was laid over it, or a mark that it is deleted, does not count."""
        name = self._name(sha256)
        first = None
        # The newest comes first.
        for version in self._client.list_objects(self._bucket, prefix=name, recursive=True, include_version=True):
            if version.object_name == name and not version.is_delete_marker:
                first = version
        return first

    def _until(self) -> datetime:
        return (self._clock.now() + self._lock.kept_for).replace(microsecond=0)

    def _name(self, sha256: str) -> str:
        return f"{self._prefix}{sha256[:2]}/{sha256[2:4]}/{sha256}"

    async def _asked(self, work: Callable[[], Result]) -> Result:
        try:
            return await asyncio.to_thread(work)
        except S3Error as error:
            raise StoreUnavailable(detail=f"{error.code}: {error.message}"[:LONGEST_DETAIL]) from error
        except (MinioException, HTTPError, OSError, ValueError) as error:
            raise StoreUnavailable(detail=(str(error) or type(error).__name__)[:LONGEST_DETAIL]) from error


class KeyFiles(Provider):
    """Keys in two files, read for each request: those that were exchanged are taken at once."""

    def __init__(self, access_key_file: Path, secret_key_file: Path) -> None:
        self._access = access_key_file
        self._secret = secret_key_file

    def retrieve(self) -> Credentials:
        return Credentials(self._access.read_text().strip(), self._secret.read_text().strip())


def connected(place: Place) -> Minio:
    """A client of this bucket's store; nothing is sent yet. Raises ValueError, OSError."""
    parts = urlsplit(place.endpoint)
    trusted = ssl.create_default_context(cafile=certifi.where())
    if place.ca_file is not None:
        trusted.load_verify_locations(place.ca_file)
    connections = PoolManager(
        timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        retries=Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
        ssl_context=trusted,
    )
    access, secret = place.access_key_file, place.secret_key_file
    keys = KeyFiles(access, secret) if access is not None and secret is not None else IamAwsProvider()
    return Minio(parts.netloc, region=place.region, secure=parts.scheme == "https", credentials=keys, http_client=connections)


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
