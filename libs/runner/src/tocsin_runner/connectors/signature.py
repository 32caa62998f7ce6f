"""Requests signed as AWS wants it, by Signature Version 4: forty lines, where the library for it describes every service there is."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

from tocsin_runner.http import Request

ALGORITHM = "AWS4-HMAC-SHA256"


def signed(request: Request, *, key_id: str, secret: str, region: str, service: str, at: datetime) -> dict[str, str]:
    """The headers of the request, with those that sign it."""
    moment = f"{at:%Y%m%dT%H%M%SZ}"
    parts = urlsplit(request.url)
    headers = {name.lower(): value.strip() for name, value in request.headers.items() if name.lower() == "content-type"}
    headers |= {"host": parts.netloc, "x-amz-date": moment}
    names = ";".join(sorted(headers))
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    canonical = "\n".join(
        [
            request.method,
            quote(parts.path or "/", safe="/-_.~%"),
            _query(parts.query),
            *(f"{name}:{headers[name]}" for name in sorted(headers)),
            "",
            names,
            hashlib.sha256(request.content).hexdigest(),
        ]
    )
    to_sign = "\n".join([ALGORITHM, moment, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    authorization = f"{ALGORITHM} Credential={key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    return {**_without_host(request.headers), "x-amz-date": moment, "authorization": authorization}


def _query(query: str) -> str:
    pairs = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{name}={value}" for name, value in pairs)


def _without_host(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() != "host"}
