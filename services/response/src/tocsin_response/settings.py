"""The settings of response."""

from dataclasses import dataclass
from pathlib import Path

from tocsin_chassis.settings import ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class ResponseSettings(ServiceSettings):
    """What response needs beside what every service needs."""

    detection_address: str = setting(
        "TOCSIN_DETECTION_ADDRESS", "host:port of detection, to raise an alert about a coverage gap; empty: gap reports wait", default=""
    )
    triage_address: str = setting(
        "TOCSIN_TRIAGE_ADDRESS", "host:port of triage, to open an incident again that came back; empty: that waits", default=""
    )
    calendar_hosts: str = setting(
        "TOCSIN_CALENDAR_HOSTS",
        "hosts of calendars whose addresses may be private, separated by commas; calendars of the public internet are read anyway",
        default="",
    )
    outgoing_ca_file: Path | None = setting(
        "TOCSIN_OUTGOING_CA_FILE",
        "PEM of certificate authorities that are trusted beside the public ones when response asks others",
        default=None,
    )
    evidence_folder: str = setting(
        "TOCSIN_EVIDENCE_FOLDER",
        "where the bytes of evidence lie, and those that are arriving; kept even if a bucket has the rest",
        default="~/.local/share/tocsin/evidence",
    )
    evidence_most_bytes: int = setting("TOCSIN_EVIDENCE_MOST_BYTES", "the largest item of evidence that is taken", default=10 * 1024**3)
