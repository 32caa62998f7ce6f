import io
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from tocsin.communication.v1 import communication_service_pb2 as communication
from tocsin.communication.v1 import paging_service_pb2 as paging_service
from tocsin.communication.v1.page_pb2 import ContactMethod, Page
from tocsin.communication.v1.paging_service_pb2 import PreviewedPage
from tocsin.detection.v1 import change_service_pb2 as change_service
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.detection.v1 import heartbeat_service_pb2 as heartbeat_service
from tocsin.detection.v1 import noise_service_pb2 as noise_service
from tocsin.detection.v1.alert_pb2 import Alert, AlertLogEntry, Hold
from tocsin.detection.v1.change_pb2 import Change
from tocsin.detection.v1.heartbeat_pb2 import Heartbeat
from tocsin.detection.v1.integration_pb2 import Integration, Mapping
from tocsin.detection.v1.noise_pb2 import MaintenanceWindow, Occurrence, PlannedMaintenance, ReplayedAlert, Silence, Verdict
from tocsin.edge.v1 import edge_service_pb2 as edge
from tocsin.response.v1 import escalation_service_pb2 as escalation_service
from tocsin.response.v1 import response_service_pb2 as response
from tocsin.response.v1.escalation_pb2 import URGENCY_HIGH, URGENCY_LOW, Escalation, Summons
from tocsin.response.v1.oncall_pb2 import Duty, Override
from tocsin.review.v1 import review_service_pb2 as review
from tocsin.review.v1.review_pb2 import Figures, Review, TimelineEntry
from tocsin.triage.v1 import triage_service_pb2 as triage
from tocsin.triage.v1.catalogue_pb2 import Service
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident, Severity

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
    took = least_processor_seconds("--help")
    with capfd.disabled():
        print(f"\ntocsin --help: {took * 1000:.0f} ms")
    assert took < 0.75


@dataclass(frozen=True)
class Helps:
    """What one process that asked every command for its help was told, and what it had loaded at the end."""

    told: dict[str, str]
    loaded: Sequence[str]


@pytest.fixture(scope="module")
def helps() -> Helps:
    program = f"""import sys, io, contextlib, json
from tocsin_client.cli import run
told = {{}}
for words in {[command.words for command in COMMANDS]}:
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run([*words.split(), '--help']) == 0, words
    told[words] = said.getvalue()
print(json.dumps([told, sorted(sys.modules)]))"""
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return Helps(*json.loads(output))


def test_the_help_of_a_command_loads_neither_grpc_nor_a_contract(helps: Helps) -> None:
    assert helps.told.keys() == {command.words for command in COMMANDS}
    assert not {"grpc", "google.protobuf", "yaml"} & set(helps.loaded)


def test_the_help_of_a_command_is_fast(capfd: pytest.CaptureFixture[str]) -> None:
    for words in (["alert", "list"], ["apply"]):
        took = least_processor_seconds(*words, "--help")
        with capfd.disabled():
            print(f"\ntocsin {' '.join(words)} --help: {took * 1000:.0f} ms")
        assert took < 1.0


def least_processor_seconds(*words: str) -> float:
    """What the command takes at best of a processor, which a machine that others load does not lengthen."""
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([Path(sys.executable).with_name("tocsin"), *words], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(took)


@pytest.mark.parametrize("group", ["", *GROUPS])
def test_an_overview_names_every_command_of_a_group(tocsin: Terminal, group: str) -> None:
    output = tocsin(*group.split(), "--help")
    for command in COMMANDS:
        if command.words.startswith(f"{group} ") or not group:
            assert command.words.removeprefix(group).split()[0] in output


@pytest.fixture(scope="module")
def app() -> Any:
    return build_app()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words)
def test_every_command_explains_all_its_parameters(helps: Helps, app: Any, command: Any) -> None:
    assert helps.told[command.words].startswith(f"Usage: tocsin {command.words}")
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


def held_alert(**more: Any) -> Alert:
    hold = Hold(kind=Hold.KIND_SILENCE, rule="s-1", by="bob", reason="disk is swapped")
    return at(Alert(id=ID, title="disk full", state=Alert.STATE_OPEN, holds=[at(hold, "until", NINE)], **more), "opened_at", NINE)


def test_alerts_are_found_by_every_filter(tocsin: Terminal, installation: Any) -> None:
    installation.answer("ListAlerts", detection.ListAlertsResponse(alerts=[held_alert()]))
    filters = ["--state", "any", "--integration", "prom", "--service", "db", "--severity", "critical", "--text", "disk"]
    output = tocsin("alert", "list", *filters, "--matcher", 'a=~"b,c"', "--matcher", 'd!="e"', "--label", "x=y", "--held")
    [request] = installation.requests("ListAlerts")
    assert (request.state, request.integration, request.service, request.severity) == (0, "prom", "db", "critical")
    assert list(request.matchers) == ['a=~"b,c"', 'd!="e"'] and dict(request.labels) == {"x": "y"}
    assert request.held == detection.HELD_YES and request.text == "disk" and "silence" in output
    tocsin("alert", "list", "--not-held")
    assert installation.requests("ListAlerts")[1].held == detection.HELD_NO
    tocsin("alert", "list")
    assert installation.requests("ListAlerts")[2] == detection.ListAlertsRequest(state=Alert.STATE_OPEN, page_size=51)


def test_a_list_that_is_cut_says_so(tocsin: Terminal, installation: Any) -> None:
    two = detection.ListAlertsResponse(alerts=[held_alert(), held_alert()], next_page_token="more")
    none_among_the_newest = detection.ListAlertsResponse(next_page_token="further")
    installation.answer("ListAlerts", none_among_the_newest, two)
    assert tocsin("alert", "list", "--limit", "3").count("disk full") == 3
    assert [each.page_token for each in installation.requests("ListAlerts")] == ["", "further", "more"]
    assert "tocsin alert export" in tocsin.error
    installation.answer("ListAlerts", detection.ListAlertsResponse(alerts=[held_alert()]))
    tocsin("alert", "list", "--limit", "1")
    assert tocsin.error == ""


def test_alerts_are_exported_one_a_line(tocsin: Terminal, installation: Any) -> None:
    parts = [
        detection.ExportAlertsResponse(alerts=[held_alert(description="two\nlines")] * 2),
        detection.ExportAlertsResponse(alerts=[Alert()]),
    ]
    installation.answer("ExportAlerts", parts)
    lines = tocsin("alert", "export", "--text", "disk").splitlines()
    assert [json.loads(each)["title"] for each in lines] == ["disk full", "disk full", ""]
    assert installation.requests("ExportAlerts")[0].filter.text == "disk"


def test_an_alert_is_taken_and_put_aside(tocsin: Terminal, installation: Any) -> None:
    taken = at(held_alert(acknowledged_by="alice"), "acknowledged_at", NINE)
    installation.answer("AcknowledgeAlert", detection.AcknowledgeAlertResponse(alert=taken))
    output = tocsin("alert", "ack", ID)
    assert "ACKNOWLEDGED" in output and "alice" in output and "silence s-1 by bob until 2026-11-23 09:00:00 CET: disk is swapped" in output
    installation.answer("SnoozeAlert", detection.SnoozeAlertResponse(alert=taken))
    before = datetime.now(UTC)
    tocsin("alert", "snooze", ID, "2h")
    tocsin("alert", "snooze", ID, "2026-11-23T08:00Z")
    short, until = installation.requests("SnoozeAlert")
    assert timedelta(hours=2) <= short.until.ToDatetime(UTC) - before < timedelta(hours=2, minutes=1)
    assert until.until.ToDatetime(UTC) == NINE


def test_heartbeats_are_made_watched_and_switched(tocsin: Terminal, installation: Any) -> None:
    late = at(Heartbeat(name="backup", interval=1, unit=Heartbeat.UNIT_DAYS, state=Heartbeat.STATE_LATE), "late_since", NINE)
    never = Heartbeat(name="billing", interval=90, unit=Heartbeat.UNIT_MINUTES, state=Heartbeat.STATE_NEVER_PINGED)
    installation.answer("ListHeartbeats", heartbeat_service.ListHeartbeatsResponse(heartbeats=[late, never]))
    output = tocsin("heartbeat", "list")
    for part in ("LATE", "1 day ", "NEVER PINGED", "90 minutes", "never"):
        assert part in output
    installation.answer("CreateHeartbeat", heartbeat_service.CreateHeartbeatResponse(heartbeat=late))
    tocsin("heartbeat", "add", "backup", "--every", "90m", "--grace", "30s", "--tag", "a", "--severity", "critical", "--title", "no backup")
    [request] = installation.requests("CreateHeartbeat")
    made = request.heartbeat
    assert (made.interval, made.unit, made.grace.seconds, made.integration) == (90, Heartbeat.UNIT_MINUTES, 30, "heartbeat")
    assert (made.alert_message, made.alert_priority, list(made.alert_tags)) == ("no backup", "critical", ["a"])
    for word in ("ping", "enable", "disable"):
        method = f"{word.capitalize()}Heartbeat"
        installation.answer(method, getattr(heartbeat_service, f"{method}Response")(heartbeat=late))
        assert "backup" in tocsin("heartbeat", word, "backup")
        assert installation.requests(method)[0].name == "backup"
    installation.answer("GetHeartbeat", heartbeat_service.GetHeartbeatResponse(heartbeat=late))
    assert "2026-11-23 09:00:00 CET" in tocsin("heartbeat", "show", "backup")
    installation.answer("DeleteHeartbeat", heartbeat_service.DeleteHeartbeatResponse())
    assert "removed" in tocsin("heartbeat", "remove", "backup", "--yes")


@pytest.mark.parametrize(("words", "expected"), [("24h", (1, 3)), ("120m", (2, 2)), ("90m", (90, 1)), ("1d2h", (26, 2)), ("60s", (1, 1))])
def test_an_interval_is_counted_in_the_largest_unit(tocsin: Terminal, installation: Any, words: str, expected: tuple[int, int]) -> None:
    installation.answer("CreateHeartbeat", heartbeat_service.CreateHeartbeatResponse())
    tocsin("heartbeat", "add", "x", "--every", words)
    made = installation.requests("CreateHeartbeat")[0].heartbeat
    assert (made.interval, made.unit) == expected


def test_changes_are_listed(tocsin: Terminal, installation: Any) -> None:
    change = at(Change(summary="checkout 4.12", service="checkout", links=[Change.Link(url="https://ci/1")]), "happened_at", NINE)
    installation.answer("ListChanges", change_service.ListChangesResponse(changes=[change]))
    output = tocsin("change", "list", "--service", "checkout", "--since", "2026-11-23T08:00Z")
    assert "checkout 4.12" in output and "https://ci/1" in output
    [request] = installation.requests("ListChanges")
    assert request.service == "checkout" and request.since.ToDatetime(UTC) == NINE and not request.HasField("until")


def silence(**more: Any) -> Silence:
    made = Silence(id=ID, matchers=['host="db-1"'], comment="disk swap", created_by="bob", state=Silence.STATE_ACTIVE, held=3, **more)
    return at(at(made, "starts_at", NINE), "ends_at", NINE + timedelta(hours=2))


def test_silences_are_made_for_matchers_or_one_alert(tocsin: Terminal, installation: Any) -> None:
    installation.answer("CreateSilence", noise_service.CreateSilenceResponse(silence=silence()))
    words = ["--from", "2026-11-23T08:00Z", "--for", "2h", "--comment", "disk swap"]
    assert "3 open alerts" in tocsin("silence", "add", '{team="a,b", env=~"x"}', 'host!="y"', *words)
    [request] = installation.requests("CreateSilence")
    assert list(request.silence.matchers) == ['team="a,b"', 'env=~"x"', 'host!="y"'] and request.request_id
    assert request.silence.ends_at.ToDatetime(UTC) - request.silence.starts_at.ToDatetime(UTC) == timedelta(hours=2)
    installation.answer("SilenceAlert", noise_service.SilenceAlertResponse(silence=silence()))
    tocsin("silence", "add", "--alert", ID, *words)
    assert installation.requests("SilenceAlert")[0].alert_id == ID
    tocsin("silence", "add", 'a="b"', "--comment", "x", status=2)
    assert "--until" in tocsin.error and "--for" in tocsin.error
    tocsin("silence", "add", *words, status=2)
    assert "--alert" in tocsin.error


def test_silences_are_listed_edited_and_ended(tocsin: Terminal, installation: Any) -> None:
    installation.answer("ListSilences", noise_service.ListSilencesResponse(silences=[silence()]))
    output = tocsin("silence", "list")
    assert "ACTIVE" in output and 'host="db-1"' in output and "2026-11-23 11:00:00 CET" in output
    assert list(installation.requests("ListSilences")[0].states) == [Silence.STATE_PENDING, Silence.STATE_ACTIVE]
    installation.answer("GetSilence", noise_service.GetSilenceResponse(silence=silence()))
    assert "bob" in tocsin("silence", "show", ID)
    other = silence()
    other.id = ID.replace("1", "2")
    installation.answer("EditSilence", noise_service.EditSilenceResponse(silence=other))
    tocsin("silence", "edit", ID, "--matcher", 'host="db-2"', "--until", "2026-11-23T12:00Z")
    assert "in its place" in tocsin.error
    [request] = installation.requests("EditSilence")
    assert list(request.silence.matchers) == ['host="db-2"'] and request.silence.comment == "disk swap"
    assert request.silence.starts_at.ToDatetime(UTC) == NINE, "what is not given stays"
    assert request.silence.ends_at.ToDatetime(UTC) == NINE + timedelta(hours=4)
    installation.answer("ExpireSilence", noise_service.ExpireSilenceResponse(silence=silence()))
    assert ID in tocsin("silence", "expire", ID)


def test_maintenance_is_planned_by_the_clock_on_the_wall(tocsin: Terminal, installation: Any) -> None:
    window = MaintenanceWindow(name="db-upgrade", services=["db"], matchers=['a="b"'], recurrence="FREQ=WEEKLY")
    planned = PlannedMaintenance(window=window, created_by="bob", occurrences=[at(at(Occurrence(), "starts_at", NINE), "ends_at", NINE)])
    installation.answer("AddMaintenanceWindow", noise_service.AddMaintenanceWindowResponse(planned=planned))
    words = ["--from", "2026-12-01T22:00", "--for", "8h", "--zone", "America/New_York", "--service", "db", "--every", "FREQ=WEEKLY"]
    output = tocsin("maintenance", "add", "db-upgrade", *words)
    assert 'service db and a="b"' in output
    made = installation.requests("AddMaintenanceWindow")[0].window
    assert (made.starts_at, made.zone, made.length.seconds) == ("2026-12-01T22:00:00", "America/New_York", 28800)
    tocsin("maintenance", "add", "x", "--from", "2026-12-01T22:00Z", "--for", "1h", "--zone", "Asia/Tokyo", "--matcher", 'a="b"')
    assert installation.requests("AddMaintenanceWindow")[1].window.starts_at == "2026-12-02T07:00:00"
    installation.answer("ListMaintenanceWindows", noise_service.ListMaintenanceWindowsResponse(planned=[planned]))
    assert "FREQ=WEEKLY" in tocsin("maintenance", "list")
    installation.answer("EndMaintenanceWindow", noise_service.EndMaintenanceWindowResponse(planned=planned))
    assert "db-upgrade" in tocsin("maintenance", "end", "db-upgrade")
    installation.answer("RemoveMaintenanceWindow", noise_service.RemoveMaintenanceWindowResponse())
    assert "removed" in tocsin("maintenance", "remove", "db-upgrade")


def test_an_alert_is_explained_with_the_answer_first(tocsin: Terminal, installation: Any) -> None:
    acting = at(Verdict(kind=Hold.KIND_SILENCE, rule=ID, by="bob", holds=True, reason="all match"), "ends_at", NINE)
    silent = Verdict(kind=Hold.KIND_MAINTENANCE, rule="nightly", failed_matcher='job="batch"')
    answer = noise_service.ExplainAlertResponse(
        alert=held_alert(),
        summary="Nobody was told: bob silenced it.",
        grouping="same key",
        log=[AlertLogEntry(decision="SUPPRESSED", by="bob", reason="disk swap")],
        verdicts=[acting, silent],
    )
    installation.answer("ExplainAlert", answer)
    output = tocsin("alert", "explain", ID)
    assert output.strip().splitlines()[0] == "Nobody was told: bob silenced it."
    for part in ("same key", "SUPPRESSED", "2026-11-23 09:00:00 CET", "nightly", 'job="batch"'):
        assert part in output


RULES = """\
apiVersion: tocsin/v1
kind: NoiseRule
metadata: {name: flaps}
spec: {flapping: {openings: 5, within: 10m}}
---
apiVersion: tocsin/v1
kind: Inhibition
metadata: {name: node-down}
spec: {source_matchers: ['alertname="NodeDown"'], target_matchers: ['severity="warning"'], equal: [node]}
---
apiVersion: tocsin/v1
kind: Service
metadata: {name: shop}
spec: {group_by: [cluster]}
"""


def test_a_simulation_is_told_side_by_side(tocsin: Terminal, installation: Any, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    step = noise_service.SimulateResponse
    held = noise_service.Difference(title="flapper", did_wake=True, holds=[Hold(kind=Hold.KIND_FLAPPING, rule="flaps")])
    woken = noise_service.Difference(title="quiet", would_wake=True)
    counts = [noise_service.RuleCount(kind=Hold.KIND_FLAPPING, rule="flaps", would_hold=1200)]
    result = step.Result(alerts=5000, did_wake=1500, would_wake=301, rules=counts, differences=60)
    played = step(alerts=step.Alerts(alerts=[ReplayedAlert(title="flapper"), ReplayedAlert(title="quiet")]))
    parts = [step(progress=step.Progress(done=1, of=2)), step(differences=step.Differences(differences=[held, woken])), played]
    parts.append(step(result=result))
    installation.answer("Simulate", parts, parts, parts[:2])
    place = triage.SimulatePlacementResponse
    did = [triage.PlacedIncident(number=each, service="shop", severity=Severity.SEVERITY_SEV2, title="Disk", alerts=2) for each in range(5)]
    would = [triage.PlacedIncident(service="shop", severity=Severity.SEVERITY_SEV1, title="Disk", alerts=1)]
    one = triage.PlacementDifference(did=did, did_count=25, would=would, would_count=1, summary="25 incidents would have been one")
    placed = place.Result(did_open=25, would_open=1, differences=70)
    places = [place(progress=place.Progress(done=2)), place(differences=place.Differences(differences=[one])), place(result=placed)]
    installation.answer("SimulatePlacement", places)
    output = tocsin("simulate", "--config", str(tmp_path), "--since", "30d", "--silence", 'a="b", c="d"')
    for words in ("1,500", "301  (-1,199)", "1,200", "no: flapping flaps", "flapper", "quiet"):
        assert words in output
    for words in ("1  (-24)", "and 22 more", "25 incidents would have been one", "shop SEV1 Disk (1 alert)"):
        assert words in output
    assert "10 more differ" in tocsin.error and "20 more incidents differ" in tocsin.error
    [request] = installation.requests("Simulate")
    [[first, alerts]] = installation.requests("SimulatePlacement")
    assert first.configuration.services[0].group_by == ["cluster"] and [each.title for each in alerts.alerts] == ["flapper", "quiet"]
    assert request.configuration.noise_rules[0].flapping.openings == 5 and request.configuration.inhibitions[0].equal == ["node"]
    assert request.since.ToTimedelta() == timedelta(days=30) and list(request.silences[0].matchers) == ['a="b"', 'c="d"']
    as_json = json.loads(tocsin("simulate", "-o", "json"))
    assert as_json["result"]["did_wake"] == "1500" and len(as_json["differences"]) == 2
    assert as_json["placement"]["result"]["did_open"] == "25"
    tocsin("simulate", status=2)
    assert "without a result" in tocsin.error


def test_a_sample_is_previewed_as_an_integration_reads_it(
    tocsin: Terminal, installation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Integration(name="own", kind="webhook", mapping=Mapping(title="body.what"))
    installation.answer("ListIntegrations", detection.ListIntegrationsResponse(integrations=[own]))
    rejection = detection.Rejection(index=1, reason="title is empty")
    installation.answer("PreviewReport", detection.PreviewReportResponse(alerts=[held_alert()], rejections=[rejection], status=202))
    file = tmp_path / "sample.json"
    file.write_bytes(b'[{"what": "disk full"}, {}]')
    output = tocsin("integration", "preview", str(file), "--integration", "own", "--header", "X-Kind=a=b")
    assert "disk full" in output and "HTTP 202" in output and "title is empty" in output
    [request] = installation.requests("PreviewReport")
    assert (request.kind, request.mapping.title, request.body) == ("webhook", "body.what", file.read_bytes())
    assert dict(request.headers) == {"x-kind": "a=b"}
    tocsin("integration", "preview", str(file), "--integration", "others", status=2)
    assert "tocsin integration list" in tocsin.error
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    tocsin("integration", "preview", "-")
    assert installation.requests("PreviewReport")[1].body == b"{}"


def test_a_secret_is_read_from_a_file_and_never_from_the_command_line(
    tocsin: Terminal, installation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.answer("SetIntegrationSecret", detection.SetIntegrationSecretResponse(integration=Integration(name="own", secrets=2)))
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    assert "rotation" in tocsin("integration", "secret", "own", "--file", str(file))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"typed")))
    tocsin("integration", "secret", "own", "--file", "-")
    tocsin("integration", "secret", "own", "--remove", "--yes")
    assert [each.secret for each in installation.requests("SetIntegrationSecret")] == ["s3cret", "typed", ""]
    file.write_text("\n")
    tocsin("integration", "secret", "own", "--file", str(file), status=2)
    assert "empty" in tocsin.error


def test_a_key_that_senders_have_already_is_imported_from_a_file(
    tocsin: Terminal, installation: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.answer("ImportIntegrationKey", detection.ImportIntegrationKeyResponse(integration=Integration(name="own")))
    file = tmp_path / "key"
    file.write_text("eb243592-faa2-4ba2-a551-1afdf565c889\n")
    assert "eb243592" not in tocsin("integration", "import-key", "own", "--file", str(file), "--yes")
    [request] = installation.requests("ImportIntegrationKey")
    assert (request.name, request.key) == ("own", "eb243592-faa2-4ba2-a551-1afdf565c889")
    file.write_text("")
    tocsin("integration", "import-key", "own", "--file", str(file), "--yes", status=2)
    assert "the key is empty" in tocsin.error


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
    installation.answer(
        "GetOncall", response.GetOncallResponse(duties=[duty, Duty(schedule="secondary"), Duty(schedule="night", contact="room")])
    )
    output = tocsin("oncall", "now", "--at", "2026-11-23 09:00")
    assert "contact room" in output
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
        for words in (["integration", "rotate", "prometheus"], ["key", "revoke", "ci"]):
            tocsin(*words, status=2)
            assert "--yes" in tocsin.error
    assert installation.calls == []
    assert "new" in tocsin("integration", "rotate", "prometheus", "--yes")
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
        (["alert", "snooze", ID, "soon"], "UNTIL: 'soon' is neither a duration"),
        (["maintenance", "add", "x", "--for", "1h", "--zone", "Mars"], "--zone: 'Mars' is no time zone"),
        (["simulate", "--config", "/no/such/place"], "/no/such/place: no such file or directory"),
        (["heartbeat", "add", "x", "--every", "90s"], "--every: give whole minutes"),
        (["integration", "preview", "/no/such/file"], "FILE: cannot read /no/such/file"),
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


def test_escalations_are_changed_by_hand(tocsin: Terminal, installation: Any) -> None:
    running = Escalation(policy="checkout", state=Escalation.STATE_RUNNING, step=1, acknowledgements_needed=2, acknowledged_by=["ann"])
    asked = Summons(id=ID, responder="bob", urgency=URGENCY_HIGH, explanation="Step 2 of checkout: Bob is on call")
    installation.answer("EscalateNow", escalation_service.EscalateNowResponse(escalation=running, summonses=[asked]))
    output = tocsin("escalation", "now", ID, "--step", "2", "--reason", "no answer")
    assert "RUNNING" in output and "1 of 2 (ann)" in output and "Bob is on call" in output
    [request] = installation.requests("EscalateNow")
    assert (request.step_number, request.reason) == (2, "no answer") and request.request_id
    installation.answer("Reassign", escalation_service.ReassignResponse(escalation=running, summonses=[asked]))
    for to in ("policy:night", "schedule:primary", "bob"):
        tocsin("escalation", "reassign", ID, to)
    given = installation.requests("Reassign")
    assert given[0].escalation_policy == "night"
    assert [each.target.WhichOneof("target") for each in given[1:]] == ["schedule", "responder"]
    tocsin("escalation", "reassign", ID, "robot:x", status=2)
    assert "schedule:NAME" in tocsin.error
    installation.answer("AddResponder", escalation_service.AddResponderResponse(summonses=[asked]))
    assert "bob" in tocsin("escalation", "add", ID, "bob", "--message", "the database")
    installation.answer("AnswerSummons", escalation_service.AnswerSummonsResponse(summons=Summons(id=ID, answer=Summons.ANSWER_DECLINED)))
    assert "DECLINED" in tocsin("escalation", "answer", ID, "declined", "--reason", "on a plane")
    stopped = Escalation(state=Escalation.STATE_STOPPED, stop_reason="stopped by alice: a drill")
    installation.answer("StopEscalation", escalation_service.StopEscalationResponse(escalation=stopped))
    assert "a drill" in tocsin("escalation", "stop", ID, "--reason", "a drill")
    installation.answer("ConfirmAcknowledgement", at(escalation_service.ConfirmAcknowledgementResponse(), "expires_at", NINE))
    assert "2026-11-23 09:00:00 CET" in tocsin("escalation", "confirm", ID)


def test_an_escalation_is_simulated_with_its_channels(tocsin: Terminal, installation: Any) -> None:
    installation.answer("ListServices", triage.ListServicesResponse(services=[Service(name="shop", escalation_policy="p", team="t")]))
    asked = at(escalation_service.SimulatedSummons(responder="ann", urgency=URGENCY_LOW, explanation="Step 1 of p"), "at", NINE)
    remark = at(escalation_service.SimulatedRemark(text="step 2 waits"), "at", NINE)
    answer = escalation_service.SimulateEscalationResponse(summonses=[asked], remarks=[remark], escalation_policy="p")
    installation.answer("SimulateEscalation", answer)
    page = at(PreviewedPage(contact_method="ann-mail", channel=ContactMethod.KIND_EMAIL, warning="not confirmed"), "at", NINE)
    installation.answer("PreviewPages", paging_service.PreviewPagesResponse(pages=[page]))
    output = tocsin("escalation", "simulate", "--service", "shop", "--severity", "sev2", "--at", "2026-11-23T09:00Z")
    assert "EMAIL ann-mail" in output and "not confirmed" in output and "step 2 waits" in output and "LOW" in output
    [request] = installation.requests("SimulateEscalation")
    assert (request.escalation_policy, request.team, request.severity) == ("p", "t", Severity.SEVERITY_SEV2)
    [preview] = installation.requests("PreviewPages")
    assert (preview.responder, preview.severity, preview.service) == ("ann", "SEV2", "shop")
    tocsin("escalation", "simulate", "--service", "gone", status=2)
    tocsin("escalation", "simulate", status=2)


def test_an_audit_with_findings_fails(tocsin: Terminal, installation: Any) -> None:
    installation.answer("AuditTimers", escalation_service.AuditTimersResponse(escalations=3, expected=5))
    assert "5" in tocsin("escalation", "audit", "--window", "7d")
    [request] = installation.requests("AuditTimers")
    assert request.window.ToTimedelta() == timedelta(days=7)
    late = escalation_service.TimerFinding(kind=escalation_service.TimerFinding.KIND_LATE, text="step 2 was 90 s late")
    installation.answer("AuditTimers", escalation_service.AuditTimersResponse(findings=[late]))
    assert "90 s late" in tocsin("escalation", "audit", status=1)
