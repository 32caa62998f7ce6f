"""Matchers read and compare as Alertmanager's do."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.noise.matcher import (
    Matcher,
    MatcherInvalid,
    Operator,
    all_match,
    in_words,
    labels_of,
    match_nothing_said,
    matcher,
    read,
    read_all,
)

LABELS = {"alertname": "HighLoad", "instance": "db-1", "text": "two\nlines", "größe": "5"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("{}", []),
        ('a="b"', [("a", "=", "b")]),
        ('{a="b"}', [("a", "=", "b")]),
        (' { a = "b" , c =~ "d|e" , } ', [("a", "=", "b"), ("c", "=~", "d|e")]),
        ("a=b,c!=d", [("a", "=", "b"), ("c", "!=", "d")]),
        ('a=""', [("a", "=", "")]),
        ("a=", [("a", "=", "")]),
        ('a!~"x,y"', [("a", "!~", "x,y")]),
        ('"a b"="c"', [("a b", "=", "c")]),
        ('größe="5"', [("größe", "=", "5")]),
        (r'a="say \"hi\" \\ \n"', [("a", "=", 'say "hi" \\ \n')]),
        (r'a=~"\d+\.x"', [("a", "=~", r"\d+\.x")]),
        ("a=~b|c{2}", [("a", "=~", "b|c{2}")]),
        ("a==b", [("a", "=", "=b")]),
        ("a=b c", [("a", "=", "b c")]),
        ('{a="{b}"}', [("a", "=", "{b}")]),
    ],
)
def test_it_reads_what_people_write(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(found.name, found.operator, found.text) for found in read(text)] == expected


@pytest.mark.parametrize("text", ["a", "=b", 'a="b" c="d"', 'a="b', 'a=~"("', "a~b", ",", '""="x"', 'a=~"(?=x)"', 'a="\0"'])
def test_what_cannot_be_read_is_refused_by_name(text: str) -> None:
    with pytest.raises(MatcherInvalid) as refused:
        read_all(['x="y"', text], "silence.matchers")
    assert refused.value.data["field"] == "silence.matchers[1]"


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('alertname="HighLoad"', True),
        ('alertname="High"', False),
        ('alertname=~"High"', False),
        ('alertname=~"High.*"', True),
        ('alertname=~"Low|HighLoad"', True),
        ('alertname!="Low"', True),
        ('alertname!~"High.*"', False),
        ('missing=""', True),
        ('missing!=""', False),
        ('missing=~".*"', True),
        ('missing=~".+"', False),
        ('missing!="x"', True),
        ('text=~"two.lines"', False),
        ('text=~"(?s)two.lines"', True),
        ('größe=~"[0-9]"', True),
        ('alertname="HighLoad",instance="db-2"', False),
    ],
)
def test_it_compares_as_alertmanager_does(text: str, matches: bool) -> None:
    assert all_match(read(text), LABELS) is matches


def test_it_knows_which_matchers_match_nearly_everything() -> None:
    assert match_nothing_said(read('a=~".*", b!="x"')) and match_nothing_said(())
    assert not match_nothing_said(read('a=~".*", b="x"'))


def test_no_expression_can_hang_it() -> None:
    """What takes an engine that backtracks longer than the universe will last."""
    began = time.process_time()
    assert not all_match(read('a=~"(x+x+)+y"'), {"a": "x" * 10_000})
    assert time.process_time() - began < 1
    with pytest.raises(MatcherInvalid):
        read('a=~"((a{100}){100}){100}"')


NAMES = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=50)


@given(st.lists(st.builds(Matcher, NAMES, st.sampled_from([Operator.EQUAL, Operator.DIFFERENT]), TEXTS), max_size=5).map(tuple))
def test_what_is_written_reads_as_the_same(matchers: tuple[Matcher, ...]) -> None:
    assert read(in_words(matchers)) == matchers


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        for found in read(text):
            found.matches({found.name: text})
    except MatcherInvalid as refused:
        assert refused.data["field"] == "matchers" and refused.data["detail"]


@given(TEXTS, st.sampled_from(list(Operator)), TEXTS)
def test_a_negation_is_the_opposite(text: str, operator: Operator, found: str) -> None:
    opposite = {"=": "!=", "!=": "=", "=~": "!~", "!~": "=~"}[operator]
    try:
        one, other = matcher("a", operator, text), matcher("a", Operator(opposite), text)
    except MatcherInvalid:
        return
    assert one.matches({"a": found}) is not other.matches({"a": found})


def test_no_sender_can_pass_for_another_integration() -> None:
    from noise_words import an_alert

    labels = labels_of(an_alert(labels={"integration": "theirs", "severity": "Page"}, severity="page", service="shop"))
    assert (labels["integration"], labels["severity"], labels["service"]) == ("door", "Page", "shop")
