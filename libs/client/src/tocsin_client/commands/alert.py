"""`tocsin alert`: report, find, take, put aside and end alerts, and tell why one woke somebody or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from tocsin_client import times
from tocsin_client.commands.given import pairs
from tocsin_client.commands.options import DEFAULTS, REACH, Options, Reach
from tocsin_client.later import later
from tocsin_client.screen import coloured, facts, grid, heading, line, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.detection.v1 import alert_pb2 as alerts
    from tocsin.detection.v1 import detection_service_pb2 as detection
    from tocsin.detection.v1 import noise_pb2 as noise
    from tocsin.detection.v1 import noise_service_pb2 as noise_service
else:
    alerts = later("tocsin.detection.v1.alert_pb2")
    detection = later("tocsin.detection.v1.detection_service_pb2")
    noise_service = later("tocsin.detection.v1.noise_service_pb2")

Labels = Annotated[tuple[str, ...], Parameter(name="--label", help="NAME=VALUE; may be given several times.", negative=())]
Matchers = Annotated[
    tuple[str, ...],
    Parameter(name="--matcher", help='name="text", !=, or with RE2 expressions =~ and !~; may be given several times.', negative=()),
]
Held = Annotated[
    bool | None,
    Parameter(name="--held", negative="--not-held", help="Only those that something holds back; or only those that nothing does."),
]
State = Literal["open", "resolved", "any"]
ALERT = Annotated[str, Parameter(help="The alert's id; `tocsin alert list` shows it.")]
# The most that one page may hold.
PAGE = 500


@Parameter(name="*")
@dataclass(frozen=True)
class Filter:
    """Which alerts."""

    state: Annotated[State, Parameter(help="Only these.")] = "open"
    integration: Annotated[str, Parameter(help="Only those that came through this integration.")] = ""
    service: Annotated[str, Parameter(help="Only those about this service, by their sender's word.")] = ""
    severity: Annotated[str, Parameter(help="Only those of this severity, by their sender's word.")] = ""
    label: Labels = ()
    matcher: Matchers = ()
    held: Held = None
    text: Annotated[str, Parameter(help="Only those whose title holds this, whatever the case.")] = ""

    def request(self, page_size: int = PAGE) -> "detection.ListAlertsRequest":
        """UsageError if a label is no pair."""
        states = {"open": alerts.Alert.STATE_OPEN, "resolved": alerts.Alert.STATE_RESOLVED, "any": alerts.Alert.STATE_UNSPECIFIED}
        held = {None: detection.HELD_UNSPECIFIED, True: detection.HELD_YES, False: detection.HELD_NO}
        return detection.ListAlertsRequest(
            state=states[self.state],
            integration=self.integration,
            service=self.service,
            severity=self.severity,
            labels=pairs(self.label, "--label"),
            matchers=self.matcher,
            held=held[self.held],
            text=self.text,
            page_size=min(page_size, PAGE),
        )


ANY = Filter()


def send(
    title: str,
    /,
    *,
    description: str = "",
    service: str = "",
    severity: str = "",
    dedup_key: str = "",
    label: Labels = (),
    options: Options = DEFAULTS,
) -> None:
    """Report that something is wrong.

    Parameters
    ----------
    title
        One line for people.
    description
        More for people.
    service
        The catalogued service that is affected; without it triage decides.
    severity
        critical, error, warning, info, or sev1 to sev5; without it triage decides.
    dedup_key
        What makes it the same alert: while that one is open, another report only counts. Default: a hash of title and labels.
    """
    request = detection.RaiseAlertRequest(
        title=title, description=description, service=service, severity=severity, dedup_key=dedup_key, labels=pairs(label, "--label")
    )
    with options.open() as tocsin:
        alert = tocsin.detection.RaiseAlert(request).alert
    options.screen.result(alert, drawn)


def list_(*, which: Filter = ANY, limit: int = 50, options: Options = DEFAULTS) -> None:
    """List alerts, newest first.

    Parameters
    ----------
    limit
        At most this many.
    """
    with options.open() as tocsin:
        found = list(islice(tocsin.alerts(which.request(limit + 1)), limit + 1))
    options.screen.table(
        found[:limit],
        columns(options),
        nothing="No open alert." if which == ANY else "No alert is like that.",
    )
    if len(found) > limit:
        options.screen.note("There are more: give a larger --limit, or write all of them with `tocsin alert export`.")


def export(*, which: Filter = ANY, reach: Reach = REACH) -> None:
    """Write all alerts that the filters leave, newest first, as one JSON object a line."""
    with reach.open() as tocsin:
        for answer in tocsin.detection.ExportAlerts(detection.ExportAlertsRequest(filter=which.request())):
            for alert in answer.alerts:
                print(line(alert))


def show(alert: ALERT, /, *, options: Options = DEFAULTS) -> None:
    """Show one alert and what was decided about it."""
    with options.open() as tocsin:
        answer = tocsin.detection.GetAlert(detection.GetAlertRequest(alert_id=alert))
    options.screen.result(answer, drawn_with_log)


def explain(alert: ALERT, /, *, options: Options = DEFAULTS) -> None:
    """Say why an alert woke somebody, or did not: which rule, silence or window acts on it, since when, and by whom."""
    with options.open() as tocsin:
        answer = tocsin.noise.ExplainAlert(noise_service.ExplainAlertRequest(alert_id=alert))
    options.screen.result(answer, explained)


def ack(alert: ALERT, /, *, options: Options = DEFAULTS) -> None:
    """Take an open alert. One that somebody took before stays theirs."""
    with options.open() as tocsin:
        taken = tocsin.detection.AcknowledgeAlert(detection.AcknowledgeAlertRequest(alert_id=alert)).alert
    options.screen.result(taken, drawn)


def snooze(alert: ALERT, until: str, /, *, options: Options = DEFAULTS) -> None:
    """Put an open alert aside: it wakes nobody before then.

    Parameters
    ----------
    until
        For how long ("2h") or until when (ISO 8601, "in 2h"); "now" ends a snooze.
    """
    request = detection.SnoozeAlertRequest(alert_id=alert)
    request.until.FromDatetime(times.end(until, options.now, "UNTIL"))
    with options.open() as tocsin:
        aside = tocsin.detection.SnoozeAlert(request).alert
    options.screen.result(aside, drawn)


def resolve(alert: ALERT, /, *, options: Options = DEFAULTS) -> None:
    """End an alert by hand. A resolved one stays as it is."""
    with options.open() as tocsin:
        ended = tocsin.detection.ResolveAlert(detection.ResolveAlertRequest(alert_id=alert)).alert
    options.screen.result(ended, drawn)


def columns(options: Options) -> dict[str, Any]:
    now = options.now
    return {
        "ID": lambda alert: alert.id,
        "STATE": lambda alert: coloured(state(alert)),
        "AGE": lambda alert: times.age(alert, "opened_at", now),
        "COUNT": lambda alert: str(alert.occurrences),
        "HELD BY": lambda alert: ", ".join(dict.fromkeys(kind(hold) for hold in alert.holds)),
        "SEVERITY": lambda alert: alert.sender_severity,
        "SERVICE": lambda alert: alert.sender_service,
        "INTEGRATION": lambda alert: alert.integration,
        "TITLE": lambda alert: alert.title,
    }


def state(alert: "alerts.Alert") -> str:
    """Where the alert is, in one word: an open one that somebody took is ACKNOWLEDGED."""
    if alert.state == alerts.Alert.STATE_OPEN and alert.HasField("acknowledged_at"):
        return "ACKNOWLEDGED"
    return short(alerts.Alert.State, alert.state)


def kind(hold: "alerts.Hold | noise.Verdict") -> str:
    return short(alerts.Hold.Kind, hold.kind).lower()


def drawn(alert: "alerts.Alert") -> "RenderableType":
    return facts(
        {
            "alert": f"{alert.id}  #{alert.tiny_id}" if alert.tiny_id else alert.id,
            "title": alert.title,
            "state": coloured(state(alert)),
            "held by": "\n".join(in_words(alert)),
            "integration": alert.integration,
            "service": alert.sender_service,
            "severity": alert.sender_severity,
            "key": alert.fingerprint,
            "opened": times.local(alert, "opened_at"),
            "last signal": times.local(alert, "last_signal_at"),
            "ends": times.local(alert, "ends_at"),
            "taken": " by ".join(filter(None, [times.local(alert, "acknowledged_at"), alert.acknowledged_by])),
            "snoozed until": times.local(alert, "snoozed_until"),
            "resolved": times.local(alert, "resolved_at"),
            "because": alert.resolve_reason,
            "occurrences": str(alert.occurrences),
            "tags": ", ".join(alert.tags),
            "labels": "\n".join(f"{name}={value}" for name, value in sorted(alert.labels.items())),
            "annotations": "\n".join(f"{name}={value}" for name, value in sorted(alert.annotations.items())),
            "source": alert.source_url,
            "description": alert.description,
        }
    )


def in_words(alert: "alerts.Alert") -> Iterator[str]:
    """Each hold in a line: what it is, who made it, why, until when."""
    for hold in alert.holds:
        until = times.local(hold, "until")
        parts = [f"{kind(hold)} {hold.rule}".strip(), f"by {hold.by}" if hold.by else "", f"until {until}" if until else ""]
        yield " ".join(filter(None, parts)) + (f": {hold.reason}" if hold.reason else "")


def drawn_with_log(answer: "detection.GetAlertResponse") -> "RenderableType":
    if not answer.log:
        return drawn(answer.alert)
    return stack(drawn(answer.alert), heading("Decisions"), grid(list(answer.log), LOG_COLUMNS))


def explained(answer: "noise_service.ExplainAlertResponse") -> "RenderableType":
    """The sentence that answers first; what supports it below."""
    alert = answer.alert
    acting = [verdict for verdict in answer.verdicts if verdict.holds]
    silent = [verdict for verdict in answer.verdicts if not verdict.holds]
    parts: list[RenderableType] = [
        heading(answer.summary),
        facts({"alert": alert.id, "title": alert.title, "state": coloured(state(alert)), "one alert, because": answer.grouping}),
    ]
    if acting:
        parts += [heading("What holds it back"), grid(acting, VERDICT_COLUMNS)]
    if answer.log:
        parts += [heading("What was decided"), grid(list(answer.log), LOG_COLUMNS)]
    if silent:
        parts += [heading("What does not act on it"), grid(silent, SILENT_COLUMNS)]
    return stack(*parts)


LOG_COLUMNS: dict[str, Any] = {
    "AT": lambda entry: times.local(entry, "at"),
    "DECISION": lambda entry: entry.decision,
    "BY": lambda entry: entry.by,
    "REASON": lambda entry: entry.reason,
}
VERDICT_COLUMNS: dict[str, Any] = {
    "KIND": lambda verdict: kind(verdict),
    "RULE": lambda verdict: verdict.rule,
    "BY": lambda verdict: verdict.by,
    "SINCE": lambda verdict: times.local(verdict, "starts_at"),
    "UNTIL": lambda verdict: times.local(verdict, "ends_at"),
    "WHY": lambda verdict: verdict.reason,
}
SILENT_COLUMNS: dict[str, Any] = {
    "KIND": lambda verdict: kind(verdict),
    "RULE": lambda verdict: verdict.rule,
    "WHY NOT": lambda verdict: verdict.reason,
    "DOES NOT MATCH": lambda verdict: verdict.failed_matcher,
}
