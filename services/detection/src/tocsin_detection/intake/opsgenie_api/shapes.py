"""Alerts, their log, and requests as Opsgenie shows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tocsin_detection.alert import Alert
from tocsin_detection.intake.opsgenie import SEVERITIES
from tocsin_detection.intake.opsgenie_api.store import RequestStatus
from tocsin_detection.intake.opsgenie_fields import USUAL_PRIORITY
from tocsin_detection.store import LogEntry

PRIORITY_OF: Mapping[str, str] = {severity: priority for priority, severity in SEVERITIES.items()}


def alert_in_list(alert: Alert) -> dict[str, object]:
    """The alert as lists show it."""
    kept: Mapping[str, Any] = alert.sender_fields
    responders = [_party(party) for party in kept.get("responders", ())]
    return {
        "id": alert.id,
        "tinyId": str(alert.tiny_id),
        "alias": alert.fingerprint,
        "message": alert.title,
        "status": "open" if alert.open else "closed",
        "acknowledged": alert.acknowledged_at is not None,
        "isSeen": alert.acknowledged_at is not None,
        "tags": list(alert.tags),
        "snoozed": alert.snoozed_until is not None,
        **({"snoozedUntil": instant(alert.snoozed_until)} if alert.snoozed_until else {}),
        "count": alert.occurrences,
        "lastOccurredAt": instant(alert.last_signal_at),
        "createdAt": instant(alert.opened_at),
        "updatedAt": instant(max(filter(None, (alert.last_signal_at, alert.acknowledged_at, alert.resolved_at)))),
        "source": kept.get("source") or alert.integration,
        "owner": owner_of(alert),
        "priority": kept.get("priority") or PRIORITY_OF.get(alert.sender_severity, USUAL_PRIORITY),
        "teams": [{"id": party["id"]} for party in responders if party["type"] == "team"],
        "responders": responders,
        "integration": {"id": alert.integration, "name": alert.integration, "type": "API"},
        "report": _report(alert),
    }


def alert_in_full(alert: Alert) -> dict[str, object]:
    """The alert as it is shown by itself."""
    kept: Mapping[str, Any] = alert.sender_fields
    return alert_in_list(alert) | {
        "actions": list(kept.get("actions", ())),
        "entity": kept.get("entity", ""),
        "description": alert.description,
        "details": dict(alert.annotations),
    }


def owner_of(alert: Alert) -> str:
    """Whom it was assigned to, or else who took it."""
    return str(alert.sender_fields.get("owner") or alert.acknowledged_by)


def log_entry(entry: LogEntry, offset: int) -> dict[str, object]:
    return {
        "log": entry.reason,
        "type": "note" if entry.decision == "NOTED" else "system",
        "owner": entry.by,
        "createdAt": instant(entry.at),
        "offset": str(offset),
    }


def note(entry: LogEntry, offset: int) -> dict[str, object]:
    return {"note": entry.reason, "owner": entry.by, "createdAt": instant(entry.at), "offset": str(offset)}


def notes_of(log: Sequence[LogEntry]) -> list[LogEntry]:
    """What people noted."""
    return [entry for entry in log if entry.decision == "NOTED"]


def request_status(status: RequestStatus) -> dict[str, object]:
    """What became of a request. Some clients read `success`, others `isSuccess`."""
    return {
        "success": status.success,
        "isSuccess": status.success,
        "action": status.action,
        "processedAt": instant(status.processed_at),
        "integrationId": status.integration,
        "status": status.status,
        "alertId": status.alert_id,
        "alias": status.alias,
    }


def instant(at: datetime | None) -> str:
    """In UTC, to the millisecond; empty for none."""
    return "" if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _party(party: Mapping[str, str]) -> dict[str, str]:
    """Some clients know a responder by its id only."""
    return {**party, "id": party.get("id") or party.get("name") or party.get("username") or ""}


def _report(alert: Alert) -> dict[str, object]:
    """Times are milliseconds from the start to what happened."""
    report: dict[str, object] = {}
    if alert.acknowledged_at is not None:
        report |= {"ackTime": _milliseconds(alert.opened_at, alert.acknowledged_at), "acknowledgedBy": alert.acknowledged_by}
    if alert.resolved_at is not None:
        report |= {"closeTime": _milliseconds(alert.opened_at, alert.resolved_at), "closedBy": alert.sender_fields.get("closedBy", "")}
    return report


def _milliseconds(since: datetime, until: datetime) -> int:
    return round((until - since).total_seconds() * 1_000)
