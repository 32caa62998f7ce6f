"""Figures of schedules: `python -m tocsin_testkit.bench_oncall` measures them alone."""

import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict
from tocsin.response.v1.oncall_pb2 import Responder, Schedule
from tocsin.response.v1.response_service_pb2 import ApplyConfigurationRequest, Configuration, CreateOverrideRequest, GetOncallRequest

from tocsin_oncall.plain import schedule_of
from tocsin_oncall.render import Plan
from tocsin_testkit.installation import installation
from tocsin_testkit.measuring import percentile, print_machine
from tocsin_testkit.scenario import Caller

SCHEDULES = 1000
WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI"]
OFFICES = (("apac", "Asia/Singapore"), ("emea", "Europe/Paris"), ("amer", "America/New_York"))
YEAR = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def schedule(number: int) -> dict[str, Any]:
    """Every fourth one follows the sun, every fourth has office hours over a daily rotation; the others are plain weekly ones."""
    made: dict[str, Any] = {"name": f"schedule-{number}", "time_zone": OFFICES[number % 3][1]}
    match number % 4:
        case 0:
            made["layers"] = [
                {
                    "name": office,
                    "time_zone": zone,
                    "windows": [{"days": [f"DAY_{day}" for day in WEEKDAYS], "start": "08:00", "end": "17:00"}],
                    "rotation": rotation("UNIT_WEEKLY", "08:00", number, 3 + number % 4),
                }
                for office, zone in OFFICES
            ]
        case 1:
            hours = [{"start": "09:00", "end": "17:00"}]
            made["combine"] = "COMBINE_TOP_WINS"
            made["layers"] = [
                {"name": "day", "windows": hours, "rotation": rotation("UNIT_DAILY", "09:00", number, 3)},
                {"name": "night", "rotation": rotation("UNIT_DAILY", "09:00", number, 5)},
            ]
        case _:
            made["rotation"] = rotation("UNIT_WEEKLY", "09:00", number, 4)
    return made


def rotation(unit: str, at: str, number: int, size: int) -> dict[str, Any]:
    people = [f"person-{(number + place) % 200}" for place in range(size)]
    return {"unit": unit, "length": 1, "starts_on": "2025-01-06", "handoff_time": at, "responders": people}


def print_rendering() -> None:
    """A year of every schedule, by one process."""
    plans = [Plan(schedule_of(schedule(number))) for number in range(SCHEDULES)]
    began = time.process_time()
    shifts = sum(len(plan.shifts(*YEAR)) for plan in plans)
    seconds = time.process_time() - began
    print(f"{SCHEDULES} schedules over a year: {shifts} shifts with reasons in {seconds:.1f} s of one core")


def print_now(caller: Caller) -> None:
    """Who is on call for every schedule, through the edge: the first answer after a change, and the others."""
    responders = [Responder(name=f"person-{number}") for number in range(200)]
    schedules = [ParseDict(schedule(number), Schedule()) for number in range(SCHEDULES)]
    configuration = Configuration(responders=responders, schedules=schedules)
    began = time.perf_counter()
    caller.call(caller.response.ApplyConfiguration, ApplyConfigurationRequest(configuration=configuration))
    applied = time.perf_counter() - began
    first, duties = ask(caller)
    time.sleep(5)
    seconds = [ask(caller)[0] for _ in range(50)]
    request = CreateOverrideRequest(request_id="bench", schedule="schedule-7", responder="person-1")
    request.ends_at.FromDatetime(datetime.now(UTC) + timedelta(hours=1))
    caller.call(caller.response.CreateOverride, request)
    changed, _ = ask(caller)
    print(
        f"on call now for {SCHEDULES} schedules ({duties} duties) through the edge: p50 {statistics.median(seconds) * 1000:.0f} ms, "
        f"p95 {percentile(seconds, 95) * 1000:.0f} ms; after an override {changed * 1000:.0f} ms, after applying all (in {applied:.1f} s) "
        f"{first * 1000:.0f} ms"
    )


def ask(caller: Caller) -> tuple[float, int]:
    """How long the answer takes, and how many duties it holds."""
    began = time.perf_counter()
    answer = caller.call(caller.response.GetOncall, GetOncallRequest())
    return time.perf_counter() - began, len(answer.duties)


def main() -> None:
    print_machine()
    print_rendering()
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        Path(folder).chmod(0o755)
        with installation(Path(folder) / "home", {}) as up:
            print_now(Caller(up.connection))


if __name__ == "__main__":
    main()
