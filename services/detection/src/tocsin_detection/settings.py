"""The settings of detection."""

from dataclasses import dataclass
from pathlib import Path

from tocsin_chassis.settings import ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class DetectionSettings(ServiceSettings):
    """What detection needs beside what every service needs."""

    silence_grace_seconds: float = setting(
        "TOCSIN_SILENCE_GRACE_SECONDS",
        "after an outage of detection or its database, how long alerts from before it wait for their senders before they end silently",
        default=90.0,
    )
    retention_days: int = setting(
        "TOCSIN_ALERT_RETENTION_DAYS", "how many days resolved alerts and what was decided about alerts are kept", default=90
    )
    rate_per_second: int = setting(
        "TOCSIN_RATE_PER_SECOND", "how many new signals a second an integration without a rate_limit may send on average", default=10_000
    )
    rate_burst: int = setting(
        "TOCSIN_RATE_BURST", "how many new signals an integration without a rate_limit may send at once", default=100_000
    )
    sns_hosts: str = setting(
        "TOCSIN_SNS_HOSTS",
        "host:port of what stands in for Amazon SNS, separated by commas; the addresses may be private, and Amazon's are trusted anyway",
        default="",
    )
    secrets_key_file: Path | None = setting(
        "TOCSIN_SECRETS_KEY_FILE",
        "JWKS of the keys that seal integrations' secrets in the database, the newest first; without it no secret can be kept",
        default=None,
    )
    outgoing_ca_file: Path | None = setting(
        "TOCSIN_OUTGOING_CA_FILE",
        "PEM of certificate authorities that are trusted beside the public ones when detection asks others",
        default=None,
    )
