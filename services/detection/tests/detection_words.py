"""What the tests of detection say in few words: requests of senders, and ids that can be read."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import count
from types import MappingProxyType

from tocsin_detection.intake.intake import Request
from tocsin_detection.integration import Integration, Options
from tocsin_detection.signal import Signal

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOTHING: Mapping[str, str] = MappingProxyType({})
DEFAULTS = Options()


class CountedIds:
    """Ids in a row: a-1, a-2, …"""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = count(1)

    def new(self) -> str:
        return f"a-{next(self._numbers)}"

    def secret(self) -> str:
        return f"secret-{next(self._numbers)}"


def request(
    kind: str,
    content: object,
    *,
    method: str = "POST",
    path: str = "/api/v2/alerts",
    service: str = "",
    at: datetime = NOON,
    headers: Mapping[str, str] = NOTHING,
    options: Options = DEFAULTS,
) -> Request:
    """A request with `content` as JSON, or as it is if it is bytes."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Request(Integration("door", kind, service, "", NOON, options=options), at, method, path, body, headers)


def signal(fingerprint: str = "disk", **fields: object) -> Signal:
    """A firing signal at noon."""
    said: dict[str, object] = {"title": "disk full", "starts_at": NOON, **fields}
    return Signal(integration="door", fingerprint=fingerprint, **said)  # type: ignore[arg-type]
