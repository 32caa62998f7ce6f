"""Signatures over the bytes that came, by either of two secrets."""

import base64
import hashlib
import hmac
import json

import pytest
from detection_words import NOON

from tocsin_detection.intake.signature import problem_of_secret, verify
from tocsin_detection.integration import Integration, Options, with_secret

BODY = b'{"title": "disk full" }'
OLD, NEW = "the-old-secret", "the-new-secret"
STANDARD = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def door(kind: str, *secrets: str, required: bool = False) -> Integration:
    return Integration("door", kind, "", "", NOON, options=Options(requires_signature=required), secrets=secrets)


def hexed(secret: str, body: bytes = BODY) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(secret: str, body: bytes = BODY, at: int | None = None, id: str = "msg_1") -> dict[str, str]:
    timestamp = int(NOON.timestamp()) if at is None else at
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    digest = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}


def why(integration: Integration, headers: dict[str, str], body: bytes = BODY) -> str:
    """Why it is refused, empty if it is let in."""
    refusal = verify(integration.kind, integration, headers, body, NOON)
    if refusal is None:
        return ""
    assert refusal.status == 401
    return str(json.loads(refusal.body)["error"])


SIGNED = {
    "sentry": lambda secret, body: {"sentry-hook-signature": hexed(secret, body)},
    "grafana": lambda secret, body: {"x-grafana-alerting-signature": hexed(secret, body)},
    "webhook": lambda secret, body: {"x-hub-signature-256": f"sha256={hexed(secret, body)}"},
}
kinds = pytest.mark.parametrize("kind", sorted(SIGNED))


@kinds
def test_what_is_signed_with_either_secret_is_let_in(kind: str) -> None:
    for secret in (OLD, NEW):
        assert why(door(kind, NEW, OLD, required=True), SIGNED[kind](secret, BODY)) == ""


@kinds
def test_a_wrong_signature_is_refused_even_where_none_is_required(kind: str) -> None:
    for headers in (SIGNED[kind]("another", BODY), SIGNED[kind](NEW, BODY + b" "), SIGNED[kind](NEW, b"")):
        assert "compare the secret" in why(door(kind, NEW), headers)


@kinds
def test_none_is_refused_only_where_one_is_required(kind: str) -> None:
    assert why(door(kind, NEW), {}) == ""
    assert "missing" in why(door(kind, NEW, required=True), {})
    assert "SetIntegrationSecret" in why(door(kind, required=True), SIGNED[kind](NEW, BODY))


@kinds
@pytest.mark.parametrize("given", ["é", "x" * 10_000, "sha256=", ",", "v1"])
def test_nonsense_is_refused(kind: str, given: str) -> None:
    [name] = SIGNED[kind](NEW, BODY)
    assert why(door(kind, NEW), {name: given})


@pytest.mark.parametrize("secret", [STANDARD, NEW])
def test_standard_webhooks_are_verified(secret: str) -> None:
    headers = standard(secret)
    assert why(door("webhook", secret, required=True), headers) == ""
    assert why(door("webhook", secret), headers, BODY + b" ")
    assert why(door("webhook", secret), {**headers, "webhook-id": "msg_2"})


def test_a_sender_that_changes_its_secret_sends_two_signatures() -> None:
    both = standard(STANDARD)["webhook-signature"] + " " + standard(NEW)["webhook-signature"] + " v1a,zzz"
    assert why(door("webhook", NEW), {**standard(NEW), "webhook-signature": both}) == ""


@pytest.mark.parametrize("away", [-301, 301])
def test_a_signature_that_is_too_old_or_of_the_future_is_refused(away: int) -> None:
    now = int(NOON.timestamp())
    assert "5 minutes" in why(door("webhook", STANDARD), standard(STANDARD, at=now + away))
    assert why(door("webhook", STANDARD), standard(STANDARD, at=now + away // 2)) == ""


@pytest.mark.parametrize("at", ["", "yesterday", "-1", "1" * 500, "٣"])
def test_a_timestamp_that_is_none_is_refused(at: str) -> None:
    assert "timestamp" in why(door("webhook", STANDARD), {**standard(STANDARD), "webhook-timestamp": at})


def test_grafana_may_sign_the_time_too() -> None:
    at = str(int(NOON.timestamp()))
    headers = {"x-grafana-alerting-timestamp": at, "x-grafana-alerting-signature": hexed(NEW, at.encode() + b":" + BODY)}
    assert why(door("grafana", NEW), headers) == ""
    assert why(door("grafana", NEW), {**headers, "x-grafana-alerting-timestamp": str(int(at) - 1)})
    old = str(int(at) - 400)
    stale = {"x-grafana-alerting-timestamp": old, "x-grafana-alerting-signature": hexed(NEW, old.encode() + b":" + BODY)}
    assert "5 minutes" in why(door("grafana", NEW), stale)


def test_kinds_that_do_not_sign_are_left_alone() -> None:
    assert why(door("alertmanager", NEW), {"x-hub-signature-256": "sha256=00"}) == ""


def test_a_third_secret_ends_the_first_and_an_empty_one_all() -> None:
    integration = door("webhook")
    for secret in ("first-secret", OLD, NEW, NEW):
        integration = with_secret(integration, secret)
    assert integration.secrets == (NEW, OLD)
    assert with_secret(integration, OLD).secrets == (OLD, NEW)
    assert with_secret(integration, "").secrets == ()
    assert NEW not in repr(integration)


def test_a_secret_that_could_not_work_is_refused() -> None:
    assert problem_of_secret("webhook", STANDARD) == problem_of_secret("sentry", "8" * 64) == ""
    assert "base64" in problem_of_secret("webhook", "whsec_%%%%%%%%")
    assert "8" in problem_of_secret("webhook", "short")
    assert "pagerduty" in problem_of_secret("pagerduty", NEW)
