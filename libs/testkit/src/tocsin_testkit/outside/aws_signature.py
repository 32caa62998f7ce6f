"""Judges requests that are signed with AWS Signature Version 4, as the services of AWS do."""

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from tocsin_testkit.outside.http import HttpRequest

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})"
)
SKEW = timedelta(minutes=15)


def problem(request: HttpRequest, keys: dict[str, str], service: str, now: datetime) -> str:
    """The code of the error that such a request meets; empty if its signature is right. `keys` are secrets by access key."""
    found = AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        return "AccessDenied"
    access, day, region, named, signed, signature = found.groups()
    names = signed.split(";")
    at = request.headers.get("x-amz-date", "")
    if named != service or "host" not in names or "x-amz-date" not in names or not at.startswith(day):
        return "AuthorizationHeaderMalformed"
    if any(name.startswith("x-amz-") and name not in names for name in request.headers):
        # Whatever is not signed could have been changed on the way.
        return "AccessDenied"
    if access not in keys:
        return "InvalidAccessKeyId"
    if abs(datetime.strptime(at, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) - now) > SKEW:
        return "RequestTimeTooSkewed"
    scope = f"{day}/{region}/{service}/aws4_request"
    told = "\n".join(("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(_canonical(request, names).encode()).hexdigest()))
    key = f"AWS4{keys[access]}".encode()
    for part in (*scope.split("/"), told):
        key = hmac.digest(key, part.encode(), "sha256")
    return "" if hmac.compare_digest(key.hex(), signature) else "SignatureDoesNotMatch"


def _canonical(request: HttpRequest, names: list[str]) -> str:
    query = "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in request.query.items()))
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in names)
    return "\n".join((request.method, request.path, query, headers, ";".join(names), request.headers.get("x-amz-content-sha256", "")))
