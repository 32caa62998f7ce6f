"""Which store keeps the bytes of evidence: the one that the settings name."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tocsin_chassis.settings import SettingsError
from tocsin_kernel.clock import Clock
from tocsin_response.evidence.blobs import Blobs
from tocsin_response.evidence.folder import FolderBlobs
from tocsin_response.settings import ResponseSettings

if TYPE_CHECKING:
    from tocsin_response.evidence.bucket import Place

MODES = ("governance", "compliance")


def store_of(settings: ResponseSettings, clock: Clock) -> Blobs:
    """The folder, or the bucket if there is one. Raises SettingsError."""
    if not settings.evidence_store:
        return FolderBlobs(Path(settings.evidence_folder).expanduser())
    return _bucket(settings, clock)


def _bucket(settings: ResponseSettings, clock: Clock) -> Blobs:
    # Its library takes a tenth of a service's start, and most have no bucket.
    from tocsin_response.evidence.bucket import BucketBlobs, Lock

    place = _place(settings)
    mode, days = settings.evidence_lock_mode.lower(), settings.evidence_lock_days
    if mode not in MODES:
        raise SettingsError(f"TOCSIN_EVIDENCE_LOCK_MODE: {settings.evidence_lock_mode!r} is neither governance nor compliance")
    if days < 1:
        raise SettingsError(f"TOCSIN_EVIDENCE_LOCK_DAYS: {days} is no number of days; give 1 or more")
    try:
        return BucketBlobs(place, Lock(mode.upper(), timedelta(days=days)), clock)
    except (ValueError, OSError) as error:
        raise SettingsError(f"TOCSIN_EVIDENCE_STORE: {error}") from error


def _place(settings: ResponseSettings) -> "Place":
    from tocsin_response.evidence.bucket import Place

    where = urlsplit(settings.evidence_store)
    if where.scheme != "s3" or not where.netloc or where.query or where.fragment:
        raise SettingsError(f"TOCSIN_EVIDENCE_STORE: {settings.evidence_store!r} is not of the form s3://bucket/prefix")
    endpoint = settings.evidence_s3_endpoint or f"https://s3.{settings.evidence_s3_region}.amazonaws.com"
    if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc:
        raise SettingsError(f"TOCSIN_EVIDENCE_S3_ENDPOINT: {endpoint!r} is not of the form https://host:port")
    access, secret = settings.evidence_s3_access_key_file, settings.evidence_s3_secret_key_file
    if (access is None) != (secret is None):
        raise SettingsError("TOCSIN_EVIDENCE_S3_ACCESS_KEY_FILE and TOCSIN_EVIDENCE_S3_SECRET_KEY_FILE: set both, or none")
    return Place(endpoint, settings.evidence_s3_region, where.netloc, where.path, access, secret, settings.outgoing_ca_file)
