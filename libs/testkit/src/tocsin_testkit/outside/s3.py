"""A stand-in for a store that speaks S3: versions, Object Lock, uploads in parts, signatures and checksums as Amazon judges them."""

import base64
import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from tocsin_testkit.outside.aws_signature import problem
from tocsin_testkit.outside.http import HttpRequest, HttpResponse, OutsideServer, Plan

SMALLEST_PART = 5 * 1024 * 1024
STATUS = {
    "AccessDenied": 403,
    "InvalidAccessKeyId": 403,
    "SignatureDoesNotMatch": 403,
    "RequestTimeTooSkewed": 403,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchVersion": 404,
    "NoSuchUpload": 404,
    "SlowDown": 503,
}
MODE, UNTIL, HOLD = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"


@dataclass
class Refused(Exception):
    """An error in the form of S3."""

    code: str
    message: str

    def response(self, *, with_body: bool) -> HttpResponse:
        body = f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>".encode() if with_body else b""
        return HttpResponse(STATUS.get(self.code, 400), body, {"content-type": "application/xml"})


@dataclass
class Lock:
    """What protects a version."""

    mode: str = ""
    until: str = ""
    hold: bool = False

    @classmethod
    def of(cls, headers: dict[str, str]) -> "Lock":
        """As the request that writes says it."""
        return cls(headers.get(MODE, ""), headers.get(UNTIL, ""), headers.get(HOLD) == "ON")

    def protects(self, now: datetime, bypass: bool) -> bool:
        kept = bool(self.until) and datetime.fromisoformat(self.until) > now and not (self.mode == "GOVERNANCE" and bypass)
        return self.hold or kept


@dataclass
class Version:
    """One version of an object, or the mark that it is deleted."""

    id: str
    content: bytes = b""
    lock: Lock = field(default_factory=Lock)
    checksum: str = ""
    etag: str = ""
    marker: bool = False


@dataclass
class Upload:
    """What comes in parts."""

    key: str
    lock: Lock
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class FakeS3(OutsideServer):
    """One bucket with versions. Without `locks` it was made without Object Lock. `objects` are its versions by key, the oldest first."""

    bucket: str = "evidence"
    access_key: str = "AKIAIOSFODNN7TOCSIN0"
    secret_key: str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYTOCSINKEY0"
    locks: bool = True
    page: int = 1000
    objects: dict[str, list[Version]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    largest = 64 * 1024 * 1024

    def __post_init__(self) -> None:
        super().__init__()
        self._ids = itertools.count(1)

    async def answer(self, request: HttpRequest) -> HttpResponse:
        plan = self.planned()
        try:
            if plan is Plan.REFUSE_NOW:
                raise Refused("SlowDown", "Please reduce your request rate.")
            self._admit(request)
            response = self._answered(request)
        except Refused as refused:
            response = refused.response(with_body=request.method != "HEAD")
        return HttpResponse(response.status, response.body, response.headers, plan)

    def _admit(self, request: HttpRequest) -> None:
        if code := problem(request, {self.access_key: self.secret_key}, "s3", self.now()):
            raise Refused(code, f"The request is refused: {code}")
        if request.headers.get("x-amz-content-sha256") != hashlib.sha256(request.raw).hexdigest():
            raise Refused("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.")
        for header, algorithm in (("content-md5", "md5"), ("x-amz-checksum-sha256", "sha256")):
            given = request.headers.get(header)
            # What is begun in parts has no content yet.
            if given is not None and given != _digest(request.raw, algorithm):
                raise Refused("BadDigest", f"The {header} you specified did not match what we received.")

    def _answered(self, request: HttpRequest) -> HttpResponse:
        _, bucket, *rest = request.path.split("/", 2)
        key = unquote(rest[0]) if rest else ""
        if bucket != self.bucket:
            raise Refused("NoSuchBucket", "The specified bucket does not exist")
        if not key:
            return self._versions(request)
        for method, named, answer in self._doors():
            if request.method == method and named.issubset(request.query):
                return answer(request, key)
        raise Refused("MethodNotAllowed", "The specified method is not allowed against this resource.")

    def _doors(self) -> tuple[tuple[str, set[str], Callable[[HttpRequest, str], HttpResponse]], ...]:
        return (
            ("PUT", {"retention"}, self._set_retention),
            ("PUT", {"legal-hold"}, self._set_hold),
            ("PUT", {"partNumber", "uploadId"}, self._take_part),
            ("PUT", set(), self._put),
            ("POST", {"uploads"}, self._begin),
            ("POST", {"uploadId"}, self._complete),
            ("DELETE", {"uploadId"}, self._abort),
            ("DELETE", set(), self._delete),
            ("GET", set(), self._get),
            ("HEAD", set(), self._head),
        )

    # Writing

    def _put(self, request: HttpRequest, key: str) -> HttpResponse:
        lock = self._lock_of(request)
        if lock.mode and not {"content-md5", "x-amz-checksum-sha256"} & request.headers.keys():
            raise Refused(
                "InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock"
            )
        return self._kept(key, request.raw, lock, request.headers.get("x-amz-checksum-sha256", ""), _md5(request.raw))

    def _begin(self, request: HttpRequest, key: str) -> HttpResponse:
        upload = f"u{next(self._ids)}"
        self.uploads[upload] = Upload(key, self._lock_of(request))
        return _xml(f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")

    def _take_part(self, request: HttpRequest, key: str) -> HttpResponse:
        self._upload(request, key).parts[int(request.query["partNumber"])] = request.raw
        return HttpResponse(200, b"", {"etag": f'"{_md5(request.raw)}"'})

    def _complete(self, request: HttpRequest, key: str) -> HttpResponse:
        upload = self._upload(request, key)
        named = [(int(_text(part, "PartNumber")), _text(part, "ETag").strip('"')) for part in _parsed(request.raw)]
        parts = [upload.parts.get(number, b"") for number, _ in named]
        if any(_md5(part) != etag for part, (_, etag) in zip(parts, named, strict=True)):
            raise Refused("InvalidPart", "One or more of the specified parts could not be found.")
        if any(len(part) < SMALLEST_PART for part in parts[:-1]):
            raise Refused("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.")
        del self.uploads[request.query["uploadId"]]
        etag = hashlib.md5(b"".join(hashlib.md5(part, usedforsecurity=False).digest() for part in parts), usedforsecurity=False)
        kept = self._kept(key, b"".join(parts), upload.lock, "", f"{etag.hexdigest()}-{len(parts)}")
        said = f"<CompleteMultipartUploadResult><Bucket>{self.bucket}</Bucket><Key>{escape(key)}</Key></CompleteMultipartUploadResult>"
        return HttpResponse(200, said.encode(), {**kept.headers, "content-type": "application/xml"})

    def _abort(self, request: HttpRequest, key: str) -> HttpResponse:
        self._upload(request, key)
        del self.uploads[request.query["uploadId"]]
        return HttpResponse(204)

    def _kept(self, key: str, content: bytes, lock: Lock, checksum: str, etag: str) -> HttpResponse:
        version = Version(f"v{next(self._ids)}", content, lock, checksum, etag)
        self.objects.setdefault(key, []).append(version)
        return HttpResponse(200, b"", {"etag": f'"{etag}"', "x-amz-version-id": version.id})

    # Locks

    def _lock_of(self, request: HttpRequest) -> Lock:
        lock = Lock.of(request.headers)
        if (lock.mode or lock.hold) and not self.locks:
            raise Refused("InvalidRequest", "Bucket is missing Object Lock Configuration")
        if bool(lock.mode) != bool(lock.until) or lock.mode not in ("", "GOVERNANCE", "COMPLIANCE"):
            raise Refused("InvalidArgument", "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied")
        if lock.until and datetime.fromisoformat(lock.until) <= self.now():
            raise Refused("InvalidArgument", "The retain until date must be in the future!")
        return lock

    def _set_retention(self, request: HttpRequest, key: str) -> HttpResponse:
        version = self._locking(request, key)
        said = _parsed(request.raw)
        lock, asked = version.lock, Lock(_text(said, "Mode"), _text(said, "RetainUntilDate"), version.lock.hold)
        weaker = bool(lock.until) and (
            datetime.fromisoformat(asked.until) < datetime.fromisoformat(lock.until)
            or (lock.mode, asked.mode) == ("COMPLIANCE", "GOVERNANCE")
        )
        if weaker and Lock(lock.mode, lock.until).protects(self.now(), _bypasses(request)):
            raise Refused("AccessDenied", "Access Denied because object protected by object lock.")
        version.lock = asked
        return HttpResponse(200)

    def _set_hold(self, request: HttpRequest, key: str) -> HttpResponse:
        self._locking(request, key).lock.hold = _text(_parsed(request.raw), "Status") == "ON"
        return HttpResponse(200)

    def _locking(self, request: HttpRequest, key: str) -> Version:
        if not self.locks:
            raise Refused("InvalidRequest", "Bucket is missing Object Lock Configuration")
        if not {"content-md5", "x-amz-checksum-sha256"} & request.headers.keys():
            raise Refused("InvalidRequest", "Missing required header for this request: Content-MD5")
        return self._version(request, key)

    def _delete(self, request: HttpRequest, key: str) -> HttpResponse:
        if "versionId" not in request.query:
            marker = Version(f"v{next(self._ids)}", marker=True)
            self.objects.setdefault(key, []).append(marker)
            return HttpResponse(204, b"", {"x-amz-delete-marker": "true", "x-amz-version-id": marker.id})
        version = next((each for each in self.objects.get(key, []) if each.id == request.query["versionId"]), None)
        if version is not None and version.lock.protects(self.now(), _bypasses(request)):
            raise Refused("AccessDenied", "Access Denied because object protected by object lock.")
        self.objects[key] = [each for each in self.objects.get(key, []) if each is not version]
        return HttpResponse(204)

    # Reading

    def _get(self, request: HttpRequest, key: str) -> HttpResponse:
        version = self._version(request, key)
        return HttpResponse(200, version.content, _headers(version))

    def _head(self, request: HttpRequest, key: str) -> HttpResponse:
        version = self._version(request, key)
        told = {"x-amz-checksum-sha256": version.checksum} if request.headers.get("x-amz-checksum-mode") == "ENABLED" else {}
        sized = {"content-length": str(len(version.content))}
        return HttpResponse(200, b"", {**_headers(version), **sized, **{name: value for name, value in told.items() if value}})

    def _versions(self, request: HttpRequest) -> HttpResponse:
        if request.method != "GET" or "versions" not in request.query:
            raise Refused("NotImplemented", "A header or query you provided implies functionality that is not implemented.")
        keys = sorted(key for key in self.objects if key.startswith(request.query.get("prefix", "")))
        all_of_them = [(key, version) for key in keys for version in reversed(self.objects[key])]
        begin = 0
        if after := request.query.get("version-id-marker"):
            begin = 1 + next(index for index, (_, version) in enumerate(all_of_them) if version.id == after)
        shown = all_of_them[begin : begin + self.page]
        more = len(all_of_them) > begin + self.page
        marks = (
            f"<NextKeyMarker>{escape(shown[-1][0])}</NextKeyMarker><NextVersionIdMarker>{shown[-1][1].id}</NextVersionIdMarker>"
            if more
            else ""
        )
        entries = "".join(_entry(key, version) for key, version in shown)
        truncated = f"<IsTruncated>{str(more).lower()}</IsTruncated>{marks}"
        return _xml(f"<ListVersionsResult><Name>{self.bucket}</Name>{truncated}{entries}</ListVersionsResult>")

    def _version(self, request: HttpRequest, key: str) -> Version:
        versions = self.objects.get(key, [])
        wanted = request.query.get("versionId")
        found = next((each for each in versions if each.id == wanted), None) if wanted else (versions[-1] if versions else None)
        if found is None or found.marker:
            raise Refused("NoSuchVersion" if wanted else "NoSuchKey", "The specified key does not exist.")
        return found

    def _upload(self, request: HttpRequest, key: str) -> Upload:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or upload.key != key:
            raise Refused("NoSuchUpload", "The specified multipart upload does not exist.")
        return upload

    def now(self) -> datetime:
        """By the store's own clock."""
        return datetime.now(UTC)


def _headers(version: Version) -> dict[str, str]:
    told = {"etag": f'"{version.etag}"', "x-amz-version-id": version.id, MODE: version.lock.mode, UNTIL: version.lock.until}
    return {**{name: value for name, value in told.items() if value}, HOLD: "ON" if version.lock.hold else "OFF"}


def _entry(key: str, version: Version) -> str:
    named = f"<Key>{escape(key)}</Key><VersionId>{version.id}</VersionId>"
    if version.marker:
        return f"<DeleteMarker>{named}</DeleteMarker>"
    return f"<Version>{named}<Size>{len(version.content)}</Size><ETag>{version.etag}</ETag></Version>"


def _xml(content: str) -> HttpResponse:
    return HttpResponse(200, content.encode(), {"content-type": "application/xml"})


def _parsed(raw: bytes) -> Any:
    try:
        return ElementTree.fromstring(raw)
    except ElementTree.ParseError as error:
        raise Refused("MalformedXML", str(error)) from error


def _text(element: Any, name: str) -> str:
    return next((str(child.text or "") for child in element if child.tag.rpartition("}")[2] == name), "")


def _bypasses(request: HttpRequest) -> bool:
    return request.headers.get("x-amz-bypass-governance-retention") == "true"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _digest(content: bytes, algorithm: str) -> str:
    return base64.b64encode(hashlib.new(algorithm, content, usedforsecurity=False).digest()).decode()
