"""Whether a request was signed with the integration's secret: over its raw bytes, in constant time, by either of two secrets."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from tocsin_detection.intake.intake import HttpAnswer
from tocsin_detection.intake.plain import refused
from tocsin_detection.integration import Integration

REPLAY_WINDOW = timedelta(minutes=5)
STANDARD_PREFIX = "whsec_"
SHORTEST_SECRET = 8

Headers = Mapping[str, str]


class BadSignature(Exception):
    """The signature is not one of this request by these secrets; the text says why and what to do."""


# Each reads what a request is signed with: False if it carries no signature of this scheme. Raises BadSignature.
Scheme = Callable[[Sequence[str], Headers, bytes, datetime], bool]


def verify(kind: str, integration: Integration, headers: Headers, body: bytes, now: datetime) -> HttpAnswer | None:
    """The refusal of a request that is not signed as it should be; None lets it in.

    A wrong signature is refused even where none is required. Without a secret nothing can be verified.
    """
    schemes = SCHEMES.get(kind, ())
    required = integration.options.requires_signature
    if not schemes or not (integration.secrets or required):
        return None
    if not integration.secrets:
        return refused(401, "signature: this integration requires signatures and has no secret: give it one by SetIntegrationSecret")
    try:
        signed = [scheme for scheme in schemes if scheme(integration.secrets, headers, body, now)]
    except BadSignature as error:
        return refused(401, f"signature: {error}")
    if required and not signed:
        return refused(
            401, "signature: it is missing, and this integration requires one: let the sender sign with the integration's secret"
        )
    return None


def problem_of_secret(kind: str, secret: str) -> str:
    """Why a secret cannot be used for a kind; empty if it can."""
    if kind not in SCHEMES:
        return f"senders of kind {kind!r} do not sign with a secret; those of {', '.join(SIGNING_KINDS)} do"
    if len(secret) < SHORTEST_SECRET or not secret.isprintable():
        return f"it needs at least {SHORTEST_SECRET} printable characters"
    if secret.startswith(STANDARD_PREFIX) and not _standard_key(secret):
        return f"what follows {STANDARD_PREFIX} is not base64"
    return ""


def _sentry(secrets: Sequence[str], headers: Headers, body: bytes, now: datetime) -> bool:
    """Hex over the body. The timestamp beside it is not signed, so that it proves nothing."""
    return _hex(secrets, headers.get("sentry-hook-signature"), body)


def _grafana(secrets: Sequence[str], headers: Headers, body: bytes, now: datetime) -> bool:
    """Hex over the body, or over time, colon and body where the time is sent."""
    at = headers.get("x-grafana-alerting-timestamp", "")
    signature = headers.get("x-grafana-alerting-signature")
    if signature and at:
        _check_time(at, now)
    return _hex(secrets, signature, at.encode() + b":" + body if at else body)


def _standard(secrets: Sequence[str], headers: Headers, body: bytes, now: datetime) -> bool:
    """Standard Webhooks: base64 over id, time and body, joined by dots; several signatures while its sender changes secrets."""
    given = headers.get("webhook-signature")
    if given is None:
        return False
    at = headers.get("webhook-timestamp", "")
    _check_time(at, now)
    signed = f"{headers.get('webhook-id', '')}.{at}.".encode() + body
    versions = [item.partition(",") for item in given.split()]
    signatures = [signature for version, _, signature in versions if version == "v1"]
    expected = [base64.b64encode(hmac.digest(_standard_key(secret), signed, "sha256")).decode() for secret in secrets]
    _check(signatures, expected)
    return True


def _github(secrets: Sequence[str], headers: Headers, body: bytes, now: datetime) -> bool:
    """`sha256=` and hex over the body."""
    given = headers.get("x-hub-signature-256")
    return _hex(secrets, given and given.strip().removeprefix("sha256="), body)


SCHEMES: Mapping[str, Sequence[Scheme]] = {
    "sentry": (_sentry,),
    "grafana": (_grafana,),
    "webhook": (_standard, _github),
}
SIGNING_KINDS = tuple(SCHEMES)


def _hex(secrets: Sequence[str], given: str | None, signed: bytes) -> bool:
    if given is None:
        return False
    _check([given.strip().lower()], [hmac.digest(secret.encode(), signed, "sha256").hex() for secret in secrets])
    return True


def _check(given: Sequence[str], expected: Sequence[str]) -> None:
    # Every pair is compared, so that time does not tell which secret nearly fits.
    matches = [hmac.compare_digest(one.encode(), other.encode()) for one in given for other in expected]
    if not any(matches):
        raise BadSignature("the signature is not one of this body by the integration's secret: compare the secret at the sender")


def _check_time(given: str, now: datetime) -> None:
    """Raises BadSignature for a time that is not close to now: whoever recorded the request may be sending it again."""
    if not (given.isascii() and given.isdigit() and len(given) <= 12):
        raise BadSignature("its timestamp is not a number of seconds since 1970")
    away = abs(now.timestamp() - int(given))
    if away > REPLAY_WINDOW.total_seconds():
        minutes = int(REPLAY_WINDOW.total_seconds() // 60)
        raise BadSignature(
            f"the signature's timestamp is {away:.0f} s away from now, more than {minutes} minutes: check the sender's clock"
        )


def _standard_key(secret: str) -> bytes:
    """The key of a Standard Webhooks secret; one without its prefix is the key itself. Empty if it cannot be read."""
    if not secret.startswith(STANDARD_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(STANDARD_PREFIX), validate=True)
    except binascii.Error:
        return b""
