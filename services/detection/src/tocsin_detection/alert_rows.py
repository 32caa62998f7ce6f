"""Rows of alerts, open or resolved, as alerts."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

import orjson

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.alert import Alert
from tocsin_detection.hold import Hold, HoldKind

# What is read of one: its fields, in their order. JSON comes as its text, since most of it is read faster here than by the driver.
READ: LiteralString = """id::text AS id, integration, fingerprint, title, description, labels::text AS labels,
    annotations::text AS annotations, source_url, sender_severity, sender_service, starts_at, ends_at, ends_by_timeout, opened_at,
    last_signal_at, resolved_at, resolve_reason, occurrences, version, tags, tiny_id, acknowledged_at, acknowledged_by, snoozed_until,
    told, holds::text AS holds, reconsider_at, sender_fields::text AS sender_fields, open_reason"""
FIELDS = tuple(Alert.__struct_fields__)
LABELS, ANNOTATIONS, TAGS, HOLDS, SENDER_FIELDS = map(FIELDS.index, ("labels", "annotations", "tags", "holds", "sender_fields"))


async def read_alerts(tx: Tx, sql: LiteralString, params: Sequence[object] | Mapping[str, object]) -> list[Alert]:
    """The alerts that a statement with `READ` finds."""
    return await tx.each(_alert, sql, params)


def _alert(*columns: Any) -> Alert:
    values = list(columns)
    values[LABELS], values[ANNOTATIONS] = orjson.loads(values[LABELS]), orjson.loads(values[ANNOTATIONS])
    values[TAGS] = tuple(values[TAGS])
    values[HOLDS] = tuple(map(_hold, orjson.loads(values[HOLDS]))) if values[HOLDS] != "[]" else ()
    # What senders keep here may hold numbers of any size.
    values[SENDER_FIELDS] = json.loads(values[SENDER_FIELDS]) if values[SENDER_FIELDS] != "{}" else {}
    return Alert(*values)


def _hold(found: Mapping[str, Any]) -> Hold:
    until = found["until"]
    return Hold(
        HoldKind(found["kind"]),
        found["rule"],
        found["by"],
        found["reason"],
        datetime.fromisoformat(found["since"]),
        datetime.fromisoformat(until) if until else None,
        found.get("named", ""),
    )
