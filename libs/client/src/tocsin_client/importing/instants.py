"""Instants of other systems."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from tocsin_client.importing.model import Unusable


def instant(text: Any, where: str) -> datetime:
    """An instant in UTC. Raises Unusable unless the text has an offset."""
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError as error:
        raise Unusable(f"{where}: {text!r} is no instant such as 2026-03-02T14:00:00Z") from error
    if found.tzinfo is None:
        raise Unusable(f"{where}: {text!r} has no offset")
    return found.astimezone(UTC)


def local(at: datetime, zone: ZoneInfo) -> datetime:
    """What clocks in the zone show."""
    return at.astimezone(zone).replace(tzinfo=None)


def written(at: datetime) -> str:
    """As files of configuration write an instant."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def anchored(wall: datetime) -> dict[str, str]:
    """The first handoff of a rotation, as files have it."""
    handoff = wall.strftime("%H:%M:%S")
    return {"starts_on": wall.date().isoformat(), "handoff_time": handoff.removesuffix(":00") if handoff.endswith(":00") else handoff}
