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
    evidence_store: str = setting(
        "TOCSIN_EVIDENCE_STORE",
        "s3://bucket/prefix: the bytes of evidence lie in this bucket with Object Lock; empty: in the folder",
        default="",
    )
    evidence_s3_endpoint: str = setting(
        "TOCSIN_EVIDENCE_S3_ENDPOINT", "https://host:port of the bucket's store; empty: that of AWS", default=""
    )
    evidence_s3_region: str = setting("TOCSIN_EVIDENCE_S3_REGION", "the bucket's region", default="us-east-1")
    evidence_s3_access_key_file: Path | None = setting(
        "TOCSIN_EVIDENCE_S3_ACCESS_KEY_FILE", "file with the access key of the bucket; empty: the machine's own role at AWS", default=None
    )
    evidence_s3_secret_key_file: Path | None = setting(
        "TOCSIN_EVIDENCE_S3_SECRET_KEY_FILE", "file with the secret key of the bucket; read anew for each request", default=None
    )
    evidence_lock_mode: str = setting(
        "TOCSIN_EVIDENCE_LOCK_MODE",
        "governance or compliance: whether anybody at all may shorten the lock of what lies in the bucket",
        default="governance",
    )
    evidence_lock_days: int = setting("TOCSIN_EVIDENCE_LOCK_DAYS", "for how long what lies in the bucket is locked", default=365)
