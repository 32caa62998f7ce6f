"""How Alertmanager's API v2 words alerts, groups of them, receivers and the state of the server. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson

from tocsin_detection.hold import Hold, HoldKind

# Clients choose what to say by the version of Alertmanager that they talk to: this is the one whose API is served here.
ALERTMANAGER_VERSION = "0.28.1"
RECEIVER = "tocsin"
GROUPED_BY = "alertname"
CONFIG = f"route:\n  receiver: {RECEIVER}\n  group_by:\n  - {GROUPED_BY}\nreceivers:\n- name: {RECEIVER}\n"
SHOWN_OTHERWISE = (HoldKind.SILENCE, HoldKind.MAINTENANCE, HoldKind.INHIBITION)
NOTHING_HOLDS = {"inhibitedBy": [], "mutedBy": [], "silencedBy": [], "state": "active"}
ACTIVE = orjson.dumps(NOTHING_HOLDS)


def alert_status(holds: Sequence[Mapping[str, str]], standing: Sequence[Hold]) -> dict[str, object]:
    """What holds an open alert back: silences and windows that stand now, also over one that was told before; else what was decided.

    What is neither a silence nor another alert is said in mutedBy.
    """
    silenced_by = [hold.rule for hold in standing if hold.kind is HoldKind.SILENCE]
    inhibited_by = [hold["rule"] for hold in holds if hold["kind"] == HoldKind.INHIBITION]
    muted_by = [hold.rule for hold in standing if hold.kind is HoldKind.MAINTENANCE]
    muted_by += [hold["rule"] for hold in holds if hold["kind"] not in SHOWN_OTHERWISE]
    state = "suppressed" if silenced_by or inhibited_by or muted_by else "active"
    return {"inhibitedBy": inhibited_by, "mutedBy": muted_by, "silencedBy": silenced_by, "state": state}


def gettable_alert(body: str, status: Mapping[str, object]) -> bytes:
    """An open alert as JSON: the members that the database put together, and its status."""
    shown = ACTIVE if status == NOTHING_HOLDS else orjson.dumps(status)
    return b"{" + body.encode() + b',"status":' + shown + b"}"


def group(name: str, alerts: bytes | bytearray) -> bytes:
    """The alerts, JSON with commas between them, that share an alertname; empty: that have none."""
    rest = orjson.dumps({"labels": {GROUPED_BY: name} if name else {}, "receiver": {"name": RECEIVER}, "routeLabels": {}})
    return b'{"alerts":[' + alerts + b"]," + rest[1:]


def receivers() -> list[dict[str, object]]:
    """The one receiver: what becomes of an alert is for routes and escalation policies to say."""
    return [{"name": RECEIVER, "labels": {}}]


def server_status(since: datetime) -> dict[str, object]:
    """A server without peers that runs since an instant."""
    unknown = dict.fromkeys(("revision", "buildUser", "buildDate", "goVersion"), "")
    return {
        "cluster": {"peers": [], "status": "disabled"},
        "config": {"original": CONFIG},
        "uptime": instant(since),
        "versionInfo": {"version": ALERTMANAGER_VERSION, "branch": RECEIVER, **unknown},
    }


def metrics() -> bytes:
    """The one figure by which Karma knows whose API it talks to. Tocsin's own are at each service's /metrics."""
    labels = f'version="{ALERTMANAGER_VERSION}",branch="{RECEIVER}",revision="",goversion=""'
    about = "A metric with a constant '1' value labeled by the version of the API that is served."
    return f"# HELP alertmanager_build_info {about}\n# TYPE alertmanager_build_info gauge\nalertmanager_build_info{{{labels}}} 1\n".encode()


def instant(at: datetime) -> str:
    """An aware instant in UTC, in milliseconds."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
