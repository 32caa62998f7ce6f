"""Every kind of integration and the module that speaks its format. A new kind is one module and one line here."""

from collections.abc import Mapping

from tocsin_detection.intake import alertmanager, webhook
from tocsin_detection.intake.intake import Intake

INTAKES: Mapping[str, Intake] = {
    "alertmanager": alertmanager,
    "webhook": webhook,
}
