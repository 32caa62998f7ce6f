"""What arrives by plain HTTP: reports, reply links, spans, the console."""

import asyncio
import base64
import gzip
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from edge_harness import ADMIN_KEY, SPAN_KEY, Edge, bearer, running_edge
from grpc import aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from tocsin.detection.v1.detection_service_pb2 import SubmitReportResponse
from tocsin.edge.v1 import edge_service_pb2 as pb

from tocsin_edge import spans as spans_module
from tocsin_edge.http.console import Console
from tocsin_edge.http.intake import Intake
from tocsin_edge.http.room import Room
from tocsin_testkit.world import World

INCIDENT = "01890000-0000-7000-8000-000000000001"
BASIC = "Basic " + base64.b64encode(b"tocsin:right").decode()


@pytest.mark.parametrize(
    ("path", "authorization", "kind", "inner"),
    [
        ("/api/v2/alerts", "Bearer right", "alertmanager", "/api/v2/alerts"),
        ("/some/prefix/api/v2/alerts", BASIC, "alertmanager", "/api/v2/alerts"),
        ("/right/api/v2/alerts", "", "alertmanager", "/api/v2/alerts"),
        ("/webhook", "Bearer right", "webhook", "/"),
        ("/webhook/right", "", "webhook", "/"),
    ],
)
async def test_a_report_is_handed_over_as_it_came(door: Edge, path: str, authorization: str, kind: str, inner: str) -> None:
    headers = {"authorization": authorization} if authorization else {}
    answer = await door.http.post(path, content=b"[ {} ]", headers=headers | {"content-type": "application/json"})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (202, b'{"accepted":1}', "application/json")
    report = door.behind.reports[0]
    assert (report.kind, report.integration_key, report.method, report.path, report.body) == (kind, "right", "POST", inner, b"[ {} ]")
    assert report.headers["content-type"] == "application/json" and "authorization" not in report.headers
    assert door.behind.callers[0].service == "edge"


async def test_path_query_and_the_headers_that_formats_need_go_along_and_secrets_do_not(door: Edge) -> None:
    shown = {"authorization": "GenieKey right", "cookie": "tocsin_session=x", "x-tocsin-key": "right", "x-routing-key": "right"}
    needed = {"ce-id": "1", "sentry-hook-signature": "s", "x-hub-signature-256": "h", "webhook-id": "w", "accept-encoding": "gzip"}
    answer = await door.http.put("/v2/alerts/a%2Fb/message?identifierType=alias", content=b"{}", headers=shown | needed)
    assert (answer.status_code, answer.headers["x-request-id"]) == (202, "r-1")
    report = door.behind.reports[0]
    assert (report.kind, report.method, report.path, report.query) == (
        "opsgenie",
        "PUT",
        "/v2/alerts/a%2Fb/message",
        "identifierType=alias",
    )
    assert needed.items() <= dict(report.headers).items()
    assert not set(shown) & set(report.headers)


async def test_the_key_of_pagerduty_is_in_the_body(door: Edge) -> None:
    for body, status in ((b'{"routing_key": "right"}', 202), (b'{"service_key": "right"}', 202), (b'{"routing_key": 7}', 400), (b"[", 400)):
        answer = await door.http.post("/v2/enqueue", content=body)
        assert answer.status_code == status
        if status == 400:
            assert answer.json()["status"] == "invalid event" and "routing_key" in answer.json()["errors"][0]


@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        ("/v2/alerts", {"authorization": "GenieKey fast"}, {"message", "took", "requestId"}),
        ("/v2/enqueue", {"x-tocsin-key": "fast"}, {"status", "message", "errors"}),
        ("/fast/api/v2/alerts", {}, {"code", "message"}),
        ("/grafana/fast", {}, {"error"}),
    ],
)
async def test_who_sends_too_fast_hears_in_its_own_words_when_to_go_on(
    door: Edge, path: str, headers: dict[str, str], words: set[str]
) -> None:
    answer = await door.http.post(path, content=b"{}", headers=headers)
    assert (answer.status_code, set(answer.json())) == (429, words)
    pace = ("retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    assert [answer.headers[name] for name in pace] == ["3", "100", "0", "3"]
    assert answer.headers.get("x-ratelimit-state", "THROTTLED") == "THROTTLED"


@pytest.mark.parametrize("path", ["/api/v1/targets", "/api/v2/nothing", "/right/api/v2/nothing", "/v2/integrations", "/v2/alertsx"])
async def test_a_call_that_no_api_has_is_answered_in_json_and_not_with_a_page(door: Edge, path: str) -> None:
    for method in ("GET", "POST"):
        answer = await door.http.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
        assert path in answer.json()["message"]


async def test_whether_it_lives_is_told_to_monitors_without_a_key(door: Edge) -> None:
    assert (await door.http.get("/-/healthy")).status_code == 200
    assert (await door.http.get("/right/-/healthy")).json() == {"accepted": 1}


async def test_more_reports_than_there_is_room_for_are_told_at_once_to_come_again() -> None:
    room = Room(most=1, most_bytes=10)
    answered: list[int] = []
    waiting = asyncio.Event()

    class Slow:
        async def call(self, path: str, request: bytes, timeout: float, on_behalf: object = None) -> bytes:
            await waiting.wait()
            return SubmitReportResponse(status=200).SerializeToString()

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"[]"}

    async def send(message: Any) -> None:
        answered.extend([message["status"]] if "status" in message else [])

    scope = {"type": "http", "method": "POST", "raw_path": b"/webhook/right", "query_string": b"", "headers": []}
    intake = Intake(Slow(), room)  # type: ignore[arg-type]  # a service that only takes its time
    found = intake.door(scope)
    assert found is not None
    first = asyncio.create_task(intake.receive(found, scope, receive, send))
    await asyncio.sleep(0)
    await intake.receive(found, scope, receive, send)
    assert answered == [503]
    waiting.set()
    await first
    await intake.receive(found, scope, receive, send)
    assert answered == [503, 200, 200]


async def test_a_packed_report_is_unpacked(door: Edge) -> None:
    answer = await door.http.post("/webhook/right", content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"})
    assert (answer.status_code, door.behind.reports[0].body) == (202, b"{}")


@pytest.mark.parametrize(
    ("path", "content", "headers", "status"),
    [
        ("/api/v2/alerts", b"[]", {}, 401),
        ("/webhook/wrong", b"{}", {}, 401),
        ("/webhook/right", b"x" * (1024 * 1024 + 1), {}, 413),
        ("/webhook/right", gzip.compress(b"x" * (1024 * 1024 + 1)), {"content-encoding": "gzip"}, 413),
        ("/webhook/right", b"no gzip", {"content-encoding": "gzip"}, 400),
        ("/webhook/busy", b"{}", {}, 503),
    ],
)
async def test_bad_reports_are_refused_in_words(door: Edge, path: str, content: bytes, headers: dict[str, str], status: int) -> None:
    answer = await door.http.post(path, content=content, headers=headers)
    assert answer.status_code == status
    said = answer.json()
    assert said.get("error") or said["message"]
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_monitor_is_told_to_repeat_while_detection_is_down(door: Edge) -> None:
    await door.server.stop(0)
    answer = await door.http.post("/webhook/right", content=b"{}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    page = await door.http.post("/a/secret")
    assert page.status_code == 503 and "Nothing happened" in page.text and "Try again" in page.text


async def test_opening_a_reply_link_changes_nothing_and_its_button_answers_once(door: Edge) -> None:
    page = await door.http.get("/a/secret")
    assert page.status_code == 200 and 'method="post"' in page.text and "&lt;script&gt;" in page.text and "<script" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert door.behind.replies == []
    done = await door.http.post("/a/secret")
    assert done.status_code == 200 and "Acknowledged by alice" in done.text
    again = await door.http.post("/a/secret")
    assert again.status_code == 409 and "This link was used already." in again.text
    assert "<button" not in (await door.http.get("/a/secret")).text
    assert door.behind.replies == ["secret"]


def exported(trace: bytes, span: bytes, incident: str = "") -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "tocsin-triage"
    one = resource.scope_spans.add().spans.add(trace_id=trace, span_id=span, name="handle AlertOpened", kind=5)
    one.start_time_unix_nano, one.end_time_unix_nano = 1_700_000_000_000_000_000, 1_700_000_000_001_000_000
    if incident:
        one.attributes.add(key="tocsin.incident.id").value.string_value = incident
    return request.SerializeToString()


async def test_spans_are_kept_for_a_week_and_found_by_their_incident(door: Edge) -> None:
    headers = {"authorization": f"Bearer {SPAN_KEY}", "content-type": "application/x-protobuf", "content-encoding": "gzip"}
    trace = bytes(range(16))
    for span, incident in ((b"span-001", ""), (b"span-002", INCIDENT), (b"span-002", INCIDENT)):
        assert (
            await door.http.post("/v1/traces", content=gzip.compress(exported(trace, span, incident)), headers=headers)
        ).status_code == 200
    request = pb.GetTraceRequest(incident_id=INCIDENT)
    found = await door.service().GetTrace(request, metadata=bearer(ADMIN_KEY))
    assert [(span.span_id, span.service, span.kind) for span in found.spans] == [
        (b"span-001".hex(), "tocsin-triage", "consumer"),
        (b"span-002".hex(), "tocsin-triage", "consumer"),
    ]
    door.world.clock.forward(timedelta(days=8))
    kept = spans_module.Spans(door.app.database, door.world.clock, kept=1000, receiving=True)
    await kept.forget_old()
    assert await kept.of(INCIDENT) == []


async def test_the_oldest_spans_go_when_there_are_too_many(door: Edge) -> None:
    headers = {"authorization": f"Bearer {SPAN_KEY}", "content-type": "application/x-protobuf"}
    for number in range(5):
        await door.http.post("/v1/traces", content=exported(bytes(range(16)), b"span-00%d" % number, INCIDENT), headers=headers)
    kept = spans_module.Spans(door.app.database, door.world.clock, kept=2, receiving=True)
    await kept.forget_old()
    assert [row.span_id for row in await kept.of(INCIDENT)] == [b"span-003", b"span-004"]


@pytest.mark.parametrize(
    ("key", "content", "status"), [("wrong", b"", 401), (SPAN_KEY, b"\xff\xff", 400), (SPAN_KEY, b"x" * 4_194_305, 413)]
)
async def test_bad_spans_are_refused(door: Edge, key: str, content: bytes, status: int) -> None:
    headers = {"authorization": f"Bearer {key}", "content-type": "application/x-protobuf"}
    assert (await door.http.post("/v1/traces", content=content, headers=headers)).status_code == status


async def test_without_a_span_key_traces_are_elsewhere(world: World, tmp_path: Path) -> None:
    async with running_edge(world, tmp_path, spans=False) as door:
        assert (await door.http.post("/v1/traces", content=b"")).status_code == 404
        with pytest.raises(aio.AioRpcError) as refused:
            await door.service().GetTrace(pb.GetTraceRequest(incident_id=INCIDENT), metadata=bearer(ADMIN_KEY))
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_operators_see_that_it_lives(door: Edge) -> None:
    assert (await door.http.get("/healthz")).text == "ok\n"
    assert "tocsin_reports_received_total" in (await door.http.get("/metrics")).text
    assert (await door.http.delete("/incidents")).status_code == 405


async def answered(console: Console, path: str) -> tuple[int, dict[str, str], bytes]:
    sent: list[dict[str, object]] = []

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    await console.answer({"path": path, "headers": []}, send)
    start, content = sent
    headers = start["headers"]
    assert isinstance(headers, list) and isinstance(content["body"], bytes) and isinstance(start["status"], int)
    return start["status"], {name.decode(): value.decode() for name, value in headers}, content["body"]


async def test_the_console_is_one_page_with_assets_for_ever(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<p>console</p>")
    (tmp_path / "assets" / "index-abc.js").write_text("1")
    console = Console(tmp_path)
    for path in ("/", "/incidents/7"):
        status, headers, content = await answered(console, path)
        assert (status, content, headers["cache-control"]) == (200, b"<p>console</p>", "no-cache")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "immutable" in (await answered(console, "/assets/index-abc.js"))[1]["cache-control"]
    assert (await answered(console, "/assets/gone.js"))[0] == 404
    status, _, content = await answered(Console(tmp_path / "nothing"), "/")
    assert status == 503 and b"not built" in content


async def test_a_provider_of_a_channel_is_passed_on_byte_by_byte_and_answered_as_communication_says(door: Edge) -> None:
    signed = {"x-twilio-signature": "s", "content-type": "application/x-www-form-urlencoded", "authorization": "Bearer t"}
    answer = await door.http.post("/hooks/channels/sms/main/status%2F?p=1&q=%20", content=b"a=%ff&b", headers=signed | {"cookie": "c=1"})
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"<Response/>", "text/xml")
    assert answer.headers["x-own"] == "1" and "set-cookie" not in answer.headers
    [hook] = door.behind.hooks
    assert (hook.kind, hook.method, hook.path, hook.query, hook.body) == ("sms", "POST", "/main/status%2F", "p=1&q=%20", b"a=%ff&b")
    assert signed.items() <= dict(hook.headers).items() and "cookie" not in hook.headers


async def test_a_hook_that_is_nobodys_or_too_large_is_refused(door: Edge) -> None:
    assert (await door.http.get("/hooks/channels/")).status_code == 404
    assert (await door.http.post("/hooks/channels/No_Kind/x")).status_code == 404
    assert (await door.http.post("/hooks/channels/sms", content=b"x" * 1_048_577)).status_code == 413
    assert door.behind.hooks == []


async def test_a_link_passes_the_incident_on_by_its_button_only(door: Edge) -> None:
    shown = await door.http.get("/a/good/escalate")
    assert shown.status_code == 200 and "Ask the next one" in shown.text and "<script>" not in shown.text
    assert door.behind.replies == []
    passed = await door.http.post("/a/good/escalate")
    assert passed.status_code == 200 and "the next one is asked" in passed.text
    assert (await door.http.get("/a/good/elsewhere")).status_code == 404
