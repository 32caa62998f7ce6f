"""The example organisation is what the platform takes, and quick enough to watch."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tocsin_client import cli, configuration, schedule_files
from tocsin_standalone import platform
from tocsin_standalone.demo.__main__ import ORGANISATION

README = Path(__file__).parents[3] / "README.md"


def test_the_organisation_can_be_read_and_refers_to_nothing_that_is_missing() -> None:
    loaded = configuration.load(ORGANISATION)
    assert {path.suffix for path in Path(ORGANISATION).iterdir()} == {".yaml"}
    assert loaded


def test_there_is_an_integration_of_every_kind_in_the_contract() -> None:
    assert {"alertmanager", "webhook"} <= set(platform.integration_kinds())


def test_somebody_of_the_platform_team_is_always_on_call_whatever_clocks_do() -> None:
    [sun] = [plan for plan in schedule_files.plans(ORGANISATION) if plan.schedule.name == "platform-sun"]
    year = sun.shifts(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert {shift.responders for shift in year} == {("chen",), ("dolores",), ("chen", "dolores")}
    assert min(shift.end - shift.start for shift in year[1:-1]) >= timedelta(minutes=30)


def test_the_readmes_commands_about_the_security_incident_exist(capsys: pytest.CaptureFixture[str]) -> None:
    told = README.read_text().partition("## A security incident, six phases")[2].partition("\n## ")[0]
    commands = [line.split()[1:3] for line in told.splitlines() if line.startswith(".venv/bin/tocsin ")]
    assert len(commands) == 7
    for command in commands:
        assert cli.run([*command, "--help"]) == 0, command
        assert command[1] in capsys.readouterr().out
