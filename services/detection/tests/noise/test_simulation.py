"""What if: alerts of the past go through other rules."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from noise_words import MINUTE, NOON, an_alert

from tocsin_detection.alert import Alert
from tocsin_detection.hold import HoldKind
from tocsin_detection.noise.frequency import Flapping, Threshold
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.matcher import read
from tocsin_detection.noise.rules import NoiseRule, Rules
from tocsin_detection.noise.silence import Silence
from tocsin_detection.noise.simulation import Outcome, Replay
from tocsin_detection.noise.storm import StormRule

DAY = timedelta(days=1)
FLAPS = Flapping("flaps", "", (), 3, 10 * MINUTE, 5 * MINUTE)
THRICE = Threshold("thrice", "", (), 3, 10 * MINUTE)
STORM = StormRule("storm", "", (), 5, MINUTE, None)
DOWN = Inhibition("down", "", read('alertname="Down"'), read('alertname="Disk"'), ("node",))


def alert(fingerprint: str, start: float, end: float | None = None, occurrences: int = 1, **said: object) -> Alert:
    """Minutes from noon."""
    opened = NOON + start * MINUTE
    resolved = None if end is None else NOON + end * MINUTE
    last = resolved or opened + (occurrences - 1) * MINUTE
    made = an_alert(fingerprint, at=opened, occurrences=occurrences, **said)  # type: ignore[arg-type]
    return structs.replace(made, resolved_at=resolved, last_signal_at=last)


def replayed(rules: Rules, alerts: Sequence[Alert]) -> dict[str, Outcome]:
    replay = Replay(rules, NOON + DAY)
    ordered = sorted(alerts, key=lambda each: (each.opened_at, each.id))
    outcomes = [outcome for each in ordered for outcome in replay.opens(each)]
    outcomes += replay.ends()
    assert len(outcomes) == len(alerts)
    return {outcome.alert.id: outcome for outcome in outcomes}


def minutes_of(rules: Rules, *alerts: Alert) -> list[float | None]:
    """When each would have woken somebody."""
    outcomes = replayed(rules, alerts)
    times = [outcomes[each.id].wakes_at for each in alerts]
    return [None if at is None else (at - NOON) / MINUTE for at in times]


def silenced(start: int, end: int) -> Silence:
    return Silence("s", read('service="shop"'), NOON + start * MINUTE, NOON + end * MINUTE, "alice", "known", NOON)


def test_without_rules_all_wake() -> None:
    assert minutes_of(Rules(), alert("a", 0, 1), alert("b", 5)) == [0, 5]


def test_a_silence_delays_what_outlasts_it() -> None:
    rules = Rules(silences=[silenced(0, 10)])
    assert minutes_of(rules, alert("a", 1, 5, service="shop"), alert("b", 2, 30, service="shop"), alert("c", 3)) == [None, 10, 3]


def test_a_silence_that_follows_another_holds_on() -> None:
    rules = Rules(silences=[silenced(0, 10), replace(silenced(10, 20), id="t")])
    assert minutes_of(rules, alert("a", 1, 30, service="shop")) == [20]


def test_what_explains_holds_back_as_long_as_it_fires() -> None:
    down = alert("n1", 0, 10, labels={"alertname": "Down", "node": "1"})
    disks = [alert(f"d{node}", 1, end, labels={"alertname": "Disk", "node": f"{node}"}) for node, end in ((1, 5), (2, 5))]
    outlasts = alert("d3", 2, 60, labels={"alertname": "Disk", "node": "1"})
    assert minutes_of(Rules(inhibitions=[DOWN]), down, *disks, outlasts) == [0, None, 1, 10]


def test_a_cause_that_comes_while_something_else_holds_takes_over() -> None:
    down = alert("n1", 5, 20, labels={"alertname": "Down", "node": "1"})
    disk = alert("d1", 1, 60, labels={"alertname": "Disk", "node": "1"}, service="shop")
    rules = Rules(silences=[silenced(0, 10)], inhibitions=[DOWN])
    assert minutes_of(rules, down, disk) == [5, 20]
    assert [hold.kind for hold in replayed(rules, [down, disk])[disk.id].holds] == [HoldKind.SILENCE]


def test_what_was_open_before_explains_too() -> None:
    replay = Replay(Rules(inhibitions=[DOWN]), NOON + DAY)
    replay.known(alert("n1", -60, 10, labels={"alertname": "Down"}))
    [outcome] = [*replay.opens(alert("d1", 1, 5, labels={"alertname": "Disk"})), *replay.ends()]
    assert outcome.wakes_at is None


def test_what_flaps_and_what_happens_too_seldom() -> None:
    flapping = [alert("a", start, start + 1) for start in range(0, 8, 2)]
    assert minutes_of(Rules(noise_rules=[FLAPS]), *flapping, alert("a", 9, 60)) == [0, 2, None, None, 14]
    assert minutes_of(Rules(noise_rules=[THRICE]), alert("a", 0, occurrences=5), alert("b", 0, occurrences=2)) == [2, None]
    thrice = [alert("a", start, start + 1) for start in (0, 3, 6, 30)]
    assert minutes_of(Rules(noise_rules=[THRICE]), *thrice) == [None, None, 6, None]


def test_of_a_flood_the_first_of_every_service_wakes() -> None:
    flood = [alert(f"k{n}", n / 100, 60, service="shop") for n in range(20)]
    others = [alert("c1", 0.5, 60, service="cart"), alert("c2", 0.6, 60, service="cart")]
    woke = minutes_of(Rules(noise_rules=[STORM]), *flood, *others)
    assert [at is not None for at in woke] == [True] * 5 + [False] * 15 + [True, False]
    released = minutes_of(Rules(noise_rules=[replace(STORM, release_after=5 * MINUTE)]), *flood)
    assert all(at is not None for at in released) and max(at for at in released if at) > 5


SPANS = st.tuples(st.integers(0, 100), st.none() | st.integers(1, 50))
EPISODES = st.builds(
    lambda key, span, n, name, node: alert(
        key, span[0], span[0] + span[1] if span[1] else None, n, labels={"alertname": name, "node": node}, service=key[0]
    ),
    st.sampled_from(["a1", "a2", "b1", "b2"]),
    SPANS,
    st.integers(1, 5),
    st.sampled_from(["Down", "Disk"]),
    st.sampled_from(["1", "2"]),
)
SORTS: list[NoiseRule] = [FLAPS, THRICE, STORM, replace(STORM, name="released", release_after=MINUTE)]
RULES = st.builds(
    lambda sorts, down, quiet: Rules(
        noise_rules=sorts, inhibitions=[DOWN] * down, silences=[replace(silenced(10, 40), matchers=read('service="a"'))] * quiet
    ),
    st.lists(st.sampled_from(SORTS), max_size=2, unique_by=lambda rule: rule.name),
    st.integers(0, 1),
    st.integers(0, 1),
)


@settings(deadline=None)
@given(RULES, st.lists(EPISODES, max_size=25))
def test_every_alert_comes_out_once_and_wakes_within_its_life(rules: Rules, alerts: list[Alert]) -> None:
    for outcome in replayed(rules, alerts).values():
        if outcome.wakes_at is None:
            assert outcome.holds
        else:
            assert outcome.alert.opened_at <= outcome.wakes_at <= (outcome.alert.resolved_at or NOON + DAY)
            assert bool(outcome.holds) == (outcome.wakes_at > outcome.alert.opened_at)


@settings(deadline=None)
@given(RULES, st.lists(EPISODES, max_size=25))
def test_a_replay_comes_out_the_same_every_time(rules: Rules, alerts: list[Alert]) -> None:
    assert replayed(rules, alerts) == replayed(rules, alerts)


@settings(deadline=None)
@given(st.lists(EPISODES, max_size=25))
def test_a_silence_more_wakes_nobody_more(alerts: list[Alert]) -> None:
    without = replayed(Rules(), alerts)
    with_one = replayed(Rules(silences=[silenced(0, 1_000), replace(silenced(10, 40), matchers=read('service="a"'))]), alerts)
    assert {key for key, outcome in with_one.items() if outcome.wakes_at} <= {key for key, outcome in without.items() if outcome.wakes_at}
