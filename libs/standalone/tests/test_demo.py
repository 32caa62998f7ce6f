"""The example organisation is what the platform takes, and quick enough to watch."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tocsin_client import configuration, schedule_files
from tocsin_standalone import platform
from tocsin_standalone.demo.__main__ import ORGANISATION


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
