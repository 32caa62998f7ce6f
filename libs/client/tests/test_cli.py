import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from tocsin.communication.v1 import communication_service_pb2 as communication
from tocsin.communication.v1.page_pb2 import Page
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.detection.v1.alert_pb2 import Alert, AlertLogEntry
from tocsin.detection.v1.integration_pb2 import Integration
from tocsin.edge.v1 import edge_service_pb2 as edge
from tocsin.response.v1 import response_service_pb2 as response
from tocsin.response.v1.escalation_pb2 import Escalation, Summons
from tocsin.response.v1.oncall_pb2 import Duty, Override
from tocsin.review.v1 import review_service_pb2 as review
from tocsin.review.v1.review_pb2 import Figures, Review, TimelineEntry
from tocsin.triage.v1 import triage_service_pb2 as triage
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident

from tocsin_client.cli import COMMANDS, GROUPS, run
from tocsin_client.commands import platform
from tocsin_client.parser import build_app

ID = "01996b2e-0000-7000-8000-000000000001"
ESCAPE = "\x1b]0;owned\x07"


class Terminal:
    """Runs the command line in this process, against the installation."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.error = ""

    def __call__(self, *arguments: str, status: int = 0) -> str:
        self._capsys.readouterr()
        ended = run(arguments)
        output, self.error = self._capsys.readouterr()
        assert ended == status, output + self.error
        return output


@pytest.fixture
def tocsin(installation: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.delenv("TOCSIN_CONNECTION", raising=False)
    monkeypatch.setenv("TOCSIN_GRPC", installation.address)
    monkeypatch.setenv("TOCSIN_API_KEY", installation.connection.api_key)
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    return Terminal(capsys)


@pytest.fixture(autouse=True)
def own_zone() -> Any:
    yield
    time.tzset()


def at(message: Any, field: str, moment: datetime) -> Any:
    getattr(message, field).FromDatetime(moment)
    return message


NINE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)  # 09:00 in Paris


def incident(**more: Any) -> Incident:
    made = Incident(id=ID, number=12, title="Checkout is down", state=Incident.STATE_OPEN, severity=2, service="checkout", **more)
    return at(made, "opened_at", NINE)


def test_help_is_fast_and_loads_nothing_heavy(capfd: pytest.CaptureFixture[str]) -> None:
    heavy = "{'grpc', 'google.protobuf', 'rich', 'cyclopts', 'yaml'}"
    program = f"import sys; from tocsin_client.cli import run; run(['--help']); print(sorted(set(sys.modules) & {heavy}))"
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert output.splitlines()[-1] == "[]"
    began = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("tocsin"), "--help"], capture_output=True, check=True)
    took = time.perf_counter() - began
    with capfd.disabled():
        print(f"\ntocsin --help: {took * 1000:.0f} ms")
    assert took < 1.5


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_an_overview_names_every_command_of_a_group(tocsin: Terminal, group: str) -> None:
    output = tocsin(*group.split(), "--help")
    for command in COMMANDS:
        if command.words.startswith(f"{group} ") or not group:
            assert command.words.removeprefix(group).split()[0] in output


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_explains_all_its_parameters(tocsin: Terminal, command: Any) -> None:
    output = tocsin(*command.words.split(), "--help")
    assert output.startswith(f"Usage: tocsin {command.words}")
    app = build_app()
    for word in command.words.split():
        app = app[word]
    without = [each.name for each in app.assemble_argument_collection(parse_docstring=True) if not each.parameter.help and each.name != "*"]
    assert without == []


def test_an_alert_is_sent_with_everything_given(tocsin: Terminal, installation: Any) -> None:
    installation.answer("RaiseAlert", detection.RaiseAlertResponse(alert=Alert(id=ID, title="disk full", state=Alert.STATE_OPEN)))
    output = tocsin("alert", "send", "disk full", "--service", "db", "--severity", "critical", "--label", "host=a=b", "--label", "rack=7")
    [request] = installation.requests("RaiseAlert")
    assert (request.title, request.service, request.severity) == ("disk full", "db", "critical")
    assert dict(request.labels) == {"host": "a=b", "rack": "7"} and request.request_id
    assert ID in output and "OPEN" in output


def test_alerts_are_listed_and_shown_with_what_was_decided(tocsin: Terminal, installation: Any) -> None:
    alert = at(Alert(id=ID, title="disk full", state=Alert.STATE_OPEN, occurrences=3), "opened_at", NINE)
    installation.answer("ListAlerts", detection.ListAlertsResponse(alerts=[alert]))
    assert "disk full" in tocsin("alert", "list")
    assert installation.requests("ListAlerts")[0].state == Alert.STATE_OPEN
    installation.answer("GetAlert", detection.GetAlertResponse(alert=alert, log=[AlertLogEntry(decision="OPENED", reason="first signal")]))
    assert "first signal" in tocsin("alert", "show", ID)
    installation.answer("ResolveAlert", detection.ResolveAlertResponse(alert=Alert(state=Alert.STATE_RESOLVED)))
    assert "RESOLVED" in tocsin("alert", "resolve", ID)


def test_an_incident_is_declared_and_taken_by_its_number(tocsin: Terminal, installation: Any) -> None:
    installation.answer("DeclareIncident", triage.DeclareIncidentResponse(incident=incident()))
    assert "#12" in tocsin("incident", "declare", "Checkout is down", "--severity", "SEV1")
    assert installation.requests("DeclareIncident")[0].severity == 1
    installation.answer("GetIncident", triage.GetIncidentResponse(incident=incident()))
    installation.answer("AcknowledgeIncident", triage.AcknowledgeIncidentResponse(incident=incident(acknowledged_by="alice")))
    assert "alice" in tocsin("incident", "ack", "12", "--by", "alice")
    [request] = installation.requests("AcknowledgeIncident")
    assert (request.incident_id, request.acknowledged_by) == (ID, "alice")


@pytest.mark.parametrize(
    ("arguments", "method", "answer"),
    [
        (["resolve", ID, "--reason", "rolled back"], "ResolveIncident", triage.ResolveIncidentResponse),
        (["reopen", ID, "--reason", "rolled back"], "ReopenIncident", triage.ReopenIncidentResponse),
        (["severity", ID, "sev4", "--reason", "rolled back"], "ChangeSeverity", triage.ChangeSeverityResponse),
    ],
)
def test_an_incident_moves_on(tocsin: Terminal, installation: Any, arguments: list[str], method: str, answer: Any) -> None:
    installation.answer(method, answer(incident=incident()))
    tocsin("incident", *arguments)
    [request] = installation.requests(method)
    assert (request.incident_id, request.reason) == (ID, "rolled back")


def test_active_incidents_are_listed_and_a_limit_is_kept(tocsin: Terminal, installation: Any) -> None:
    installation.answer("ListIncidents", triage.ListIncidentsResponse(incidents=[incident(), incident()], next_page_token="more"))
    output = tocsin("incident", "list", "--limit", "2")
    assert output.count("Checkout is down") == 2
    [request] = installation.requests("ListIncidents")
    assert list(request.states) == [Incident.STATE_OPEN, Incident.STATE_ACKNOWLEDGED]


def test_an_incident_is_shown_with_alerts_and_who_was_asked(tocsin: Terminal, installation: Any) -> None:
    alerts = [AttachedAlert(alert_id="a1", title="5xx", open=True)]
    installation.answer("GetIncident", triage.GetIncidentResponse(incident=incident(), alerts=alerts))
    summons = [Summons(escalation_id="e", responder="alice", explanation="on call by the rotation")]
    escalations = [Escalation(id="e", policy="shop", state=Escalation.STATE_RUNNING)]
    installation.answer("ListEscalations", response.ListEscalationsResponse(escalations=escalations, summonses=summons))
    output = tocsin("incident", "show", "12")
    for part in ("2026-11-23 09:00:00 CET", "5xx", "Escalation by shop, running", "alice", "on call by the rotation"):
        assert part in output


def test_the_same_answer_as_json_and_yaml(tocsin: Terminal, installation: Any) -> None:
    installation.answer("ListIncidents", triage.ListIncidentsResponse(incidents=[incident()]))
    [as_json] = json.loads(tocsin("incident", "list", "-o", "json"))
    assert (as_json["number"], as_json["state"], as_json["alert_count"], as_json["opened_at"]) == (
        "12",
        "STATE_OPEN",
        0,
        "2026-11-23T08:00:00Z",
    )
    [as_yaml] = yaml.safe_load(tocsin("incident", "list", "-o", "yaml"))
    assert as_yaml == as_json
    installation.answer("ListIncidents", triage.ListIncidentsResponse())
    assert json.loads(tocsin("incident", "list", "-o", "json")) == []
    assert "No active incident" in tocsin("incident", "list")


def test_on_call_at_a_time_of_the_users_zone(tocsin: Terminal, installation: Any) -> None:
    duty = at(Duty(schedule="primary", responder="alice", reason="shift 3 of the rotation"), "since", NINE)
    installation.answer("GetOncall", response.GetOncallResponse(duties=[duty, Duty(schedule="secondary")]))
    output = tocsin("oncall", "now", "--at", "2026-11-23 09:00")
    assert installation.requests("GetOncall")[0].at.ToDatetime(UTC) == NINE
    assert "2026-11-23 09:00:00 CET" in output and "nobody" in output
    tocsin("oncall", "now")
    assert not installation.requests("GetOncall")[1].HasField("at"), "now is the server's now"


def test_shifts_of_a_range(tocsin: Terminal, installation: Any) -> None:
    installation.answer("ListShifts", response.ListShiftsResponse(shifts=[Duty(responder="bob")]))
    assert "bob" in tocsin("oncall", "shifts", "primary", "--from", "2026-11-23T08:00Z", "--days", "7")
    [request] = installation.requests("ListShifts")
    assert getattr(request, "from").ToDatetime(UTC) == NINE and request.until.ToDatetime(UTC) == NINE + timedelta(days=7)


def test_overrides_are_made_listed_and_removed(tocsin: Terminal, installation: Any) -> None:
    made = Override(id=ID, schedule="primary", responder="bob")
    installation.answer("CreateOverride", response.CreateOverrideResponse(override=made))
    tocsin("oncall", "override", "add", "primary", "bob", "--from", "2026-11-23T08:00Z", "--for", "1h30m", "--reason", "dentist")
    [request] = installation.requests("CreateOverride")
    assert request.starts_at.ToDatetime(UTC) == NINE and request.ends_at.ToDatetime(UTC) == NINE + timedelta(minutes=90)
    installation.answer("ListOverrides", response.ListOverridesResponse(overrides=[made]))
    assert "bob" in tocsin("oncall", "override", "list")
    installation.answer("DeleteOverride", response.DeleteOverrideResponse())
    assert ID in tocsin("oncall", "override", "remove", ID)
    tocsin("oncall", "override", "add", "primary", "bob", status=2)
    assert "--until" in tocsin.error and "--for" in tocsin.error


def test_a_page_is_sent_with_or_without_the_word(tocsin: Terminal, installation: Any) -> None:
    page = Page(responder="alice", state=Page.STATE_FAILED, state_reason="550 no such mailbox", kind=Page.KIND_DIRECT)
    installation.answer("PageResponder", communication.PageResponderResponse(pages=[page]))
    for words in (["page", "alice", "come"], ["page", "send", "alice", "come"], ["page", "--incident", ID, "alice", "come"]):
        assert "550 no such mailbox" in tocsin(*words)
    asked = installation.requests("PageResponder")
    assert {(each.responder, each.message) for each in asked} == {("alice", "come")} and asked[2].incident_id == ID
    installation.answer("ListPages", communication.ListPagesResponse(pages=[page]))
    assert "FAILED" in tocsin("page", "list", "--responder", "alice")


def test_timeline_review_and_figures(tocsin: Terminal, installation: Any) -> None:
    installation.answer(
        "GetTimeline", review.GetTimelineResponse(entries=[at(TimelineEntry(fact="IncidentOpened", summary="opened"), "at", NINE)])
    )
    assert "IncidentOpened" in tocsin("timeline", ID)
    installation.answer("GetReview", review.GetReviewResponse(review=Review(markdown="# Review\n\n*calm*\n")))
    assert tocsin("review", ID) == "# Review\n\n*calm*\n\n" == tocsin("review", "show", ID)
    total = Figures(incidents=4, acknowledged=3, resolved=0)
    total.mean_time_to_acknowledge.FromTimedelta(timedelta(seconds=250))
    installation.answer("GetFigures", review.GetFiguresResponse(total=total, by_severity=[Figures(severity=1, incidents=4)]))
    output = tocsin("review", "figures", "--from", "7d ago")
    assert "4m 10s" in output and "SEV1" in output and "—" in output


def test_a_trace_is_drawn_with_errors_and_links(tocsin: Terminal, installation: Any) -> None:
    root = edge.Span(trace_id="a" * 32, span_id="1", name="POST /api/v2/alerts", service="tocsin-edge")
    child = edge.Span(trace_id="a" * 32, span_id="2", parent_span_id="1", name="SubmitReport", service="tocsin-detection", error="full")
    later = edge.Span(trace_id="b" * 32, span_id="3", name="tick", service="tocsin-response", linked_trace_ids=["a" * 32])
    for index, span in enumerate((root, child, later)):
        at(at(span, "started_at", NINE + timedelta(milliseconds=index)), "ended_at", NINE + timedelta(milliseconds=10 - index))
    installation.answer("GetTrace", edge.GetTraceResponse(spans=[root, child, later]))
    output = tocsin("trace", ID)
    assert "\nPOST /api/v2/alerts" in output and "\n  SubmitReport" in output and "full" in output
    assert "linked to trace 1" in output and "10.0 ms" in output and "█" in output
    installation.answer("GetTrace", edge.GetTraceResponse())
    assert "No span" in tocsin("trace", ID)


def test_keys_and_links_show_their_secret_once(tocsin: Terminal, installation: Any) -> None:
    installation.answer("CreateSignInLink", edge.CreateSignInLinkResponse(url="http://h/sign-in#T"))
    assert "http://h/sign-in#T" in tocsin("sign-in-link", "alice", "--role", "manager")
    assert installation.requests("CreateSignInLink")[0].role == 3
    installation.answer("CreateApiKey", edge.CreateApiKeyResponse(api_key=edge.ApiKey(name="ci", role=2), secret="S3"))
    assert "S3" in tocsin("key", "create", "ci", "--expires", "in 90d")
    assert installation.requests("CreateApiKey")[0].api_key.HasField("expires_at")
    installation.answer("ListApiKeys", edge.ListApiKeysResponse(api_keys=[edge.ApiKey(name="ci", role=2)]))
    assert "responder" in tocsin("key", "list")
    installation.answer("ListIntegrations", detection.ListIntegrationsResponse(integrations=[Integration(name="prometheus")]))
    assert "never" in tocsin("integration", "list")


def test_what_cannot_be_undone_wants_a_yes(tocsin: Terminal, installation: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    installation.answer("RotateIntegrationKey", detection.RotateIntegrationKeyResponse(key="new"))
    installation.answer("RevokeApiKey", edge.RevokeApiKeyResponse())
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        for words in (["integration", "rotate-key", "prometheus"], ["key", "revoke", "ci"]):
            tocsin(*words, status=2)
            assert "--yes" in tocsin.error
    assert installation.calls == []
    assert "new" in tocsin("integration", "rotate-key", "prometheus", "--yes")
    assert "ci" in tocsin("key", "revoke", "ci", "--yes")


SERVICES = "apiVersion: tocsin/v1\nkind: Service\nmetadata: {name: checkout}\nspec: {description: %s}\n"


def test_apply_shows_the_plan_and_asks_before_it_deletes(
    tocsin: Terminal, installation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(SERVICES % "old")
    assert "+ Service checkout" in tocsin("apply", "-f", str(tmp_path), "--dry-run")
    assert not any(each.ListFields() for each in installation.stored.values())
    assert "Applied." in tocsin("apply", "-f", str(tmp_path))
    assert "1 as they are" in tocsin("apply", "-f", str(tmp_path))
    file.write_text(SERVICES % "new")
    assert '    description: "old" → "new"' in tocsin("apply", "-f", str(tmp_path))
    file.write_text((SERVICES % "x").replace("checkout", "search"))
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        output = tocsin("apply", "-f", str(tmp_path), "--prune", status=2)
    assert "- Service checkout" in output and "--yes" in tocsin.error
    changes = json.loads(tocsin("apply", "-f", str(tmp_path), "--prune", "--yes", "-o", "json"))
    assert [(each["name"], each["action"]) for each in changes] == [("search", "created"), ("checkout", "deleted")]
    assert [each.name for each in installation.stored["triage"].services] == ["search"]


def test_an_export_empties_what_an_earlier_one_left(tocsin: Terminal, installation: Any, tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "a.yaml").write_text(SERVICES % "old")
    tocsin("apply", "-f", str(source))
    tocsin("export", "-o", str(target))
    (target / "routes.yaml").write_text("apiVersion: tocsin/v1\nkind: Route\nmetadata: {name: gone}\nspec: {service: checkout}\n")
    tocsin("export", "-o", str(target))
    assert "1 as they are" in tocsin("apply", "-f", str(target), "--prune", "--dry-run")
    assert tocsin("export") == (target / "services.yaml").read_text()


def test_doctor_says_what_is_ill_and_fails(tocsin: Terminal, installation: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    well = edge.ComponentHealth(name="postgres", healthy=True, detail="answers")
    ill = edge.ComponentHealth(name="nats", healthy=False, detail="silent", remedy="restart it")
    installation.answer("GetHealth", edge.GetHealthResponse(healthy=True, components=[well]))
    assert "postgres" in tocsin("doctor")
    installation.answer("GetHealth", edge.GetHealthResponse(components=[well, ill]))
    assert "restart it" in tocsin("doctor", status=1)
    assert "nats" in tocsin.error


def test_senders_text_cannot_steer_the_terminal(tocsin: Terminal, installation: Any) -> None:
    evil = incident(summary=f"{ESCAPE}\u202e[bold red]x[/]")
    installation.answer("GetIncident", triage.GetIncidentResponse(incident=evil))
    installation.answer("ListEscalations", response.ListEscalationsResponse())
    output = tocsin("incident", "show", "12")
    assert "\x1b" not in output and "\x07" not in output and "\u202e" not in output
    assert "[bold red]x[/]" in output, "markup of rich is text, too"
    installation.answer("GetReview", review.GetReviewResponse(review=Review(markdown=f"# {ESCAPE}")))
    assert "\x1b" not in tocsin("review", ID)
    installation.refuse("GetIncident", grpc.StatusCode.NOT_FOUND, ESCAPE)
    tocsin("incident", "show", "12", status=5)
    assert "\x1b" not in tocsin.error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["incident", "show", "abc"], "INCIDENT: 'abc' is neither a number"),
        (["incident", "declare", "x", "--severity", "bad"], "--severity: 'bad' is not possible; give one of sev1, sev2"),
        (["incident", "declare"], "TITLE"),
        (["incident", "list", "--state", "ill"], "--state"),
        (["alert", "send", "x", "--label", "novalue"], "--label: 'novalue' must be NAME=VALUE"),
        (["oncall", "now", "--at", "soon"], "--at: 'soon' is not a time"),
        (["key", "create", "ci", "--role", "god"], "--role: 'god' is not possible; give one of viewer"),
        (["incidnt", "list"], "Did you mean"),
        (["incident", "list", "--limt", "3"], "--limt"),
        (["apply", "-f", "/no/such/place"], "/no/such/place: no such file or directory"),
    ],
)
def test_bad_input_names_the_argument_and_ends_with_two(tocsin: Terminal, installation: Any, arguments: list[str], words: str) -> None:
    assert tocsin(*arguments, status=2) == ""
    assert words in tocsin.error
    assert len(tocsin.error.splitlines()) <= 2
    assert installation.calls == []


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, 3),
        (grpc.StatusCode.PERMISSION_DENIED, 4),
        (grpc.StatusCode.NOT_FOUND, 5),
        (grpc.StatusCode.FAILED_PRECONDITION, 6),
    ],
)
def test_a_refusal_is_one_line_and_its_own_exit_status(tocsin: Terminal, installation: Any, code: Any, status: int) -> None:
    installation.refuse("ResolveIncident", code, "incident 12 is not yours", "SOME_REASON")
    assert tocsin("incident", "resolve", ID, status=status) == ""
    assert tocsin.error == "tocsin: incident 12 is not yours\n"


def test_an_unreachable_platform_ends_with_seven(tocsin: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_GRPC", "127.0.0.1:1")
    tocsin("incident", "list", status=7)
    assert "127.0.0.1:1" in tocsin.error and "tocsin doctor" in tocsin.error


def test_a_reader_that_stops_reading_is_no_error(installation: Any, tmp_path: Path) -> None:
    incidents = [incident(summary="x" * 1000) for _ in range(500)]
    installation.answer("ListIncidents", triage.ListIncidentsResponse(incidents=incidents))
    environment = {**os.environ, "TOCSIN_GRPC": installation.address, "TOCSIN_API_KEY": "k", "HOME": str(tmp_path)}
    program = Path(sys.executable).with_name("tocsin")
    child = subprocess.Popen(
        [program, "incident", "list", "-o", "json", "--limit", "500"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert child.stdout is not None and child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == "" and child.wait(20) == 0
    child.stderr.close()


def test_up_without_the_platform_says_what_to_install(tocsin: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "STANDALONE", "tocsin_that_is_not_there")
    monkeypatch.chdir(tmp_path)
    tocsin("up", status=2)
    assert "tocsin-standalone" in tocsin.error
    tocsin("doctor", "--home", str(tmp_path), status=2)
    assert "tocsin-standalone" in tocsin.error
