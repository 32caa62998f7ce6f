"""`tocsin alert`: report, list and end alerts."""

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.detection.v1.alert_pb2 import Alert

from tocsin_client import times
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import UsageError
from tocsin_client.screen import coloured, facts, grid, heading, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType

Labels = Annotated[list[str], Parameter(name="--label", help="NAME=VALUE; may be given several times.", negative=())]
State = Literal["open", "resolved", "any"]


def send(
    title: str,
    /,
    *,
    description: str = "",
    service: str = "",
    severity: str = "",
    dedup_key: str = "",
    label: Labels = [],  # noqa: B006 (read only)
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
        title=title, description=description, service=service, severity=severity, dedup_key=dedup_key, labels=pairs(label)
    )
    with options.open() as tocsin:
        alert = tocsin.detection.RaiseAlert(request).alert
    options.screen.result(alert, drawn)


def list_(*, state: State = "open", integration: str = "", label: Labels = [], limit: int = 50, options: Options = DEFAULTS) -> None:  # noqa: B006
    """List alerts, newest first.

    Parameters
    ----------
    state
        Only these.
    integration
        Only those that came through this integration.
    limit
        At most this many.
    """
    wanted = {"open": Alert.STATE_OPEN, "resolved": Alert.STATE_RESOLVED}.get(state, Alert.STATE_UNSPECIFIED)
    request = detection.ListAlertsRequest(state=wanted, integration=integration, labels=pairs(label), page_size=min(limit, 500))
    now = options.now
    with options.open() as tocsin:
        alerts = list(islice(tocsin.alerts(request), limit))
    options.screen.table(
        alerts,
        {
            "ID": lambda alert: alert.id,
            "STATE": lambda alert: coloured(short(Alert.State, alert.state)),
            "AGE": lambda alert: times.age(alert, "opened_at", now),
            "COUNT": lambda alert: str(alert.occurrences),
            "INTEGRATION": lambda alert: alert.integration,
            "TITLE": lambda alert: alert.title,
        },
        nothing=f"No {state} alert." if state != "any" else "No alert.",
    )


def show(alert_id: str, /, *, options: Options = DEFAULTS) -> None:
    """Show one alert and what was decided about it.

    Parameters
    ----------
    alert_id
        The alert's id.
    """
    with options.open() as tocsin:
        answer = tocsin.detection.GetAlert(detection.GetAlertRequest(alert_id=alert_id))
    options.screen.result(answer, drawn_with_log)


def resolve(alert_id: str, /, *, options: Options = DEFAULTS) -> None:
    """End an alert by hand. A resolved one stays as it is.

    Parameters
    ----------
    alert_id
        The alert's id.
    """
    with options.open() as tocsin:
        alert = tocsin.detection.ResolveAlert(detection.ResolveAlertRequest(alert_id=alert_id)).alert
    options.screen.result(alert, drawn)


def pairs(texts: list[str]) -> dict[str, str]:
    """NAME=VALUE texts as a mapping. UsageError if one is of another form."""
    for text in texts:
        if not text.partition("=")[1] or not text.partition("=")[0]:
            raise UsageError(f"--label: {text!r} must be NAME=VALUE")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def drawn(alert: Alert) -> "RenderableType":
    return facts(
        {
            "alert": alert.id,
            "title": alert.title,
            "state": coloured(short(Alert.State, alert.state)),
            "integration": alert.integration,
            "service": alert.sender_service,
            "severity": alert.sender_severity,
            "opened": times.local(alert, "opened_at"),
            "last signal": times.local(alert, "last_signal_at"),
            "ends": times.local(alert, "ends_at"),
            "resolved": times.local(alert, "resolved_at"),
            "because": alert.resolve_reason,
            "occurrences": str(alert.occurrences),
            "labels": "\n".join(f"{name}={value}" for name, value in sorted(alert.labels.items())),
            "annotations": "\n".join(f"{name}={value}" for name, value in sorted(alert.annotations.items())),
            "source": alert.source_url,
            "description": alert.description,
        }
    )


def drawn_with_log(answer: detection.GetAlertResponse) -> "RenderableType":
    if not answer.log:
        return drawn(answer.alert)
    columns = {
        "AT": lambda entry: times.local(entry, "at"),
        "DECISION": lambda entry: entry.decision,
        "REASON": lambda entry: entry.reason,
    }
    return stack(drawn(answer.alert), heading("Decisions"), grid(list(answer.log), columns))
