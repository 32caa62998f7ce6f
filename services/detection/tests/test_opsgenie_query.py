"""What Opsgenie's searches mean."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_detection.intake.opsgenie_api.conditions import condition, tables
from tocsin_detection.intake.opsgenie_api.query import Both, Either, Not, Term, Unsearchable, asks_status_only, parse

OPEN = Term("status", "=", "open")
DB = Term("tag", "=", "db")


@pytest.mark.parametrize(
    ("query", "meaning"),
    [
        ("", None),
        ("  ", None),
        ("status: open", OPEN),
        ("status=open", OPEN),
        ("status:open AND tag:db", Both(OPEN, DB)),
        ("status:open tag:db", Both(OPEN, DB)),
        ("status:open & tag:db | priority:P1", Either(Both(OPEN, DB), Term("priority", "=", "P1"))),
        ("status:open AND (tag:db OR priority:P1)", Both(OPEN, Either(DB, Term("priority", "=", "P1")))),
        ("NOT tag:db", Not(DB)),
        ("NOT NOT tag: db", Not(Not(DB))),
        ("tags != db", Not(DB)),
        ("tag: (db AND NOT web)", Both(DB, Not(Term("tag", "=", "web")))),
        ("tag: (db OR web) AND status: closed", Both(Either(DB, Term("tag", "=", "web")), Term("status", "=", "closed"))),
        ('message: "disk AND \\"full\\""', Term("message", "=", 'disk AND "full"')),
        ('"AND"', Term("", "=", "AND")),
        ("disk full", Both(Term("", "=", "disk"), Term("", "=", "full"))),
        ("alias: db-1/disk*", Term("alias", "=", "db-1/disk*")),
        ("teams: sre", Term("responders", "=", "sre")),
        ("acknowledged: TRUE", Term("acknowledged", "=", True)),
        ("count > 5", Term("count", ">", 5)),
        ("count:>=5", Term("count", ">=", 5)),
        ("createdAt < 1795417200000", Term("createdat", "<", datetime(2026, 11, 23, 7, 0, tzinfo=UTC))),
        ('createdAt >= "2026-11-23T08:00:00+01:00"', Term("createdat", ">=", datetime(2026, 11, 23, 7, 0, tzinfo=UTC))),
    ],
)
def test_a_query_means_what_it_means_there(query: str, meaning: object) -> None:
    assert parse(query) == meaning


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("color: red", "known are"),
        ("status: new", "neither open nor closed"),
        ("status:", "a value is missing"),
        ("AND", "a value is missing"),
        ("a OR", "a value is missing"),
        ("(a", "not closed"),
        ("a)", "parenthesis"),
        ('message: "x', "quote"),
        ("count: many", "whole number"),
        ("tag > 5", "no order"),
        ("createdAt > yesterday", "neither milliseconds"),
        ("(" * 30 + "a" + ")" * 30, "deep"),
        ("NOT " * 100 + "a", "deep"),
        ("a " * 600, "characters"),
    ],
)
def test_what_is_not_understood_is_said(query: str, why: str) -> None:
    with pytest.raises(Unsearchable, match=why):
        parse(query)


words = st.sampled_from(
    [
        "status",
        "open",
        ":",
        "=",
        "!=",
        "tag",
        "AND",
        "OR",
        "NOT",
        "(",
        ")",
        '"a b"',
        "x*",
        "count",
        ">",
        "5",
        "!",
        "&",
        "|",
        '"',
        "createdAt",
        "<",
    ]
)


@given(st.lists(words, max_size=40).map(" ".join) | st.text(max_size=60))
def test_any_text_is_a_query_or_is_refused_in_words(query: str) -> None:
    try:
        tree = parse(query)
    except Unsearchable as error:
        assert str(error)
        return
    sql, params = condition(tree)
    assert sql.count("%s") == len(params)


@pytest.mark.parametrize(
    ("query", "places"),
    [
        ("status:open AND (tag:db OR tag:web)", ["alert"]),
        ("NOT status:closed", ["alert"]),
        ("status:closed tag:db", ["resolved_alert"]),
        ("status:open OR tag:db", ["alert", "resolved_alert"]),
        ("NOT (status:open AND tag:db)", ["alert", "resolved_alert"]),
        ("", ["alert", "resolved_alert"]),
    ],
)
def test_alerts_are_left_out_where_none_can_match(query: str, places: list[str]) -> None:
    assert tables(parse(query)) == places


def test_a_query_about_the_status_alone_is_known_as_one() -> None:
    assert all(asks_status_only(parse(query)) for query in ("", "status:open", "NOT status:open OR status:open"))
    assert not any(asks_status_only(parse(query)) for query in ("status:open tag:db", "NOT (status:open OR tag:db)"))
