"""What the tests of noise say in few words."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from tocsin_detection.alert import Alert

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
_numbers = count(1)


def an_alert(
    fingerprint: str = "disk",
    *,
    labels: Mapping[str, str] | None = None,
    at: datetime = NOON,
    integration: str = "door",
    service: str = "",
    severity: str = "",
    **fields: object,
) -> Alert:
    """An alert that opened at noon, unless said otherwise."""
    said: dict[str, object] = {"id": str(UUID(int=next(_numbers))), "title": f"{fingerprint} is bad", **fields}
    return Alert(
        integration=integration, fingerprint=fingerprint, description="", labels=labels or {}, annotations={}, source_url="",
        sender_severity=severity, sender_service=service, starts_at=at, ends_at=None, ends_by_timeout=False, opened_at=at,
        last_signal_at=at, **said,  # type: ignore[arg-type]
    )  # fmt: skip
