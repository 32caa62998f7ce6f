"""The rules of heartbeats."""

from datetime import timedelta

import pytest
from detection_words import NOON, request
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.heartbeat.heartbeat import (
    Heartbeat,
    State,
    Unit,
    disable,
    enable,
    expire,
    lateness,
    ping,
    reconfigured,
    recovery,
)
from tocsin_detection.heartbeat.wire import configured, heartbeat_message, heartbeat_of
from tocsin_detection.intake.heartbeat import ping_of, read

MINUTE = timedelta(minutes=1)
NIGHTLY = Heartbeat(
    "nightly backup", "door", 5, Unit.MINUTES, NOON, grace=MINUTE, owner_team="sre", alert_tags=("db",), alert_priority="P1"
)


def test_a_heartbeat_that_nobody_ever_pinged_is_never_late() -> None:
    assert (NIGHTLY.state, NIGHTLY.due_at) == (State.NEVER_PINGED, None)
    assert expire(NIGHTLY, NOON + timedelta(days=900)) == NIGHTLY


def test_the_first_ping_arms_it_unless_it_is_one_that_arms_nothing() -> None:
    assert ping(NIGHTLY, NOON, arms=False).state is State.NEVER_PINGED
    armed = ping(NIGHTLY, NOON, arms=True)
    assert (armed.state, armed.due_at) == (State.ALIVE, NOON + 6 * MINUTE)
    assert ping(armed, NOON + MINUTE, arms=False).due_at == NOON + 7 * MINUTE


def test_it_is_late_once_interval_and_grace_have_passed_and_alive_with_the_next_ping() -> None:
    armed = ping(NIGHTLY, NOON, arms=True)
    assert expire(armed, NOON + 6 * MINUTE - timedelta(microseconds=1)) == armed
    late = expire(armed, NOON + 9 * MINUTE)
    assert (late.state, late.late_since, late.due_at) == (State.LATE, NOON + 6 * MINUTE, None)
    assert expire(late, NOON + 20 * MINUTE) == late
    again = ping(late, NOON + 10 * MINUTE, arms=False)
    assert (again.state, again.due_at) == (State.ALIVE, NOON + 16 * MINUTE)


def test_one_that_is_switched_off_is_never_late_and_gets_a_whole_interval_when_it_is_switched_on() -> None:
    late = expire(ping(NIGHTLY, NOON, arms=True), NOON + 9 * MINUTE)
    off = disable(late)
    assert (off.state, off.due_at, off.late_since) == (State.DISABLED, None, None)
    on = enable(off, NOON + 60 * MINUTE)
    assert (on.state, on.due_at) == (State.ALIVE, NOON + 66 * MINUTE)
    assert enable(on, NOON + 61 * MINUTE) == on
    assert enable(disable(NIGHTLY), NOON).state is State.NEVER_PINGED


def test_a_new_interval_counts_from_the_newest_ping_and_one_that_is_late_stays_so() -> None:
    armed = ping(NIGHTLY, NOON, arms=True)
    hourly = Heartbeat("nightly backup", "door", 1, Unit.HOURS, NOON + MINUTE, disabled=True)
    changed = reconfigured(armed, hourly)
    assert (changed.state, changed.due_at, changed.created_at) == (State.ALIVE, NOON + 60 * MINUTE, NOON)
    late = expire(armed, NOON + 9 * MINUTE)
    assert reconfigured(late, hourly).state is State.LATE
    assert reconfigured(late, Heartbeat("nightly backup", "other", 5, Unit.MINUTES, NOON)).state is State.ALIVE


def test_its_alert_says_whose_it_is_and_the_next_ping_is_about_the_same_thing() -> None:
    late = expire(ping(NIGHTLY, NOON, arms=True), NOON + 9 * MINUTE)
    fires = lateness(late, "checkout", NOON + 6 * MINUTE)
    assert (fires.title, fires.severity, fires.service, fires.tags) == ("heartbeat nightly backup is late", "p1", "checkout", ("db",))
    assert fires.labels == {"heartbeat": "nightly backup", "team": "sre"} and "every 5 minutes" in fires.description
    ends = recovery(late, NOON + 10 * MINUTE, "a ping came")
    assert ends.resolved and ends.fingerprint == fires.fingerprint and ends.integration == fires.integration


def test_what_is_configured_survives_the_wire_and_what_happened_is_no_part_of_it() -> None:
    late = expire(ping(NIGHTLY, NOON, arms=True), NOON + 9 * MINUTE)
    assert heartbeat_of(heartbeat_message(late), NOON) == NIGHTLY
    assert configured(late) == configured(NIGHTLY)


@given(
    st.lists(st.sampled_from(["ping", "get", "expire", "enable", "disable"]), max_size=30),
    st.lists(st.integers(0, 20), min_size=30, max_size=30),
)
def test_whatever_happens_it_is_late_only_when_it_was_armed_is_on_and_its_time_has_passed(
    happenings: list[str], minutes: list[int]
) -> None:
    heartbeat, now = NIGHTLY, NOON
    for happening, passed in zip(happenings, minutes, strict=False):
        now += passed * MINUTE
        match happening:
            case "ping" | "get":
                heartbeat = ping(heartbeat, now, arms=happening == "ping")
            case "expire":
                heartbeat = expire(heartbeat, now)
                assert heartbeat.due_at is None or heartbeat.due_at > now
            case "enable":
                heartbeat = enable(heartbeat, now)
            case _:
                heartbeat = disable(heartbeat)
        if heartbeat.state is State.LATE:
            assert heartbeat.last_ping_at is not None and not heartbeat.disabled
            assert heartbeat.late_since is not None and heartbeat.late_since >= heartbeat.last_ping_at + 6 * MINUTE


@pytest.mark.parametrize(
    ("method", "path", "name", "arms"),
    [
        ("POST", "/nightly", "nightly", True),
        ("PUT", "/nightly/", "nightly", True),
        ("GET", "/nightly%20backup", "nightly backup", False),
        ("HEAD", "/nightly backup", "nightly backup", False),
    ],
)
def test_a_ping_names_the_heartbeat_in_its_path_and_only_a_change_arms(method: str, path: str, name: str, arms: bool) -> None:
    ping = ping_of(request("heartbeat", b"", method=method, path=path))
    assert ping is not None and (ping.name, ping.arms) == (name, arms)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("DELETE", "/x", 405), ("POST", "/", 404), ("POST", "/a/b", 404), ("POST", "/" + "x" * 201, 404)]
)
def test_what_is_no_ping_is_refused_in_words(method: str, path: str, status: int) -> None:
    other = request("heartbeat", b"", method=method, path=path)
    assert ping_of(other) is None
    refusal = read(other).refusal
    assert refusal is not None and refusal.status == status and b"send a POST" in refusal.body


@given(st.text(max_size=30), st.text(max_size=300))
def test_no_path_breaks_it(method: str, path: str) -> None:
    ping = ping_of(request("heartbeat", b"", method=method, path=path))
    assert ping is None or (ping.name and "\0" not in ping.name)
