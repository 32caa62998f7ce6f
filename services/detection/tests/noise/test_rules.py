"""Rules decide the same whether they are found by the index or tried one by one, and fast enough for a flood."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from noise_words import MINUTE, NOON, an_alert

from tocsin_detection.alert import Alert
from tocsin_detection.hold import HoldKind
from tocsin_detection.noise.court import Court
from tocsin_detection.noise.floods import Current, Floods
from tocsin_detection.noise.frequency import DEFAULT_FLAPPING, Flapping, Threshold, counted
from tocsin_detection.noise.index import Index
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.matcher import Matcher, MatcherInvalid, Operator, all_match, labels_of, matcher, read
from tocsin_detection.noise.rules import Rules, matchers_of
from tocsin_detection.noise.silence import Edited, Silence, SilenceInvalid, State, Wanted, edited, expired, in_time, made
from tocsin_detection.noise.storm import Flow, Storm, StormRule, Tally, summary
from tocsin_detection.noise.window import Window
from tocsin_kernel.ids import RandomIds

IDS = RandomIds()
NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.sampled_from(["", "x", "y", "xy"])
EXPRESSIONS = st.sampled_from(["x|y", ".*", ".+", "x.*", "[^x]", ""])
EXACT = st.builds(Matcher, NAMES, st.sampled_from([Operator.EQUAL, Operator.DIFFERENT]), TEXTS)
LIKE = st.builds(Matcher, NAMES, st.sampled_from([Operator.LIKE, Operator.UNLIKE]), EXPRESSIONS)
MATCHERS = st.lists(EXACT | LIKE, max_size=3).map(tuple)
LABELS = st.dictionaries(NAMES, TEXTS)
SECOND = timedelta(seconds=1)


@settings(deadline=None)
@given(st.lists(MATCHERS, max_size=40), LABELS)
def test_the_index_finds_what_trying_each_would_find(rules: list[tuple[Matcher, ...]], labels: dict[str, str]) -> None:
    index = Index((matchers, number) for number, matchers in enumerate(rules))
    assert sorted(index.matching(labels)) == [number for number, matchers in enumerate(rules) if all_match(matchers, labels)]


def test_large_expressions_together_find_what_they_find_alone() -> None:
    """Compiled together they must not run out of the memory that each has alone."""
    texts = [f"(?i)host-{number}-([a-z0-9]{{1,40}}[-.]?){{1,5}}.*" for number in range(200)]
    index = Index((read(f'host=~"{text}"'), number) for number, text in enumerate(texts))
    for number in (0, 31, 32, 199):
        assert index.matching({"host": f"HOST-{number}-" + "ab12-" * 400}) == [number]


SILENCE = Silence("s", read('a="x"'), NOON, NOON + 60 * MINUTE, "alice", "known", NOON)
LONGEST = timedelta(days=1)


def wanted(start: int | None = None, end: int = 90, **said: object) -> Wanted:
    """Minutes from noon."""
    starts_at = None if start is None else NOON + start * MINUTE
    return replace(Wanted(SILENCE.matchers, starts_at, NOON + end * MINUTE, "changed"), **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("at", "edit", "in_place", "ended"),
    [
        (10, wanted(), True, False),
        (10, wanted(start=0), True, False),
        (10, wanted(start=5), False, True),
        (10, wanted(matchers=read('a="y"')), False, True),
        (-10, wanted(start=20), True, False),
        (-10, wanted(start=-20), False, True),
        (61, wanted(), False, False),
    ],
)
def test_edits_follow_the_rules_of_alertmanager(at: int, edit: Wanted, in_place: bool, ended: bool) -> None:
    now = NOON + at * MINUTE
    found: Edited = edited(SILENCE, edit, "bob", now, LONGEST, IDS)
    assert (found.silence.id == SILENCE.id, found.ended is not None) == (in_place, ended)
    assert found.ended is None or found.ended.state(now) is State.EXPIRED
    assert found.silence.starts_at >= now or in_place


@given(st.integers(-100, 100), st.none() | st.integers(-200, 200), st.integers(-200, 2_000))
def test_no_edit_changes_what_a_silence_did(at: int, start: int | None, end: int) -> None:
    now = NOON + at * MINUTE
    try:
        found = edited(SILENCE, wanted(start, end), "bob", now, LONGEST, IDS)
    except SilenceInvalid as refused:
        assert refused.data["field"].startswith("silence.")
        return
    kept = found.silence if found.silence.id == SILENCE.id else found.ended or SILENCE
    for minute in range(-120, at, 7):
        then = NOON + minute * MINUTE
        assert (kept.state(then) is State.ACTIVE) == (SILENCE.state(then) is State.ACTIVE)
    assert found.silence.ends_at > now and found.silence.ends_at - found.silence.starts_at <= LONGEST


def test_a_silence_has_an_end_a_reason_and_is_about_something() -> None:
    for wrong in (wanted(matchers=()), wanted(matchers=read('a=~".*"')), wanted(comment="  "), wanted(end=-1), wanted(end=2_000)):
        with pytest.raises(SilenceInvalid):
            made(wrong, "alice", NOON, LONGEST, IDS)
    assert expired(SILENCE, NOON - MINUTE).state(NOON + MINUTE) is State.EXPIRED
    assert in_time(timedelta(days=1, hours=2, seconds=3)) == "1 d 2 h 3 s"


BOTH = Inhibition("i", "", read('severity="critical"'), read('severity=~"critical|warning"'), ("node",))


@pytest.mark.parametrize(
    ("source", "target", "explains"),
    [
        ({"severity": "critical"}, {"severity": "warning"}, True),
        ({"severity": "critical", "node": "1"}, {"severity": "warning", "node": "2"}, False),
        ({"severity": "critical", "node": ""}, {"severity": "warning"}, True),
        ({"severity": "critical"}, {"severity": "critical"}, False),
        ({"severity": "warning"}, {"severity": "warning"}, False),
    ],
)
def test_what_explains_what(source: Mapping[str, str], target: Mapping[str, str], explains: bool) -> None:
    assert BOTH.explains(source, target) is explains


def test_ten_thousand_alerts_pass_a_hundred_inhibitions_in_one_pass() -> None:
    """Found by the index and the hash of equal labels: a comparison of each alert with each rule and source would take minutes."""
    rules = Rules(
        inhibitions=[
            Inhibition(f"i{number}", "", read(f'alertname="Down{number}"'), read(f'team="t{number}",severity!="critical"'), ("node",))
            for number in range(100)
        ]
    )
    alerts = [an_alert(f"a{n}", labels={"alertname": f"Down{n % 200}", "team": f"t{n % 150}", "node": f"n{n}"}) for n in range(10_000)]
    with Calls() as calls:
        for alert in alerts:
            labels = labels_of(alert)
            keys = [rule.key(labels) for rule in (*rules.explains(labels), *rules.explained_by(labels))]
            assert len(keys) <= 2
    # Comparing each with each rule would be a hundred calls for each alert at least.
    assert calls.made < 100 * len(alerts)


FLAPPING = Flapping("f", "", (), 3, 10 * MINUTE, 5 * MINUTE)


def test_what_flaps_is_calm_once_it_stayed_open() -> None:
    alert = an_alert()
    assert FLAPPING.hold(alert, 2, NOON) is None
    held = FLAPPING.hold(alert, 3, NOON)
    assert held is not None and held.until == NOON + 5 * MINUTE
    assert FLAPPING.hold(alert, 3, NOON + 5 * MINUTE) is None


def test_a_rule_that_people_add_comes_before_the_one_from_the_start() -> None:
    labels = labels_of(an_alert())
    assert Rules(noise_rules=[DEFAULT_FLAPPING]).flapping(labels) is DEFAULT_FLAPPING
    own = replace(FLAPPING, name="zeal")
    assert Rules(noise_rules=[DEFAULT_FLAPPING, own]).flapping(labels) is own
    said = DEFAULT_FLAPPING.hold(an_alert(), 5, NOON), own.hold(an_alert(), 5, NOON)
    assert "the platform's default, rule flapping" in said[0].reason and "(rule zeal)" in said[1].reason  # type: ignore[union-attr]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 5)), max_size=20), st.integers(2, 10))
def test_occurrences_count_once_however_often_they_are_judged(steps: list[tuple[int, int]], most: int) -> None:
    """Each step moves time and brings signals; judging again without a signal changes nothing."""
    alert, before, marks = an_alert(occurrences=0), None, []
    now = NOON
    for minutes, signals in steps:
        now += minutes * MINUTE
        alert = structs.replace(alert, occurrences=alert.occurrences + signals, last_signal_at=now if signals else alert.last_signal_at)
        marks += [now] * signals
        before = counted(counted(before, alert, most), alert, most)
    assert before is None or list(before.marks) == marks[-most:]
    rule = Threshold("t", "", (), most, 30 * MINUTE)
    enough = sum(mark > now - 30 * MINUTE for mark in marks) >= most
    assert before is None or (rule.hold(before, now) is None) == enough


@given(st.lists(st.tuples(st.floats(0, 90), st.integers(1, 50)), max_size=30))
def test_a_flow_counts_what_opened_lately(steps: list[tuple[float, int]]) -> None:
    """Exact to a tenth of the time in which it counts."""
    flow, now, opened = Flow(MINUTE), NOON, []
    for seconds, number in steps:
        now += timedelta(seconds=seconds)
        flow.add([an_alert()] * number, now)
        opened += [now] * number
    least = sum(each > now - 0.9 * MINUTE for each in opened)
    most = sum(each > now - MINUTE for each in opened)
    assert least <= flow.count(now) <= most


def test_the_alert_of_a_storm_says_what_it_stands_for() -> None:
    storm = Storm("s", "door", "storm", 300, MINUTE, "shop", NOON)
    tallies = [Tally("shop", "warning", 40), Tally("", "error", 2), *(Tally(f"s{n}", "info", 1) for n in range(30))]
    told = summary(storm, tallies, NOON + 2 * MINUTE, resolved=False)
    assert told.title == "door floods: 72 alerts held back in 2 m" and told.severity == "error" and told.service == "shop"
    assert "- shop: 40" in told.description and "more" in told.description
    assert summary(replace(storm, ended_at=NOON + MINUTE), tallies, NOON, resolved=True).resolved


def test_of_several_rules_the_nearest_acts() -> None:
    wide, near = replace(FLAPPING, name="wide"), replace(FLAPPING, name="near", matchers=read('a="x"'))
    rules = Rules(
        noise_rules=[wide, near, StormRule("s", "", read('integration="door"'), 5, MINUTE, None), StormRule("t", "", (), 9, MINUTE, None)]
    )
    found = [
        rule.name for rule in (rules.flapping({"a": "x"}), rules.flapping({}), rules.storm_rule("door"), rules.storm_rule("other")) if rule
    ]
    assert found == ["near", "wide", "s", "t"]


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=8), min_size=1, max_size=4)
)
def test_a_window_is_about_its_services_and_no_others(services: list[str]) -> None:
    window = Window("w", "", tuple(services), (), "UTC", NOON.replace(tzinfo=None), MINUTE, "", "", NOON, True)
    index = Index([(matchers_of(window), window)])
    assert all(index.matching({"service": service}) for service in services)
    assert not index.matching({"service": services[0] + "!"}) or services[0] + "!" in services
    assert not index.matching({})


class Calls:
    """Counts the functions that are called: what work there is, on whatever machine."""

    def __init__(self) -> None:
        self.made = 0

    def __enter__(self) -> "Calls":
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)

    def _note(self, frame: object, event: str, argument: object) -> None:
        self.made += event in ("call", "c_call")


class NoStatements:
    """A transaction in which no statement may be made."""

    def after_commit(self, callback: Callable[[], None]) -> None:
        callback()


async def test_judging_a_report_takes_no_statement_and_no_comparison_with_every_rule() -> None:
    silences = [
        *(replace(SILENCE, id=f"e{n}", matchers=read(f'alertname="A{n}",env!="dev"')) for n in range(50)),
        *(replace(SILENCE, id=f"r{n}", matchers=read(f'instance=~"db-{n}-.*"')) for n in range(50)),
    ]
    rules = Rules(silences=silences, noise_rules=[StormRule("storm", "", (), 10**6, MINUTE, None)])
    alerts = [
        an_alert(f"k{n}", labels={"alertname": f"A{n}", "instance": f"db-{n * 3}-x", "env": "prod", "job": "node"}) for n in range(64)
    ]

    class Book:
        async def rules(self, tx: object, now: object) -> Rules:
            return rules

    floods = Floods(IDS)
    court = Court(Book(), floods)  # type: ignore[arg-type]
    holds = await court.judge(NoStatements(), alerts, NOON)  # type: ignore[arg-type]
    assert [bool(found) for found in holds] == [n < 50 for n in range(64)]
    assert {hold.kind for found in holds for hold in found} == {HoldKind.SILENCE}
    assert await calls_to_judge(court, alerts) < 80 * len(alerts)
    floods._current["door"] = Current(Storm("s", "door", "storm", 300, MINUTE, "", NOON), {""})
    holds = await court.judge(NoStatements(), alerts, NOON)  # type: ignore[arg-type]
    assert {hold.kind for found in holds for hold in found} == {HoldKind.STORM}
    assert await calls_to_judge(court, alerts) < 15 * len(alerts)


async def calls_to_judge(court: Court, alerts: list[Alert]) -> int:
    """The calls that the judgement of these alerts takes; comparing each with each of a hundred rules would be more than a hundred each."""
    with Calls() as calls:
        await court.judge(NoStatements(), alerts, NOON)  # type: ignore[arg-type]
    return calls.made


def test_a_text_is_too_long_before_it_is_compiled() -> None:
    with pytest.raises(MatcherInvalid):
        matcher("a", Operator.LIKE, "x" * 1_001)
