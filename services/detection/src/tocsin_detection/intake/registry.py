"""Every kind of integration and the module that speaks its format. A new kind is one module and one line here."""

from collections.abc import Mapping

from tocsin_detection.intake import (
    alertmanager,
    alertmanager_webhook,
    cloudevents,
    datadog,
    email,
    heartbeat,
    opsgenie,
    pagerduty,
    sentry,
    sns,
    webhook,
)
from tocsin_detection.intake.intake import Intake, RepeatingIntake

REPEATING: Mapping[str, RepeatingIntake] = {"alertmanager": alertmanager}
INTAKES: Mapping[str, Intake] = {
    "alertmanager": alertmanager,
    "alertmanager-webhook": alertmanager_webhook,
    "cloudevents": cloudevents,
    "datadog": datadog,
    "email": email,
    # Its body says that it is Grafana's.
    "grafana": alertmanager_webhook,
    "heartbeat": heartbeat,
    "opsgenie": opsgenie,
    "pagerduty": pagerduty,
    "sentry": sentry,
    "sns": sns,
    "webhook": webhook,
}
