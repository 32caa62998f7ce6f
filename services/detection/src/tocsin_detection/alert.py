"""An alert: the deduplicated, stateful form of all signals about one thing. Pure: old alert and signal in, decision out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from tocsin_detection.signal import Signal
from tocsin_kernel.ids import Ids


class Verdict(StrEnum):
    """What a signal did to the alert."""

    OPENED = "OPENED"
    REPEATED = "REPEATED"
    CHANGED = "CHANGED"
    RESOLVED = "RESOLVED"
    IGNORED = "IGNORED"


class ResolveReason(StrEnum):
    """Why an alert ended."""

    RESOLVED_BY_SENDER = "RESOLVED_BY_SENDER"
    ENDED_SILENTLY = "ENDED_SILENTLY"
    RESOLVED_BY_RESPONDER = "RESOLVED_BY_RESPONDER"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. It is open until `resolved_at` is set; that is final. Texts are the sender's. Times are aware, in UTC."""

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

    @property
    def open(self) -> bool:
        return self.resolved_at is None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, why in words for people, and the alert after it: None where a signal is about no alert."""

    verdict: Verdict
    reason: str
    alert: Alert | None


def observe(existing: Alert | None, signal: Signal, now: datetime, ids: Ids) -> Decision:
    """What a signal means, given the alert about the same thing that is open (None: none is)."""
    if existing is None or not existing.open:
        if signal.resolved:
            return Decision(Verdict.IGNORED, "it says that something is over about which no alert is open", None)
        return _open(signal, now, ids)
    if signal.resolved:
        return _resolve_by_sender(existing, signal, now)
    return _repeat(existing, signal, now)


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
    return _resolve(alert, now, ResolveReason.RESOLVED_BY_RESPONDER, f"ended by hand by {by}")


def _open(signal: Signal, now: datetime, ids: Ids) -> Decision:
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
    )
    return Decision(Verdict.OPENED, f"no alert of {signal.integration} with this fingerprint was open", alert)


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
    return _resolve(ended, now, ResolveReason.RESOLVED_BY_SENDER, "its sender says that it is over")


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
        return Decision(Verdict.REPEATED, "the same again", repeated)
    changed = replace(
        repeated,
        title=signal.title,
        description=signal.description,
        labels=signal.labels,
        annotations=signal.annotations,
        source_url=signal.source_url,
        sender_severity=signal.severity,
        sender_service=signal.service,
        starts_at=min(alert.starts_at, signal.starts_at),
        version=alert.version + 1,
    )
    return Decision(Verdict.CHANGED, f"a repeat changed its {', '.join(changes)}", changed)


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
