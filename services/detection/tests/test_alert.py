"""The rules of an alert's life: plain cases, and laws for any order of signals."""

from datetime import timedelta

from detection_words import NOON, CountedIds, signal
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin_detection.alert import Alert, Decision, Verdict, end_silently, observe, resolve_by_hand
from tocsin_detection.report import decide
from tocsin_detection.signal import Signal

MINUTE = timedelta(minutes=1)


def opened(**fields: object) -> Alert:
    alert = observe(None, signal(**fields), NOON, CountedIds()).alert
    assert alert is not None
    return alert


def test_the_first_signal_opens_an_alert() -> None:
    decision = observe(None, signal(severity="critical"), NOON, CountedIds())
    assert decision.verdict is Verdict.OPENED
    assert decision.alert is not None and decision.alert.open
    assert (decision.alert.id, decision.alert.version, decision.alert.occurrences) == ("a-1", 1, 1)
    assert decision.reason


def test_the_same_again_is_counted_and_told_to_nobody() -> None:
    alert = opened()
    decision = observe(alert, signal(), NOON + MINUTE, CountedIds())
    assert decision.verdict is Verdict.REPEATED
    assert decision.alert == replace(alert, occurrences=2, last_signal_at=NOON + MINUTE)


def test_new_words_and_an_earlier_start_change_the_alert() -> None:
    decision = observe(opened(severity="warning"), signal(severity="critical", starts_at=NOON - MINUTE), NOON, CountedIds())
    assert decision.verdict is Verdict.CHANGED
    assert decision.reason == "a repeat changed its severity, start"
    assert decision.alert is not None
    assert (decision.alert.sender_severity, decision.alert.starts_at, decision.alert.version) == ("critical", NOON - MINUTE, 2)


def test_a_later_start_changes_nothing() -> None:
    decision = observe(opened(), signal(starts_at=NOON + MINUTE), NOON, CountedIds())
    assert decision.verdict is Verdict.REPEATED
    assert decision.alert is not None and decision.alert.starts_at == NOON


def test_a_resolve_ends_the_alert_for_good() -> None:
    resolve = signal(resolved=True, ends_at=NOON + MINUTE)
    ended = observe(opened(), resolve, NOON + MINUTE, CountedIds()).alert
    assert ended is not None and not ended.open
    assert (ended.resolve_reason, ended.resolved_at, ended.version) == ("RESOLVED_BY_SENDER", NOON + MINUTE, 2)
    assert observe(ended, resolve, NOON + 2 * MINUTE, CountedIds()).verdict is Verdict.IGNORED
    again = observe(ended, signal(), NOON + 2 * MINUTE, CountedIds())
    assert again.verdict is Verdict.OPENED and again.alert is not None and again.alert.version == 1


def test_a_resolve_of_an_unknown_alert_makes_nothing() -> None:
    decision = observe(None, signal(resolved=True, ends_at=NOON), NOON, CountedIds())
    assert (decision.verdict, decision.alert) == (Verdict.IGNORED, None)


def test_the_repeated_end_of_an_earlier_episode_does_not_end_this_one() -> None:
    late = signal(resolved=True, starts_at=NOON - 9 * MINUTE, ends_at=NOON - 5 * MINUTE)
    assert observe(opened(), late, NOON + MINUTE, CountedIds()).verdict is Verdict.IGNORED


def test_a_sender_without_starts_whose_clock_is_behind_can_still_resolve() -> None:
    behind = NOON - timedelta(seconds=2)
    assert observe(opened(), signal(resolved=True, starts_at=behind, ends_at=behind), NOON, CountedIds()).verdict is Verdict.RESOLVED


def test_an_explicit_end_beats_a_timeout_end() -> None:
    guessed = opened(ends_at=NOON + 5 * MINUTE, ends_by_timeout=True)
    explicit = observe(guessed, signal(ends_at=NOON + 2 * MINUTE), NOON, CountedIds()).alert
    assert explicit is not None and (explicit.ends_at, explicit.ends_by_timeout) == (NOON + 2 * MINUTE, False)
    given_later = opened(ends_at=NOON + 9 * MINUTE)
    kept = observe(given_later, signal(ends_at=NOON + 5 * MINUTE, ends_by_timeout=True), NOON, CountedIds()).alert
    assert kept is not None and (kept.ends_at, kept.ends_by_timeout) == (NOON + 9 * MINUTE, False)


def test_a_newer_timeout_end_keeps_a_live_alert_alive() -> None:
    brief = opened(ends_at=NOON + MINUTE)
    moved = observe(brief, signal(ends_at=NOON + 6 * MINUTE, ends_by_timeout=True), NOON + MINUTE, CountedIds()).alert
    assert moved is not None and (moved.ends_at, moved.ends_by_timeout) == (NOON + 6 * MINUTE, True)


def test_silence_ends_an_alert_at_its_end_and_not_before() -> None:
    alert = opened(ends_at=NOON + 4 * MINUTE)
    assert end_silently(alert, NOON + 4 * MINUTE - timedelta(microseconds=1)).verdict is Verdict.IGNORED
    decision = end_silently(alert, NOON + 4 * MINUTE)
    assert decision.verdict is Verdict.RESOLVED
    assert decision.alert is not None and decision.alert.resolve_reason == "ENDED_SILENTLY"
    assert end_silently(opened(), NOON + timedelta(days=365)).verdict is Verdict.IGNORED


def test_a_person_ends_an_alert_once() -> None:
    decision = resolve_by_hand(opened(), "alice", NOON)
    assert decision.alert is not None and decision.alert.resolve_reason == "RESOLVED_BY_RESPONDER"
    assert "alice" in decision.reason
    again = resolve_by_hand(decision.alert, "bob", NOON + MINUTE)
    assert (again.verdict, again.alert) == (Verdict.IGNORED, decision.alert)


repeats = st.builds(
    lambda start, end: signal(starts_at=NOON + start * MINUTE, ends_at=NOON + timedelta(hours=1) + end * MINUTE),
    st.integers(-30, 0),
    st.integers(0, 30),
)


@given(st.lists(repeats, min_size=1, max_size=8).flatmap(lambda items: st.tuples(st.just(items), st.permutations(items))))
def test_any_order_of_repeats_ends_in_the_same_alert(orders: tuple[list[Signal], list[Signal]]) -> None:
    ends = [decide([], order, (), NOON, CountedIds())[-1].alert for order in orders]
    first, second = (replace(alert, version=0) for alert in ends if alert is not None)
    assert first == second
    assert first.occurrences == len(orders[0])


anything = st.builds(
    lambda thing, resolved, minute, severity: signal(
        fingerprint=thing,
        resolved=resolved,
        severity=severity,
        starts_at=NOON + minute * MINUTE,
        ends_at=NOON + (minute + 1) * MINUTE if resolved else None,
    ),
    st.sampled_from("xyz"),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["", "critical"]),
)


def kept(decisions: list[Decision]) -> list[Alert]:
    """The alerts that decisions leave, each once, as it ended up."""
    return list({item.alert.id: item.alert for item in decisions if item.alert and item.verdict is not Verdict.IGNORED}.values())


@given(st.lists(anything, max_size=30), st.integers(1, 5))
def test_any_signals_leave_one_open_alert_for_each_thing_and_reopen_none(signals: list[Signal], batch: int) -> None:
    ids = CountedIds()
    alerts: dict[str, Alert] = {}
    for start in range(0, len(signals), batch):
        existing = [alert for alert in alerts.values() if alert.open]
        decided = decide(existing, signals[start : start + batch], (), NOON, ids)
        for alert in kept(decided):
            before = alerts.get(alert.id)
            assert before is None or (before.open and alert.version >= before.version and alert.occurrences > before.occurrences)
            alerts[alert.id] = alert
        still_open = [alert.fingerprint for alert in alerts.values() if alert.open]
        assert len(still_open) == len(set(still_open))


@given(st.lists(anything, max_size=30), st.integers(1, 5))
def test_how_signals_are_batched_does_not_matter(signals: list[Signal], batch: int) -> None:
    def ends(size: int) -> dict[str, Alert]:
        ids, alerts = CountedIds(), dict[str, Alert]()
        for start in range(0, len(signals), size):
            decided = decide([alert for alert in alerts.values() if alert.open], signals[start : start + size], (), NOON, ids)
            alerts.update({alert.id: alert for alert in kept(decided)})
        return alerts

    assert ends(batch) == ends(max(1, len(signals)))


@given(st.lists(anything, max_size=30))
def test_every_version_of_an_alert_is_told_once(signals: list[Signal]) -> None:
    told = [
        (decision.alert.id, decision.alert.version)
        for decision in decide([], signals, (), NOON, CountedIds())
        if decision.alert is not None and decision.verdict not in (Verdict.REPEATED, Verdict.IGNORED)
    ]
    assert len(told) == len(set(told))
