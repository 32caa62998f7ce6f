"""What Grafana adds to the body that Alertmanager's webhook made up: the rest of that body is read by `alertmanager_webhook`."""

from collections.abc import Mapping
from typing import Any

from tocsin_detection.intake.details import text_of

VERSION = "1"
ADDRESSES = {"dashboardURL": "dashboard_url", "panelURL": "panel_url", "silenceURL": "silence_url", "imageURL": "image_url"}


def is_grafanas(body: Mapping[str, Any]) -> bool:
    """Whether Grafana wrote the body. Its address says nothing: either may be posted to the other's."""
    return "orgId" in body or body.get("version") == VERSION


def explained(alert: Mapping[str, Any]) -> dict[str, str]:
    """What Grafana alone says about an alert, as annotations: where to look and to silence, and the values that it measured."""
    addresses = {name: text_of(alert.get(field)) for field, name in ADDRESSES.items()}
    return {name: text for name, text in {**addresses, "values": _values(alert)}.items() if text}


def _values(alert: Mapping[str, Any]) -> str:
    """Each expression's letter and value; of older versions the text that holds them."""
    values = alert.get("values")
    if isinstance(values, dict) and values:
        return ", ".join(f"{name}={text_of(value)}" for name, value in values.items())
    return text_of(alert.get("valueString"))
