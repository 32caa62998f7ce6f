"""`tocsin oncall`: schedules from files without a server, and what people ask the server about duties."""

import json
import xml.etree.ElementTree as ElementTree
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from tocsin.response.v1 import oncall_pb2, oncall_service_pb2, response_service_pb2

from tocsin_client import cli, times
from tocsin_client.errors import UsageError

README = Path(__file__).parents[2] / "oncall" / "README.md"
ID = "01934000-0000-7000-8000-000000000001"


def example() -> str:
    """The follow-the-sun team of the README."""
    return README.read_text().split("```yaml\n", 1)[1].split("```", 1)[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sun.yaml"
    path.write_text(example())
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    assert cli.run([str(each) for each in arguments]) == status, capsys.readouterr().err
    said = capsys.readouterr()
    return said.out if status == 0 else said.err


@pytest.fixture
def server(installation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TOCSIN_GRPC", installation.address)
    monkeypatch.setenv("TOCSIN_API_KEY", "k")
    return installation


def test_the_readmes_team_is_rendered_without_a_server(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Across the change of clocks in Europe: offices open at 08:00 of their own wall clocks, the days before and after."""
    arguments = ("oncall", "render", "--file", file, "--from", "2026-03-27", "--to", "2026-03-31")
    shifts = json.loads(run(capsys, *arguments, "-o", "json"))
    assert all(set(shift) == {"start", "end", "responders", "reason"} for shift in shifts)
    begins = {shift["start"] for shift in shifts}
    assert {"2026-03-27T07:00:00Z", "2026-03-30T06:00:00Z"} <= begins
    for left, right in pairwise(shifts):
        assert left["end"] == right["start"]
    assert yaml.safe_load(run(capsys, *arguments, "-o", "yaml")) == shifts
    assert "Fri 2026-03-27 07:00 UTC" in run(capsys, *arguments)
    assert "always on call" in run(capsys, "oncall", "gaps", "--file", file, "--from", "2026-03-01", "--days", "60")


def test_pictures_are_svg_without_script(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("render", "fairness"):
        drawn = run(capsys, "oncall", command, "--file", file, "--from", "2026-03-01", "--to", "2026-04-01", "-o", "svg")
        root = ElementTree.fromstring(drawn)
        assert root.tag.endswith("svg")
        assert "amara" in drawn and "<script" not in drawn


def test_a_picture_shows_what_shifts_come_from_above_the_final_row(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In March Raj covers two days of everybody's, and over one of them Mei was meant to."""
    over = [("raj", "2026-03-10", "2026-03-12"), ("mei", "2026-03-11", "2026-03-12")]
    overrides = [
        {"responder": who, "from": f"{since}T00:00:00Z", "until": f"{until}T00:00:00Z", "reason": "ill"} for who, since, until in over
    ]
    resource = yaml.safe_load(example())
    resource["spec"]["overrides"] = overrides
    file.write_text(yaml.safe_dump(resource))
    rows = rows_of(run(capsys, "oncall", "render", "--file", file, "--from", "2026-03-01", "--to", "2026-04-01", "-o", "svg"))
    names = [name for name, _ in rows]
    assert names == ["apac", "emea", "amer", "weekend", "overrides", "", "on call", "amara", "bruno", "chen", "dolores", "mei", "raj"]
    bars = dict(rows)
    assert any("Tue 2026-03-10 00:00" in said and "raj" in said for said in bars["overrides"])
    # A layer says what it would say by itself, whatever goes over it.
    assert any(said.startswith("bruno, Wed 2026-03-11 07:00") for said in bars["emea"])
    assert any(said.startswith("mei, Wed 2026-03-11 00:00") for said in bars["on call"])


def rows_of(drawn: str) -> list[tuple[str, list[str]]]:
    """The rows of a picture from top to bottom: the name at the left, and what its bars say."""
    rows: list[tuple[str, list[str]]] = []
    for element in ElementTree.fromstring(drawn):
        title = element.find("{http://www.w3.org/2000/svg}title")
        if element.tag.endswith("text") and element.get("x") == "8" and title is not None:
            rows.append((title.text or "", []))
        elif element.tag.endswith("rect") and title is not None:
            rows[-1][1].append(title.text or "")
    return rows


def test_fairness_of_a_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("oncall", "fairness", "--file", file, "--from", "2026-03-01", "--to", "2026-04-01", "-o", "json")
    loads = json.loads(run(capsys, *arguments))
    assert loads == sorted(loads, key=lambda load: -load["hours"])
    assert {"responder", "hours", "night_hours", "weekend_hours", "shortest_rest_hours"} <= set(loads[0])


def test_mistakes_name_file_line_and_field(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = file.read_text()
    file.write_text(text.replace("Asia/Singapore", "Asia/Atlantis"))
    said = run(capsys, "oncall", "render", "--file", file, status=2)
    line = next(number for number, each in enumerate(text.splitlines(), 1) if "Asia/Singapore" in each)
    assert f"sun.yaml:{line}: Schedule" in said
    assert "layers[0].time_zone: 'Asia/Atlantis' is not a time zone" in said
    file.write_text(f"{text}\n---\n{text.replace('name: sun', 'name: moon', 1)}")
    assert "give --schedule with one of" in run(capsys, "oncall", "render", "--file", file, status=2)
    assert "did you mean 'moon'" in run(capsys, "oncall", "render", "mon", "--file", file, status=2)


def test_a_time_that_comes_twice_is_refused_with_both_readings() -> None:
    from zoneinfo import ZoneInfo

    paris, now = ZoneInfo("Europe/Paris"), datetime(2026, 10, 1, tzinfo=UTC)
    with pytest.raises(UsageError, match=r"2026-10-25T02:30:00\+02:00 or 2026-10-25T02:30:00\+01:00"):
        times.instant("2026-10-25T02:30", now, "--from", paris)
    with pytest.raises(UsageError, match=r"does not exist.*2026-03-29T03:30:00\+02:00"):
        times.instant("2026-03-29T02:30", now, "--from", paris)
    assert times.instant("2026-10-25T02:30+01:00", now, "--from", paris) == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)


def test_the_servers_schedule_is_rendered_alike(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    shift = oncall_service_pb2.Shift(schedule="sun", responders=["ann"], reason="because")
    shift.starts_at.FromDatetime(datetime(2026, 3, 1))
    shift.ends_at.FromDatetime(datetime(2026, 3, 2))
    gap = oncall_service_pb2.Shift(schedule="sun", reason="nobody", starts_at=shift.ends_at)
    gap.ends_at.FromDatetime(datetime(2026, 3, 3))
    server.answer("RenderSchedule", oncall_service_pb2.RenderScheduleResponse(shifts=[shift, gap]))
    server.answer("ListGaps", oncall_service_pb2.ListGapsResponse(gaps=[gap]))
    server.answer("ExportConfiguration", response_service_pb2.ExportConfigurationResponse())
    found = json.loads(run(capsys, "oncall", "render", "--schedule", "sun", "--from", "2026-03-01T00:00Z", "-o", "json"))
    assert found == [{"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z", "responders": ["ann"], "reason": "because"}]
    assert "nobody" in run(capsys, "oncall", "render", "sun")
    stratum = oncall_service_pb2.ScheduleStratum(name="first", shifts=[shift])
    server.answer("RenderSchedule", oncall_service_pb2.RenderScheduleResponse(shifts=[shift, gap], strata=[stratum]))
    drawn = rows_of(run(capsys, "oncall", "render", "sun", "-o", "svg"))
    assert [name for name, _ in drawn] == ["first", "on call", "ann", "nobody"]
    assert [each.strata for each in server.requests("RenderSchedule")] == [False, False, True]
    assert "nobody" in run(capsys, "oncall", "gaps", "sun")
    run(capsys, "oncall", "render", status=2)


def test_why_and_next(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    duty = oncall_pb2.Duty(schedule="sun", responder="bob", reason="shift 2")
    server.answer("ExplainOncall", oncall_service_pb2.ExplainOncallResponse(lines=["layer a: ann", "so on call: ann"], next=[duty]))
    assert "so on call: ann" in run(capsys, "oncall", "why", "sun")
    assert "bob" in run(capsys, "oncall", "next", "sun")
    assert json.loads(run(capsys, "oncall", "next", "sun", "-o", "json"))[0]["turn"] == "next"


def test_kinds_of_overrides(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    server.answer("CreateOverride", response_service_pb2.CreateOverrideResponse())
    for extra in (["--also"], ["--instead-of", "ann"], ["--off"], ["--layer", "x"]):
        run(capsys, "oncall", "override", "add", "sun", "bob", "--for", "2h", *extra)
    requests = server.requests("CreateOverride")
    Kind = oncall_pb2.Override.Kind
    assert [Kind.Name(each.kind) for each in requests] == ["KIND_ADD", "KIND_REPLACE", "KIND_REMOVE", "KIND_COVER_ALL"]
    assert [(each.responder, each.instead_of) for each in requests[:3]] == [("bob", ""), ("bob", "ann"), ("", "bob")]
    run(capsys, "oncall", "override", "add", "sun", "bob", "--for", "2h", "--also", "--off", status=2)


def test_swaps_temporary_schedules_calendars_and_links(server: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    swap = oncall_pb2.Swap(id=ID, schedule="sun", responder="ann", state=oncall_pb2.Swap.STATE_OPEN)
    server.answer("CreateSwap", oncall_service_pb2.CreateSwapResponse(swap=swap))
    server.answer("TakeSwap", oncall_service_pb2.TakeSwapResponse(swap=swap))
    server.answer("CancelSwap", oncall_service_pb2.CancelSwapResponse(swap=swap))
    server.answer("ListSwaps", oncall_service_pb2.ListSwapsResponse(swaps=[swap]))
    assert ID in run(capsys, "oncall", "swap", "ask", "sun", "ann", "--from", "+1h", "--until", "+5h", "--ask", "bob")
    run(capsys, "oncall", "swap", "take", ID, "bob")
    run(capsys, "oncall", "swap", "cancel", ID)
    assert "anybody" in run(capsys, "oncall", "swap", "list")
    run(capsys, "oncall", "swap", "ask", "sun", "ann", "--from", "+1h", "--until", "+5h", "--return-from", "+9h", status=2)

    server.answer("CreateTemporary", oncall_service_pb2.CreateTemporaryResponse())
    shift = "ann,bob=2026-12-24T09:00Z..2026-12-24T17:00Z"
    run(capsys, "oncall", "temporary", "add", "sun", "--from", "2026-12-24", "--until", "2026-12-27", "--shift", shift)
    [made] = server.requests("CreateTemporary")[0].shifts
    assert (list(made.responders), made.ends_at.ToDatetime()) == (["ann", "bob"], datetime(2026, 12, 24, 17))
    run(capsys, "oncall", "temporary", "add", "sun", "--from", "+1h", "--until", "+2h", "--shift", "ann", status=2)

    server.answer("PutCalendar", oncall_service_pb2.PutCalendarResponse())
    (tmp_path / "away.ics").write_text("BEGIN:VCALENDAR\nEND:VCALENDAR\n")
    run(capsys, "oncall", "calendar", "put", "away", tmp_path / "away.ics", "--kind", "absence", "--responder", "ann")
    assert server.requests("PutCalendar")[0].calendar.kind == oncall_pb2.Calendar.KIND_ABSENCE

    server.answer("CreateCalendarFeed", oncall_service_pb2.CreateCalendarFeedResponse(path="/calendar/secret.ics"))
    assert "/calendar/secret.ics" in run(capsys, "oncall", "feed", "add", "sun")
    duty = oncall_service_pb2.PastDuty(schedule="sun", responder="ann", reason="shift 1")
    server.answer("ListPastDuties", oncall_service_pb2.ListPastDutiesResponse(duties=[duty]))
    assert "shift 1" in run(capsys, "oncall", "history", "sun", "--from", "2d ago")
    conflict = oncall_service_pb2.Conflict(responder="ann", detail="ann is away")
    server.answer("ListConflicts", oncall_service_pb2.ListConflictsResponse(conflicts=[conflict]))
    assert "ann is away" in run(capsys, "oncall", "conflicts")
