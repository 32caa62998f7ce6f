"""Guard rails: laws of a pure decision."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_oncall.hours import Hours
from tocsin_oncall.windows import Window
from tocsin_response.containment.measure import TargetKind
from tocsin_response.guard.rails import Act, ChangeWindow, Counted, NeverTouch, Rails, RateLimit, refusal

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def host(name, action="isolate-host", severity=0):
    return Act(action, TargetKind.HOST, name, severity)


def address(text, action="block-address"):
    return Act(action, TargetKind.ADDRESS, text)


def rails(*never, limits=(), windows=()):
    return [Rails("r", tuple(never), tuple(limits), tuple(windows))]


@pytest.mark.parametrize(
    ("pattern", "target", "refused"),
    [
        ("dc-*", "DC-1", True),
        ("dc-?", "dc-12", False),
        ("tocsin", "tocsin", True),
        ("tocsin", "tocsin-2", False),
    ],
)
def test_a_host_that_is_never_touched_is_known_whatever_its_case(pattern, target, refused):
    assert bool(refusal(rails(NeverTouch(TargetKind.HOST, pattern, "why")), host(target), (), MONDAY_NOON)) is refused


@pytest.mark.parametrize(
    ("protected", "target", "refused"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.0.0/16", True),  # blocking the network would hit it
        ("10.0.0.0/8", "::ffff:10.1.2.3", True),
        ("10.0.0.0/8", "203.0.113.7", False),
        ("2001:db8::/32", "2001:db8::1", True),
    ],
)
def test_an_address_is_protected_however_it_is_written(protected, target, refused):
    assert bool(refusal(rails(NeverTouch(TargetKind.ADDRESS, protected)), address(target), (), MONDAY_NOON)) is refused


@pytest.mark.parametrize("target", ["0.0.0.0/0", "::/0", "1.0.0.0/4", "not-an-address", "", " "])
def test_targets_that_mean_the_world_or_nothing_are_refused_without_any_rail(target):
    assert refusal([], address(target), (), MONDAY_NOON)


def test_a_name_that_stands_for_many_is_refused():
    assert "many targets" in refusal([], host("web-*"), (), MONDAY_NOON)


@given(
    most=st.integers(1, 5),
    touched=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 120)), max_size=12),
    next_one=st.sampled_from("abcdefghz"),
)
def test_a_limit_lets_at_most_so_many_targets_through(most, touched, next_one):
    """Whatever was touched before: with the next one there are never more than the limit says, unless it adds none."""
    lately = [Counted("isolate-host", name, MONDAY_NOON - timedelta(minutes=minutes)) for name, minutes in touched]
    limit = RateLimit(frozenset({"isolate-host"}), most, HOUR)
    why = refusal(rails(limits=[limit]), host(next_one), lately, MONDAY_NOON)
    within = {each.target for each in lately if each.at > MONDAY_NOON - HOUR}
    assert (why == "") == (next_one in within or len(within) < most)


def test_harmless_actions_are_neither_counted_nor_limited():
    limit = RateLimit(frozenset(), 1, HOUR)
    lately = [Counted("collect-evidence", "a", MONDAY_NOON)]
    assert refusal(rails(limits=[limit]), host("b"), lately, MONDAY_NOON) == ""
    assert refusal(rails(limits=[limit]), host("b", "collect-evidence"), [Counted("isolate-host", "a", MONDAY_NOON)], MONDAY_NOON) == ""


def test_outside_of_the_change_window_only_the_worst_incidents_act():
    night = Hours("night", "UTC", (Window(timedelta(hours=1), timedelta(hours=5)),))
    window = ChangeWindow(frozenset({"rollback-deployment"}), night, not_for_severity=2)
    act = Act("rollback-deployment", TargetKind.WORKLOAD, "shop", severity=3)
    assert "night" in refusal(rails(windows=[window]), act, (), MONDAY_NOON)
    assert refusal(rails(windows=[window]), Act(act.action, act.kind, act.target, severity=1), (), MONDAY_NOON) == ""
    assert refusal(rails(windows=[window]), host("h"), (), MONDAY_NOON) == ""
    assert refusal(rails(windows=[window]), act, (), datetime(2026, 11, 23, 2, tzinfo=UTC)) == ""
