"""The settings of detection."""

from dataclasses import dataclass

from tocsin_chassis.settings import ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class DetectionSettings(ServiceSettings):
    """What detection needs beside what every service needs."""

    silence_grace_seconds: float = setting(
        "TOCSIN_SILENCE_GRACE_SECONDS",
        "after an outage of detection or its database, how long alerts from before it wait for their senders before they end silently",
        default=90.0,
    )
