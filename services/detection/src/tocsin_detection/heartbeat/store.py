"""The SQL of heartbeats."""

# Statements are put together from the list of columns below; their type, LiteralString, lets nothing else into them.
# ruff: noqa: S608

from dataclasses import dataclass, replace
from datetime import datetime
from typing import LiteralString

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.heartbeat.heartbeat import Heartbeat, Unit

COLUMNS: LiteralString = """name, integration, every, unit, grace, description, service, owner_team, alert_message, alert_tags,
    alert_priority, disabled, created_at, last_ping_at, expected_since, late_since"""


@dataclass(frozen=True, slots=True)
class Door:
    """What a heartbeat needs to know of its integration."""

    kind: str
    service: str


async def door(tx: Tx, integration: str) -> Door | None:
    return await tx.maybe(Door, "SELECT kind, service FROM integration WHERE name = %s", (integration,))


async def heartbeats(tx: Tx, integration: str | None) -> list[Heartbeat]:
    """By name; of one integration or of all."""
    found = await tx.many(
        Heartbeat,
        "SELECT " + COLUMNS + " FROM heartbeat WHERE %(name)s::text IS NULL OR integration = %(name)s ORDER BY name",
        {"name": integration},
    )
    return [_typed(heartbeat) for heartbeat in found]


async def lock_heartbeats(tx: Tx) -> list[Heartbeat]:
    """All, by name; nobody makes, changes or pings any until the transaction ends."""
    await tx.execute("LOCK TABLE heartbeat IN EXCLUSIVE MODE")
    return await heartbeats(tx, None)


async def find_heartbeat(tx: Tx, name: str) -> Heartbeat | None:
    found = await tx.maybe(Heartbeat, "SELECT " + COLUMNS + " FROM heartbeat WHERE name = %s", (name,))
    return _typed(found) if found else None


async def lock_heartbeat(tx: Tx, name: str) -> Heartbeat | None:
    found = await tx.maybe(Heartbeat, "SELECT " + COLUMNS + " FROM heartbeat WHERE name = %s FOR UPDATE", (name,))
    return _typed(found) if found else None


async def lock_overdue(tx: Tx, now: datetime, heard_since: datetime) -> Heartbeat | None:
    """Lock the heartbeat that is overdue longest among those expected since `heard_since`. One locked by another is left to it."""
    found = await tx.maybe(
        Heartbeat,
        "SELECT " + COLUMNS + " FROM heartbeat WHERE due_at <= %s AND expected_since >= %s ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED",
        (now, heard_since),
    )
    return _typed(found) if found else None


async def count_heartbeats(tx: Tx, integration: str) -> int:
    return await tx.value(int, "SELECT count(*) FROM heartbeat WHERE integration = %s", (integration,)) or 0


async def insert_heartbeat(tx: Tx, heartbeat: Heartbeat) -> bool:
    """False if there is one of this name."""
    return bool(
        await tx.execute(
            "INSERT INTO heartbeat (" + COLUMNS + ", due_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (name) DO NOTHING",
            _values(heartbeat),
        )
    )


async def save_heartbeat(tx: Tx, heartbeat: Heartbeat) -> None:
    """Write a heartbeat that is locked."""
    await tx.execute(
        "UPDATE heartbeat SET (" + COLUMNS + ", due_at) = (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        " WHERE name = %s",
        (*_values(heartbeat), heartbeat.name),
    )


async def delete_heartbeat(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM heartbeat WHERE name = %s", (name,))


def _typed(found: Heartbeat) -> Heartbeat:
    """The database gives texts and lists."""
    return replace(found, unit=Unit(found.unit), alert_tags=tuple(found.alert_tags))


def _values(heartbeat: Heartbeat) -> tuple[object, ...]:
    return (
        heartbeat.name,
        heartbeat.integration,
        heartbeat.every,
        heartbeat.unit.value,
        heartbeat.grace,
        heartbeat.description,
        heartbeat.service,
        heartbeat.owner_team,
        heartbeat.alert_message,
        list(heartbeat.alert_tags),
        heartbeat.alert_priority,
        heartbeat.disabled,
        heartbeat.created_at,
        heartbeat.last_ping_at,
        heartbeat.expected_since,
        heartbeat.late_since,
        heartbeat.due_at,
    )
