"""Where each kind of sender knocks, where it shows its key, and in which words it is told that it was not let in. Pure."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

ALERTMANAGER, PAGERDUTY, OPSGENIE, HEARTBEAT = "alertmanager", "pagerduty", "opsgenie", "heartbeat"
# Kinds whose address is one URL: /<kind>/<key>, or /<kind> with the key in a header.
ONE_ADDRESS = ("alertmanager-webhook", "cloudevents", "datadog", "grafana", "sentry", "sns", "webhook")

_ALERTMANAGER = re.compile(
    r"(?P<before>.*?)(?P<below>/(?:api/v[12]/(?:alerts|receivers|silences?|status)(?:/.*)?|-/(?:healthy|ready)|metrics))/?"
)
_PAGERDUTY = re.compile(r"/(?:v2/(?:change/)?enqueue|generic/2010-04-15/create_event\.json)/?")
_OPSGENIE = re.compile(r"(?:/opsgenie)?(?:/jsm/ops/integration)?(?P<below>/v2/(?:alerts|heartbeats)(?:/.*)?)")
# What belongs to senders' APIs, whether it is served or not: nobody who calls an API expects a page for people.
_API = re.compile(r"(?:/[^/]+)*?/(?:api/v[12]|v[12]|generic/2010-04-15)(?:/.*)?")
_NAMED = re.compile(rf"/(?P<kind>{'|'.join(ONE_ADDRESS)}|{HEARTBEAT})(?P<below>/.*)?")

# The fields of a body in which PagerDuty's clients send their key: Events API v2, then v1.
_KEYS_IN_BODY = ("routing_key", "service_key")
_SCHEMES = ("bearer", "geniekey", "token")


@dataclass(frozen=True, slots=True)
class Door:
    """The door that a path leads to. `below` is the path below the integration's address, `key` what headers or path show of one."""

    kind: str
    below: str
    key: str = ""

    @property
    def key_in_body(self) -> bool:
        return self.kind == PAGERDUTY


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the edge's own, in the words of the sender. `headers` come beside the Content-Type."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def door_of(path: str, shown: str) -> Door | None:
    """The door behind a path that is still percent-encoded; None if no sender knocks there. `shown` is the key in its headers, if any."""
    if found := _ALERTMANAGER.fullmatch(path):
        return _alertmanager(found["before"], found["below"], shown)
    if _PAGERDUTY.fullmatch(path):
        return Door(PAGERDUTY, path.rstrip("/"), shown)
    if found := _OPSGENIE.fullmatch(path):
        return Door(OPSGENIE, found["below"], shown)
    if found := _NAMED.fullmatch(path):
        return _named(found["kind"], found["below"] or "/", shown)
    return None


def is_of_an_api(path: str) -> bool:
    """Whether a path that is no door lies where senders' APIs are: there is nothing behind it for people."""
    return _API.fullmatch(path) is not None


def nothing_there(path: str) -> Refusal:
    """The answer to a call that no API of a sender has, as JSON."""
    why = f"path {path[:200]} was not found: Alertmanager's API is at /api/v2, PagerDuty's at /v2/enqueue, Opsgenie's at /v2/alerts"
    return _as_alertmanager(404, why, "", 0.0)


def shown_key(headers: Mapping[bytes, bytes]) -> str:
    """The key in a request's headers: Tocsin's own, Bearer, Opsgenie's GenieKey, or Basic, as password or name; empty if there is none."""
    if own := headers.get(b"x-tocsin-key", b"").decode("latin-1").strip():
        return own
    scheme, _, credentials = headers.get(b"authorization", b"").decode("latin-1").strip().partition(" ")
    if scheme.lower() in _SCHEMES:
        return credentials.strip()
    return _basic(credentials) if scheme.lower() == "basic" else ""


def key_in(body: bytes) -> str:
    """The key that PagerDuty's clients put into the body; empty if there is none, or if the body is not what they send."""
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(event, dict):
        return ""
    return next((key for name in _KEYS_IN_BODY if isinstance(key := event.get(name), str) and key), "")


def refusal(kind: str, status: int, why: str, request: str = "", seconds: float = 0.0) -> Refusal:
    """Tell a sender why not, so that its own client understands it. `request` is the request's id, `seconds` how long it took."""
    return _WORDS.get(kind, _plainly)(status, why, request, seconds)


def _alertmanager(before: str, below: str, shown: str) -> Door | None:
    """Whether the platform lives may be asked without a key: that is no integration's business. So are the edge's own metrics."""
    key = shown or unquote(before.rpartition("/")[2])
    if below == "/metrics":
        return Door(ALERTMANAGER, below, key) if before else None
    return None if below.startswith("/-/") and not key else Door(ALERTMANAGER, below, key)


def _named(kind: str, below: str, shown: str) -> Door:
    """A key that is shown in a header need not be in the path, but may."""
    key, _, rest = below.removeprefix("/").partition("/")
    return Door(kind, below, shown) if shown and unquote(key) != shown else Door(kind, f"/{rest}", unquote(key))


def _basic(credentials: str) -> str:
    try:
        name, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return password or name


def _plainly(status: int, why: str, request: str, seconds: float) -> Refusal:
    return Refusal(status, _json({"error": why}), {"WWW-Authenticate": 'Bearer realm="tocsin"'} if status == 401 else {})


def _as_alertmanager(status: int, why: str, request: str, seconds: float) -> Refusal:
    return Refusal(status, _json({"code": status, "message": why}), {"WWW-Authenticate": 'Basic realm="tocsin"'} if status == 401 else {})


def _as_pagerduty(status: int, why: str, request: str, seconds: float) -> Refusal:
    """PagerDuty knows no 401: a key that opens nothing is an event that is not valid, and its clients then do not repeat it."""
    said = {429: "throttle exceeded", 503: "unavailable"}.get(status, "invalid event")
    message = "Event object is invalid" if said == "invalid event" else why
    return Refusal(400 if status == 401 else status, _json({"status": said, "message": message, "errors": [why]}), {})


def _as_opsgenie(status: int, why: str, request: str, seconds: float) -> Refusal:
    body = {"message": why, "took": round(seconds, 3), "requestId": request}
    headers = {
        "X-Request-Id": request,
        "X-Response-Time": f"{seconds:.3f}",
        "X-RateLimit-State": "THROTTLED" if status == 429 else "OK",
        "X-RateLimit-Reason": "ACCOUNT",
        "X-RateLimit-Period-In-Sec": "60",
    }
    return Refusal(status, _json(body), headers)


def _json(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"


_WORDS: Mapping[str, Callable[[int, str, str, float], Refusal]] = {
    ALERTMANAGER: _as_alertmanager,
    PAGERDUTY: _as_pagerduty,
    OPSGENIE: _as_opsgenie,
}
