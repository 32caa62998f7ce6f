"""The draft says what the facts say, and shows senders' text as text."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_review.draft import Entry, PageStory, Past, Subject, draft, length, needs_attention, went_well
from tocsin_review.figures import Figures, Instants, figures
from tocsin_review.markdown import escaped

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SUBJECT = Subject(
    number=7, title="disk is full", summary="", service="shop", team="sales", severity=2, opened_at=NOON, acknowledged_at=NOON + MINUTE,
    acknowledged_by="alice", resolved_at=NOON + 20 * MINUTE, resolved_by="", resolve_reason="its last open alert ended", declared_by="",
    alert_count=1,
)  # fmt: skip
PAGE = PageStory("alice", "e-mail", "page", True, "sent", "", NOON, NOON, None, NOON + MINUTE, False)
TIMES = Figures(MINUTE, MINUTE, 20 * MINUTE, 1, 1)
GOOD = Past(SUBJECT, TIMES, [PAGE], [Entry(NOON, "IncidentOpened", "Incident #7 opened", "", "because")])


def test_the_good_case() -> None:
    text = draft(GOOD)
    assert "# Review of incident #7: disk is full" in text
    assert "| Time to resolve | 20 min | from the opening to the resolution |" in text
    assert "| alice | page | by e-mail | 2026-03-01 12:00:00 | sent, answered at 2026-03-01 12:01:00 |" in text
    assert "| 2026-03-01 12:00:00 | Incident #7 opened |  | because |" in text
    assert list(needs_attention(GOOD)) == []
    assert len(list(went_well(GOOD))) == 4


def entry(fact: str, summary: str = "") -> Entry:
    return Entry(NOON, fact, summary, "", "")


@pytest.mark.parametrize(
    ("past", "word"),
    [
        (replace(GOOD, subject=replace(SUBJECT, acknowledged_by="bob")), "did not take the incident"),
        (replace(GOOD, figures=replace(TIMES, time_to_acknowledge=None)), "Nobody acknowledged"),
        (replace(GOOD, pages=[]), "Nobody was paged"),
        (replace(GOOD, pages=[PAGE, replace(PAGE, outcome="failed", state_reason="550 no")]), "failed: 550 no"),
        (replace(GOOD, pages=[replace(PAGE, resent_after_unknown=True)]), "paged twice"),
        (replace(GOOD, timeline=[entry("CoverageGapFound", "nobody for schedule primary")]), "nobody for schedule primary"),
        (replace(GOOD, timeline=[entry("EscalationExhausted")]), "ran out of people"),
        (replace(GOOD, timeline=[entry("IncidentReopened")]), "reopened"),
        (replace(GOOD, timeline=[entry("SeverityChanged", "from SEV3 to SEV1")]), "from SEV3 to SEV1"),
        (replace(GOOD, subject=replace(SUBJECT, service="unrouted")), "no service"),
    ],
)
def test_what_went_wrong_is_named(past: Past, word: str) -> None:
    assert any(word in line for line in needs_attention(past))
    assert word in draft(past)


def test_a_long_timeline_is_cut_and_says_so() -> None:
    assert "234 more entries" in draft(replace(GOOD, timeline=[entry("AlertAttached")] * 1234))


hostile = st.text(alphabet=st.one_of(st.sampled_from("|`*_[]()<>&#-+=\n\\!~$:/w.@1"), st.characters()), max_size=60)


@given(hostile)
def test_no_text_becomes_markup(text: str) -> None:
    shown = escaped(text)
    bare = re.sub(r"\\.", "", shown)
    assert not re.search(r"[`*\[\]|~<>\n]", bare)
    assert not re.match(r"([-+=#]|\d{1,9}[.)])", shown)
    assert "://" not in shown


@given(hostile)
def test_a_title_cannot_break_the_tables(title: str) -> None:
    past = replace(GOOD, subject=replace(SUBJECT, title=title, summary=title), timeline=[entry("AlertOpened", title)])
    text = draft(past)
    rows = [line for line in text.splitlines() if line.startswith("| 2026")]
    assert [len(re.findall(r"(?<!\\)\|", re.sub(r"\\\\", "", row))) for row in rows] == [5] * len(rows)
    assert len([line for line in text.splitlines() if line.startswith("## ")]) == 7


def test_names_stay_readable() -> None:
    assert escaped("HighErrorRate on check_out-2 (eu)") == "HighErrorRate on check_out-2 (eu)"


def test_times_are_never_negative_and_absent_when_unknown() -> None:
    assert figures(Instants(opened_at=NOON, first_alert_at=NOON + MINUTE), 0, 0) == Figures(time_to_detect=timedelta(0))
    whole = Instants(NOON, NOON + MINUTE, NOON + 2 * MINUTE, NOON - MINUTE)
    assert figures(whole, 2, 1) == Figures(MINUTE, MINUTE, 2 * MINUTE, 2, 1)


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (45, "45 s"), (725, "12 min 5 s"), (12000, "3 h 20 min"), (187200, "2 d 4 h")])
def test_durations_for_people(seconds: int, text: str) -> None:
    assert length(timedelta(seconds=seconds)) == text
