"""An alert: the deduplicated, stateful form of all signals about one thing. Pure: old alert and signal in, decision out."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from msgspec import Struct, field
from msgspec.structs import replace

from tocsin_detection.hold import Hold
from tocsin_detection.signal import Signal
from tocsin_kernel.errors import Conflict
from tocsin_kernel.ids import Ids

# The integration of the platform's check of itself: nothing holds its alerts back, and only lists that name it show them.
CHECKS = "tocsin-watchdog"


class Verdict(StrEnum):
    """What a signal did to the alert."""

    OPENED = "OPENED"
    REPEATED = "REPEATED"
    CHANGED = "CHANGED"
    ACKNOWLEDGED = "ACKNOWLEDGED"
    RESOLVED = "RESOLVED"
    IGNORED = "IGNORED"


class ResolveReason(StrEnum):
    """Why an alert ended."""

    RESOLVED_BY_SENDER = "RESOLVED_BY_SENDER"
    ENDED_SILENTLY = "ENDED_SILENTLY"
    RESOLVED_BY_RESPONDER = "RESOLVED_BY_RESPONDER"


class AlertHasEnded(Conflict):
    reason = "ALERT_HAS_ENDED"
    message = "alert {alert} ended at {ended}; nothing reopens it"


class Alert(Struct, frozen=True):
    """One alert. It is open until `resolved_at` is set; that is final. Texts are the sender's. Times are aware, in UTC.

    `told` says whether the others were told that it fires; `holds` is what keeps it from being told, judged again at
    `reconsider_at` (None: when somebody says so). `tiny_id` is 0 until it is stored.
    """

    id: str
    integration: str
    fingerprint: str
    title: str
    description: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    source_url: str
    sender_severity: str
    sender_service: str
    starts_at: datetime
    ends_at: datetime | None
    ends_by_timeout: bool
    opened_at: datetime
    last_signal_at: datetime
    resolved_at: datetime | None = None
    resolve_reason: str = ""
    occurrences: int = 1
    version: int = 1
    tags: tuple[str, ...] = ()
    tiny_id: int = 0
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    snoozed_until: datetime | None = None
    told: bool = False
    holds: tuple[Hold, ...] = ()
    reconsider_at: datetime | None = None
    sender_fields: Mapping[str, object] = field(default_factory=dict)
    open_reason: str = ""

    @property
    def open(self) -> bool:
        return self.resolved_at is None


class Decision(Struct, frozen=True):
    """What was decided, why in words for people, and the alert after it: None where a signal is about no alert.

    `by` is who did it, empty where the sender or a rule did; `note` what they want to be kept with it.
    """

    verdict: Verdict
    reason: str
    alert: Alert | None
    by: str = ""
    note: str = ""


def observe(existing: Alert | None, signal: Signal, now: datetime, ids: Ids) -> Decision:
    """What a signal means, given the alert about the same thing that is open (None: none is)."""
    if existing is None or not existing.open:
        if signal.resolved:
            return Decision(Verdict.IGNORED, "it says that something is over about which no alert is open", None)
        if signal.acknowledged:
            return Decision(Verdict.IGNORED, "it says that somebody takes care of something about which no alert is open", None)
        return _open(signal, now, ids)
    if signal.resolved:
        return _resolve_by_sender(existing, signal, now)
    if signal.acknowledged:
        return replace(acknowledge(existing, signal.by or signal.integration, now), note=signal.note)
    return _repeat(existing, signal, now)


def acknowledge(alert: Alert, by: str, now: datetime) -> Decision:
    """Somebody takes care of it. Who took it first keeps it. Raises AlertHasEnded."""
    _refuse_if_ended(alert)
    if alert.acknowledged_at is not None:
        return Decision(Verdict.IGNORED, f"{alert.acknowledged_by} had taken it before", alert)
    taken = replace(alert, acknowledged_at=now, acknowledged_by=by, version=alert.version + 1)
    return Decision(Verdict.ACKNOWLEDGED, f"{by} takes care of it", taken, by)


def unacknowledge(alert: Alert, by: str) -> Decision:
    """Nobody takes care of it any more. Raises AlertHasEnded."""
    _refuse_if_ended(alert)
    if alert.acknowledged_at is None:
        return Decision(Verdict.IGNORED, "nobody had taken it", alert)
    free = replace(alert, acknowledged_at=None, acknowledged_by="", version=alert.version + 1)
    return Decision(Verdict.CHANGED, f"{by or 'its sender'} says that {alert.acknowledged_by} no longer takes care of it", free, by)


def snooze(alert: Alert, until: datetime, by: str, now: datetime) -> Decision:
    """Put it aside until an instant; one that has passed ends a snooze. Raises AlertHasEnded."""
    _refuse_if_ended(alert)
    ends = until <= now
    reason = "its snooze was ended" if ends else f"put aside until {until:%Y-%m-%d %H:%M:%S}Z"
    end = None if ends else until
    aside = replace(alert, snoozed_until=end, reconsider_at=end if alert.told else now, version=alert.version + 1)
    return Decision(Verdict.CHANGED, f"{reason} by {by}", aside, by)


def changed(alert: Alert, after: Alert, reason: str, by: str, note: str = "") -> Decision:
    """Somebody changed what an open or resolved alert says; one that is as before is none."""
    if after == alert:
        return Decision(Verdict.IGNORED, reason, alert, by, note)
    return Decision(Verdict.CHANGED, reason, replace(after, version=alert.version + 1), by, note)


def _refuse_if_ended(alert: Alert) -> None:
    if alert.resolved_at is not None:
        raise AlertHasEnded(alert=alert.id, ended=f"{alert.resolved_at:%Y-%m-%d %H:%M:%S}Z")


def end_silently(alert: Alert, now: datetime) -> Decision:
    """End an open alert whose sender has fallen silent. Before its `ends_at` nothing happens."""
    if not alert.open or alert.ends_at is None or alert.ends_at > now:
        return Decision(Verdict.IGNORED, "it has not reached its end", alert)
    because = "no signal came within the resolve timeout" if alert.ends_by_timeout else "its sender set this end and did not move it"
    return _resolve(alert, now, ResolveReason.ENDED_SILENTLY, f"{because}: it ended at {alert.ends_at:%Y-%m-%d %H:%M:%S}Z")


def resolve_by_hand(alert: Alert, by: str, now: datetime) -> Decision:
    """End an alert because somebody says so. A resolved alert stays as it is."""
    if not alert.open:
        return Decision(Verdict.IGNORED, "it had ended before", alert)
    return replace(_resolve(alert, now, ResolveReason.RESOLVED_BY_RESPONDER, f"ended by hand by {by}"), by=by)


def _open(signal: Signal, now: datetime, ids: Ids) -> Decision:
    reason = f"no alert of {signal.integration} with this fingerprint was open"
    alert = Alert(
        id=ids.new(),
        integration=signal.integration,
        fingerprint=signal.fingerprint,
        title=signal.title,
        description=signal.description,
        labels=signal.labels,
        annotations=signal.annotations,
        source_url=signal.source_url,
        sender_severity=signal.severity,
        sender_service=signal.service,
        starts_at=signal.starts_at,
        ends_at=signal.ends_at,
        ends_by_timeout=signal.ends_by_timeout,
        opened_at=now,
        last_signal_at=now,
        tags=signal.tags,
        sender_fields=signal.sender_fields,
        open_reason=reason,
    )
    return Decision(Verdict.OPENED, reason, alert, signal.by, signal.note)


def _resolve_by_sender(alert: Alert, signal: Signal, now: datetime) -> Decision:
    # Senders repeat a resolve for minutes, and replicas of a sender lag: the end of an earlier episode is no end of this one.
    if signal.ends_at is not None and signal.starts_at < signal.ends_at < alert.starts_at:
        return Decision(Verdict.IGNORED, "the end that it tells lies before this alert began", alert)
    ended = replace(
        alert,
        annotations=signal.annotations or alert.annotations,
        starts_at=min(alert.starts_at, signal.starts_at),
        ends_at=signal.ends_at,
        ends_by_timeout=False,
        last_signal_at=now,
        occurrences=alert.occurrences + 1,
    )
    decision = _resolve(ended, now, ResolveReason.RESOLVED_BY_SENDER, "its sender says that it is over")
    return replace(decision, by=signal.by, note=signal.note)


def _resolve(alert: Alert, now: datetime, why: ResolveReason, reason: str) -> Decision:
    resolved = replace(alert, resolved_at=now, resolve_reason=why.value, version=alert.version + 1)
    return Decision(Verdict.RESOLVED, reason, resolved)


def _repeat(alert: Alert, signal: Signal, now: datetime) -> Decision:
    changes = _changes(alert, signal)
    ends_at, by_timeout = _later_end(alert, signal)
    repeated = replace(
        alert, ends_at=ends_at, ends_by_timeout=by_timeout, last_signal_at=max(alert.last_signal_at, now), occurrences=alert.occurrences + 1
    )
    if not changes:
        return Decision(Verdict.REPEATED, "the same again", repeated, signal.by, signal.note)
    renewed = replace(
        repeated,
        title=signal.title,
        description=signal.description,
        labels=signal.labels,
        annotations=signal.annotations,
        source_url=signal.source_url,
        sender_severity=signal.severity,
        sender_service=signal.service,
        starts_at=min(alert.starts_at, signal.starts_at),
        tags=signal.tags,
        sender_fields=signal.sender_fields,
        version=alert.version + 1,
    )
    return Decision(Verdict.CHANGED, f"a repeat changed its {', '.join(changes)}", renewed, signal.by, signal.note)


def _changes(alert: Alert, signal: Signal) -> list[str]:
    """What a repeat says otherwise than the alert does, in words. The newest words count, and the earliest start."""
    pairs: tuple[tuple[str, object, object], ...] = (
        ("title", alert.title, signal.title),
        ("description", alert.description, signal.description),
        ("labels", alert.labels, signal.labels),
        ("annotations", alert.annotations, signal.annotations),
        ("source", alert.source_url, signal.source_url),
        ("severity", alert.sender_severity, signal.severity),
        ("service", alert.sender_service, signal.service),
        ("tags", alert.tags, signal.tags),
        ("fields", alert.sender_fields, signal.sender_fields),
    )
    changes = [name for name, before, after in pairs if before != after]
    if signal.starts_at < alert.starts_at:
        changes.append("start")
    return changes


def _later_end(alert: Alert, signal: Signal) -> tuple[datetime | None, bool]:
    """The newest end counts, except that an end which a sender gave explicitly is not brought forward by a later signal."""
    if alert.ends_at is not None and signal.ends_at is not None and not alert.ends_by_timeout and alert.ends_at > signal.ends_at:
        return alert.ends_at, False
    return signal.ends_at, signal.ends_by_timeout
