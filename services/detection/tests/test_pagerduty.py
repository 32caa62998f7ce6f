"""PagerDuty's Events API: what its clients send and expect, byte for byte, and what they may get wrong."""

import json
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from detection_service import Door, door
from detection_words import NOON, CountedIds, request
from hypothesis import given
from hypothesis import strategies as st
from pagerduty import EventsApiV2Client, HttpError
from tocsin.detection.v1.alert_pb2 import Alert

from tocsin_detection.changes.change import Change, Link
from tocsin_detection.intake import pagerduty
from tocsin_detection.intake.details import flattened, named
from tocsin_detection.intake.intake import HttpAnswer, Outcome, Report
from tocsin_detection.integration import new_key
from tocsin_detection.signal import LABEL_NAME, Signal
from tocsin_testkit.world import World

SAMPLES = Path(__file__).parent / "samples" / "pagerduty"
KEY = "0123456789abcdef0123456789abcdef"
ENQUEUE = "/v2/enqueue"
V1 = "/generic/2010-04-15/create_event.json"


def event(action: str = "trigger", **more: object) -> dict[str, Any]:
    payload = {"summary": "disk full", "source": "db-1", "severity": "critical"}
    return {"routing_key": KEY, "event_action": action, "payload": payload, **more}


def payload(**more: object) -> dict[str, Any]:
    return event(payload={"summary": "disk full", "source": "db-1", "severity": "critical", **more})


def read(content: object, path: str = ENQUEUE, **more: Any) -> Report:
    return pagerduty.read(request("pagerduty", content, path=path, **more))


def signal(content: object, path: str = ENQUEUE, **more: Any) -> Signal:
    [one] = read(content, path, **more).signals
    return one


def answer(content: object, path: str = ENQUEUE) -> HttpAnswer:
    report = read(content, path)
    return report.refusal or pagerduty.answer(report, Outcome((None,)))


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def test_everything_that_an_event_says_is_kept() -> None:
    said = signal(sample("v2_trigger_complete.json"))
    assert (said.fingerprint, said.title, said.severity) == ("db-1/disk", "disk full on db-1", "critical")
    assert said.labels == {"source": "db-1.example", "component": "disk", "group": "databases", "class": "capacity"}
    assert said.starts_at == NOON - timedelta(minutes=2) + timedelta(milliseconds=315)
    assert said.source_url == "https://wiki.example/disk"
    assert said.annotations == {
        "free": "3 %",
        "load_avg": "0.75",
        "mounts_1_path": "/var",
        "mounts_2_path": "/srv",
        "owners": "ada, bob",
        "read_only": "false",
        "client": "Icinga",
        "client_url": "https://icinga.example/db-1",
        "links_1_href": "https://wiki.example/disk",
        "links_1_text": "Runbook",
        "links_2_href": "https://wiki.example/db-1",
        "links_2_text": "Machine",
        "images_1_src": "https://graphs.example/disk.png",
        "images_1_href": "https://graphs.example",
        "images_1_alt": "disk",
    }


def test_alertmanagers_own_receiver_is_understood() -> None:
    """Recorded from Alertmanager 0.25, whose template of the severity gave a word that PagerDuty does not know."""
    firing, ended = signal(sample("alertmanager_0.25_trigger.json")), signal(sample("alertmanager_0.25_resolve.json"))
    assert (firing.severity, firing.source_url) == ("page", "https://runbooks.example/HighLoad")
    assert firing.annotations["num_firing"] == "3" and "db-2:9100" in firing.annotations["firing"]
    assert firing.fingerprint == ended.fingerprint and ended.resolved and not ended.annotations


@pytest.mark.parametrize(("given", "kept"), [("", "error"), (None, "error"), ("  ", "error"), ("Page", "page"), (1, "1"), ([], "error")])
def test_a_severity_of_a_template_loses_no_alert(given: object, kept: str) -> None:
    assert signal(payload(severity=given)).severity == kept


def test_an_answer_is_the_one_that_clients_expect() -> None:
    said = answer(event(dedup_key="db-1/disk"))
    assert (said.status, said.content_type) == (202, "application/json")
    assert json.loads(said.body) == {"status": "success", "message": "Event processed", "dedup_key": "db-1/disk"}


def test_the_first_version_is_answered_in_its_own_words() -> None:
    said = signal(sample("v1_trigger.json"), V1)
    assert (said.fingerprint, said.title, said.source_url) == ("db-1/disk", "disk full on db-1", "https://wiki.example/disk")
    assert said.annotations["mount_inodes_free"] == "120" and said.annotations["contexts_2_src"] == "https://graphs.example/disk.png"
    told = answer(sample("v1_trigger.json"), V1)
    assert told.status == 200
    assert json.loads(told.body) == {"status": "success", "message": "Event processed", "incident_key": "db-1/disk"}
    for action in ("acknowledge", "resolve"):
        assert signal({"service_key": KEY, "event_type": action, "incident_key": "x"}, V1).fingerprint == "x"


def test_a_trigger_without_a_key_is_always_a_new_alert() -> None:
    first, second = signal(event()), signal(event(), at=NOON + timedelta(microseconds=1))
    assert first.fingerprint != second.fingerprint
    assert json.loads(answer(event()).body)["dedup_key"] == first.fingerprint


def test_who_takes_it_and_what_ends_it() -> None:
    taken = signal({"routing_key": KEY, "event_action": "acknowledge", "dedup_key": "x", "client": "Icinga"})
    assert (taken.acknowledged, taken.resolved, taken.by) == (True, False, "Icinga")
    ended = signal({"routing_key": KEY, "event_action": "resolve", "dedup_key": "x"})
    assert (ended.acknowledged, ended.resolved, ended.ends_at) == (False, True, NOON)


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({**event(), "routing_key": KEY[1:]}, "'routing_key'"),
        ({**event(), "routing_key": None}, "'routing_key'"),
        ({**event(), "event_action": "close"}, "'event_action'"),
        ({**event(), "event_action": None}, "'event_action'"),
        (event("resolve"), "'dedup_key'"),
        (event("acknowledge", dedup_key=" "), "'dedup_key'"),
        (event(dedup_key="k" * 256), "'dedup_key'"),
        (event(payload=None), "'payload.summary'"),
        (event(payload="x"), "'payload.summary'"),
        (payload(summary=" "), "'payload.summary'"),
        (payload(summary="x" * 1_025), "'payload.summary'"),
        (payload(source=None), "'payload.source'"),
        (payload(timestamp="yesterday"), "'payload.timestamp'"),
    ],
)
def test_a_refusal_names_the_field(content: object, field: str) -> None:
    told = answer(content)
    said = json.loads(told.body)
    assert (told.status, said["status"], said["message"]) == (400, "invalid event", "Event object is invalid")
    assert any(field in error for error in said["errors"])


def test_everything_wrong_is_said_at_once() -> None:
    errors = json.loads(answer({"event_action": "trigger"}).body)["errors"]
    assert len(errors) == 3 and [error for error in errors if "payload.source" in error]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"event_type": "trigger", "description": "x"}, "'service_key'"),
        ({"service_key": KEY, "event_type": "trigger"}, "'description'"),
        ({"service_key": KEY, "event_type": "resolve"}, "'incident_key'"),
        ({"service_key": KEY, "description": "x"}, "'event_type'"),
    ],
)
def test_a_refusal_of_the_first_version_names_its_own_field(content: object, field: str) -> None:
    told = answer(content, V1)
    assert told.status == 400 and any(field in error for error in json.loads(told.body)["errors"])


def test_the_limits_are_taken_to_the_last_byte() -> None:
    assert answer(event(dedup_key="k" * 255)).status == 202
    assert signal(payload(summary="x" * 1_024)).title == "x" * 1_024
    body = json.dumps(event()).encode()
    assert answer(body.ljust(512 * 1024)).status == 202
    assert answer(body.ljust(512 * 1024 + 1)).status == 413
    assert answer(event(), "/v2/other").status == 404


@pytest.mark.parametrize(
    "given",
    ["2026-11-23T11:58:00+0000", "2026-11-23T11:58:00", "2026-11-23T12:58:00+01:00", "2026-11-23T11:58:00+00:00Z", "2026-11-23T11:58:00Z"],
)
def test_the_times_of_well_known_clients_are_read(given: str) -> None:
    assert signal(payload(timestamp=given)).starts_at == NOON - timedelta(minutes=2)


def test_large_details_are_cut_and_the_alert_is_kept() -> None:
    details = {f"field {number}": "x" * 2_000 for number in range(200)}
    said = signal(payload(custom_details=details, component="c" * 100_000))
    assert said.annotations and len(said.labels["component"]) == 512


def test_no_detail_replaces_another() -> None:
    assert flattened({"a-b": 1, "a.b": 2, "a_b_2": 3, "7": 4, "": 5}) == {"a_b": "1", "a_b_2": "2", "a_b_2_2": "3", "_7": "4", "_": "5"}
    assert named([("links", "mine"), ("links", "theirs")]) == {"links": "mine", "links_2": "theirs"}


def test_deep_details_are_shown_as_they_came() -> None:
    deep: object = "x"
    for _ in range(12):
        deep = {"d": deep}
    [(name, text)] = flattened(deep).items()
    assert name == "d_d_d_d_d_d_d_d" and json.loads(text) == {"d": {"d": {"d": {"d": "x"}}}}


def test_a_change_says_all_that_its_sender_said() -> None:
    told = pagerduty.read_change(request("pagerduty", sample("change_complete.json"), path=pagerduty.CHANGES, service="shop"))
    assert isinstance(told, Change)
    assert (told.summary, told.source, told.service) == ("checkout 4.2.0 deployed", "pipeline-9", "shop")
    assert told.happened_at == NOON - timedelta(minutes=2) + timedelta(milliseconds=315)
    assert told.details == {"build_number": "812", "build_state": "passed"}
    assert told.links == (Link("https://ci.example/812", "Build 812"),)


def test_our_own_keys_are_taken_by_pagerdutys_clients() -> None:
    key = new_key(CountedIds(), "pagerduty")
    assert len(key) == 32 and key.isalnum() and key != new_key(CountedIds(), "webhook")
    assert not read({**event(), "routing_key": key}).rejections


class _Handler(BaseHTTPRequestHandler):
    """One request over real HTTP."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        asked = request("pagerduty", body, path=self.path)
        if self.path == pagerduty.CHANGES:
            told = pagerduty.read_change(asked)
            given = told if isinstance(told, HttpAnswer) else pagerduty.answer_change()
        else:
            report = pagerduty.read(asked)
            given = report.refusal or pagerduty.answer(report, Outcome((None,)))
        self.send_response(given.status)
        self.send_header("Content-Type", given.content_type)
        self.send_header("Content-Length", str(len(given.body)))
        self.end_headers()
        self.wfile.write(given.body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def certificate(folder: Path) -> Path:
    """A certificate of this machine with its key, in one file: the client speaks to https only."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "localhost.pem"
    own_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(own_key + made.public_bytes(Encoding.PEM))
    return file


@contextmanager
def client(folder: Path) -> Iterator[EventsApiV2Client]:
    file = certificate(folder)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.socket = serving.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            address = f"https://localhost:{server.server_address[1]}"
            yield EventsApiV2Client(KEY, base_url=address, verify=ssl.create_default_context(cafile=file))
        finally:
            server.shutdown()


def test_pagerdutys_own_client_works_unchanged(tmp_path: Path) -> None:
    with client(tmp_path) as events:
        made = events.trigger(
            "disk full", "db-1", severity="warning", custom_details={"free": "3 %"}, links=[{"href": "https://x.example"}]
        )
        assert len(made) == 32
        assert events.trigger("disk full", "db-1", dedup_key="mine") == events.acknowledge("mine") == events.resolve("mine") == "mine"
        events.submit("deployed", source="ci", custom_details={"build": 8}, timestamp="2026-11-23T11:58:00Z")
        with pytest.raises(HttpError) as refused:
            events.trigger("x" * 1_025, "db-1")
        assert refused.value.response.status_code == 400


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4), max_leaves=10
)
PAYLOAD_FIELDS = ("summary", "source", "severity", "timestamp", "component", "group", "class", "custom_details")
FIELDS = ("routing_key", "event_action", "dedup_key", "client", "client_url", "links", "images")
V1_FIELDS = ("service_key", "event_type", "incident_key", "description", "details", "contexts", "client", "client_url")
spoiled_payload = st.fixed_dictionaries({}, optional=dict.fromkeys(PAYLOAD_FIELDS, anything))
spoiled = st.fixed_dictionaries({}, optional={**dict.fromkeys(FIELDS, anything), "payload": anything | spoiled_payload})
spoiled_v1 = st.fixed_dictionaries({}, optional=dict.fromkeys(V1_FIELDS, anything))


def can_be_kept(said: Signal) -> None:
    texts = (said.title, said.description, said.severity, said.service, said.source_url, said.fingerprint, said.by)
    for text in (*texts, *said.labels.values(), *said.annotations.values()):
        assert "\0" not in text
        text.encode()
    assert said.title and said.fingerprint and said.starts_at.tzinfo is not None
    assert all(LABEL_NAME.fullmatch(name) for name in (*said.labels, *said.annotations))
    assert said.source_url == "" or said.source_url.lower().startswith(("http://", "https://"))


@given(spoilt=spoiled, spoilt_payload=spoiled_payload, action=st.sampled_from(["trigger", "acknowledge", "resolve"]))
def test_no_event_breaks_it(spoilt: dict[str, Any], spoilt_payload: dict[str, Any], action: str) -> None:
    sound = event(action, dedup_key="k")
    for content in (spoilt, {**sound, **spoilt}, {**sound, "payload": {**sound["payload"], **spoilt_payload}}):
        report = read(content)
        for said in report.signals:
            can_be_kept(said)
        assert report.refusal is None and (report.signals or report.rejections)
        assert pagerduty.answer(report, Outcome((None,))).status in (202, 400)


@given(spoilt=spoiled_v1)
def test_no_event_of_the_first_version_breaks_it(spoilt: dict[str, Any]) -> None:
    sound = {"service_key": KEY, "event_type": "trigger", "description": "x", "incident_key": "k"}
    for content in (spoilt, {**sound, **spoilt}):
        report = read(content, V1)
        for said in report.signals:
            can_be_kept(said)
        assert pagerduty.answer(report, Outcome((None,))).status in (200, 400)


@given(spoilt=spoiled, spoilt_payload=spoiled_payload)
def test_no_change_breaks_it(spoilt: dict[str, Any], spoilt_payload: dict[str, Any]) -> None:
    sound = {"routing_key": KEY, "payload": {"summary": "x"}}
    for content in (spoilt, {**sound, **spoilt}, {**sound, "payload": {"summary": "x", **spoilt_payload}}):
        told = pagerduty.read_change(request("pagerduty", content, path=pagerduty.CHANGES))
        if isinstance(told, HttpAnswer):
            assert told.status == 400
            continue
        assert told.summary and told.happened_at.tzinfo is not None
        for text in (told.summary, told.source, told.service, *told.details, *told.details.values()):
            assert "\0" not in text
            text.encode()


@given(body=st.binary(max_size=200))
def test_no_bytes_break_it(body: bytes) -> None:
    assert answer(body).status == 400


@pytest.fixture(name="events")
async def _events(world: World) -> AsyncIterator[Door]:
    async with door(world, "pagerduty") as opened:
        yield opened


async def test_an_alert_is_triggered_taken_and_resolved(events: Door) -> None:
    key = {"routing_key": events.key, "dedup_key": "db-1/disk"}
    for action in ("trigger", "acknowledge", "trigger"):
        assert (await events.send({**event(action), **key}, ENQUEUE)).status == 202
    [alert] = await events.alerts()
    assert alert.state == Alert.STATE_OPEN and alert.HasField("acknowledged_at") and alert.occurrences >= 2
    assert (await events.send({"event_action": "resolve", **key}, ENQUEUE)).status == 202
    await events.send({**event(), **key}, ENQUEUE)
    newest, ended = await events.alerts()
    assert (newest.state, ended.state, ended.id) == (Alert.STATE_OPEN, Alert.STATE_RESOLVED, alert.id)


@pytest.mark.parametrize("action", ["acknowledge", "resolve"])
async def test_what_is_about_nothing_is_taken_and_makes_nothing(events: Door, action: str) -> None:
    said = await events.send({"routing_key": events.key, "event_action": action, "dedup_key": "unknown"}, ENQUEUE)
    assert (said.status, json.loads(said.body)["dedup_key"]) == (202, "unknown")
    assert await events.alerts() == []
