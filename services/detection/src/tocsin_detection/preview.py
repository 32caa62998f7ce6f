"""A preview: what a sample of a sender would become, read as its integration would read it. Nothing is kept."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from tocsin_detection.alert import Alert, Verdict, acknowledge, observe, resolve_by_hand
from tocsin_detection.intake.intake import Outcome, Rejection, Report, Request
from tocsin_detection.intake.mapping import problems_of
from tocsin_detection.intake.registry import INTAKES
from tocsin_detection.integration import Integration, Options
from tocsin_detection.integration import Mapping as FieldMapping
from tocsin_detection.signal import Signal
from tocsin_kernel.errors import Invalid
from tocsin_kernel.ids import RandomIds

NAME = "preview"
# Where senders report below their integration's address; all others to the address itself.
PATHS = {"alertmanager": "/api/v2/alerts", "pagerduty": "/v2/enqueue", "opsgenie": "/v2/alerts"}


@dataclass(frozen=True, slots=True)
class Preview:
    """The alerts that a sample would open or end, what would be refused, and the status of the answer."""

    alerts: tuple[Alert, ...]
    rejections: tuple[Rejection, ...]
    status: int


def preview(kind: str, mapping: FieldMapping | None, body: bytes, headers: Mapping[str, str], now: datetime) -> Preview:
    """Read a sample; batches are taken. Raises Invalid for a kind that there is not, and for a mapping that cannot be used."""
    intake = INTAKES.get(kind)
    if intake is None:
        raise Invalid(field="kind", detail=f"there is no kind {kind!r}; the kinds are {', '.join(sorted(INTAKES))}")
    for field, detail in problems_of(mapping) if mapping else ():
        raise Invalid(field=f"mapping.{field}", detail=detail)
    integration = Integration(NAME, kind, "", "", now, options=Options(mapping=mapping, accepts_batches=True))
    report = intake.read(Request(integration, now, "POST", PATHS.get(kind, "/"), body, headers))
    if report.refusal is not None:
        said = Rejection(0, report.refusal.body.decode(errors="replace").strip())
        return Preview((), (said,), report.refusal.status)
    alerts = tuple(_alerts(report.signals, now))
    outcome = Outcome(tuple(alert.id for alert in alerts))
    return Preview(alerts, report.rejections, intake.answer(Report(report.signals, report.rejections), outcome).status)


def _alerts(signals: Iterable[Signal], now: datetime) -> Iterable[Alert]:
    """One for each signal, as if there were no other: in the state to which the signal would bring it."""
    for signal in signals:
        opened = observe(None, replace(signal, resolved=False, acknowledged=False), now, RandomIds())
        assert opened.alert is not None and opened.verdict is Verdict.OPENED
        if signal.resolved:
            yield resolve_by_hand(opened.alert, signal.by, now).alert or opened.alert
        elif signal.acknowledged:
            yield acknowledge(opened.alert, signal.by or signal.integration, now).alert or opened.alert
        else:
            yield opened.alert
