"""The settings of response."""

from dataclasses import dataclass

from tocsin_chassis.settings import ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class ResponseSettings(ServiceSettings):
    """What response needs beside what every service needs."""

    detection_address: str = setting(
        "TOCSIN_DETECTION_ADDRESS", "host:port of detection, to raise an alert about a coverage gap; empty: gap reports wait", default=""
    )
