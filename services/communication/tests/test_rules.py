"""What responders want and what they mean, without a server."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_communication.answers.spoken import Open, Spoken, Verb, choose, understand
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.rules.delegation import Delegation, closes_circle
from tocsin_communication.rules.limits import DEFAULTS, Allowance, Limits, room
from tocsin_communication.rules.personal import Matter, PersonalRules, Step, Urgency, plan
from tocsin_communication.rules.quiet import QuietHours, Window, days

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MAIL = ContactMethod("mail", "alice", Channel.EMAIL, "alice@example.test")
PHONE = ContactMethod("phone", "alice", Channel.SMS, "+15551234567", timedelta(minutes=2))
NIGHT = QuietHours("Europe/Berlin", (Window(days(()), time(22), time(7)),), except_severities=frozenset({"SEV1"}))


def at(text: str, zone: str = "Europe/Berlin") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_without_rules_every_contact_method_is_used_after_its_own_delay():
    assert [(page.method.name, page.at - NOW) for page in plan([MAIL, PHONE], None, Matter(), NOW)] == [
        ("mail", timedelta()),
        ("phone", timedelta(minutes=2)),
    ]


def test_rules_say_which_and_when_and_low_has_its_own():
    rules = PersonalRules(
        high=(Step("phone", timedelta()), Step("mail", timedelta(minutes=5)), Step("gone", timedelta())), low=(Step("mail", timedelta()),)
    )
    assert [(page.method.name, page.why) for page in plan([MAIL, PHONE], rules, Matter(), NOW)] == [
        ("phone", ""),
        ("mail", "5 min after the summons"),
    ]
    assert [page.method.name for page in plan([MAIL, PHONE], rules, Matter(Urgency.LOW), NOW)] == ["mail"]


def test_rules_that_name_only_what_is_gone_do_not_silence_anybody():
    rules = PersonalRules(high=(Step("gone", timedelta()),))
    assert [page.method.name for page in plan([MAIL], rules, Matter(), NOW)] == ["mail"]


@pytest.mark.parametrize(
    ("moment", "matter", "expected"),
    [
        ("2026-11-23 23:30", Matter(Urgency.LOW), "2026-11-24 07:00"),
        ("2026-11-23 06:59", Matter(Urgency.LOW), "2026-11-23 07:00"),
        ("2026-11-23 07:00", Matter(Urgency.LOW), "2026-11-23 07:00"),
        ("2026-11-23 23:30", Matter(Urgency.HIGH), "2026-11-23 23:30"),
        ("2026-11-23 23:30", Matter(Urgency.LOW, severity="SEV1"), "2026-11-23 23:30"),
        # The night in which the clocks go forward, and the one in which they go back.
        ("2026-03-28 23:00", Matter(Urgency.LOW), "2026-03-29 07:00"),
        ("2026-10-24 23:00", Matter(Urgency.LOW), "2026-10-25 07:00"),
    ],
)
def test_quiet_hours_hold_back_what_can_wait(moment, matter, expected):
    [page] = plan([MAIL], PersonalRules(quiet=NIGHT), matter, at(moment))
    assert page.at == at(expected)


def test_quiet_hours_may_hold_back_what_is_urgent_too():
    strict = replace(NIGHT, high_too=True, except_services=frozenset({"payments"}))
    assert plan([MAIL], PersonalRules(quiet=strict), Matter(), at("2026-11-23 23:00"))[0].at == at("2026-11-24 07:00")
    [page] = plan([MAIL], PersonalRules(quiet=strict), Matter(service="payments"), at("2026-11-23 23:00"))
    assert (page.at, page.why) == (at("2026-11-23 23:00"), "pages of payments come through quiet hours")


def test_quiet_time_that_goes_over_into_quiet_time_is_one():
    weekend = QuietHours("Europe/Berlin", (Window(days(()), time(22), time(7)), Window(days(["SAT", "SUN"]), time(0), time(0))))
    assert weekend.until(at("2026-11-27 23:00")) == at("2026-11-30 07:00")


def test_a_window_that_begins_in_an_hour_that_is_left_out_begins_after_it():
    night = QuietHours("Europe/Berlin", (Window(days(()), time(2, 30), time(6)),))
    assert night.until(at("2026-03-29 03:01")) == at("2026-03-29 06:00")
    assert night.until(at("2026-03-29 01:59")) is None


WINDOWS = st.tuples(st.sets(st.integers(0, 6), min_size=1), st.times(), st.times())


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    st.sampled_from(["Europe/Berlin", "Australia/Lord_Howe", "America/New_York"]),
    st.lists(WINDOWS, min_size=1, max_size=4),
)
def test_when_quiet_ends_it_is_not_quiet_and_until_then_it_is(moment, zone, windows):
    made = tuple(
        Window(frozenset(chosen), begins.replace(second=0, microsecond=0, tzinfo=None), ends.replace(second=0, microsecond=0, tzinfo=None))
        for chosen, begins, ends in windows
    )
    quiet = QuietHours(zone, made)
    begins = moment.replace(tzinfo=UTC)
    until = quiet.until(begins)
    if until is None or until - begins > timedelta(days=6):
        return
    assert until > begins
    assert quiet.until(until) is None
    assert quiet.until(begins + (until - begins) / 2) is not None


def test_limits_are_those_that_hold_at_the_same_time():
    sms = Limits({}).of(Channel.SMS)
    assert room([], sms, NOW).free == 1
    waits = room([NOW - timedelta(seconds=20)], sms, NOW)
    assert (waits.free, waits.next_at, waits.why) == (0, NOW + timedelta(seconds=40), "at most 1 in 1 min")
    five = [NOW - timedelta(minutes=14 - 2 * number) for number in range(5)]
    assert room(five, sms, NOW).next_at == five[0] + timedelta(minutes=15)


@given(st.lists(st.integers(0, 10_000), max_size=60), st.sampled_from(["sms", "voice", "email", "all"]))
def test_a_page_that_is_let_go_never_breaks_a_limit(ages, name):
    sent = sorted(NOW - timedelta(seconds=age) for age in ages)
    found = room(sent, DEFAULTS[name], NOW)
    for allowance in DEFAULTS[name]:
        recent = [moment for moment in sent if moment > NOW - allowance.within]
        assert found.free == 0 or len(recent) + found.free <= allowance.count
    if found.next_at is not None:
        later = room(sent, DEFAULTS[name], found.next_at)
        assert later.free > 0


def test_webhooks_are_not_limited_unless_somebody_says_so():
    assert not Limits({}).limited(Channel.WEBHOOK)
    assert Limits({}).limited(Channel.SMS) and Limits({}).limited(Channel.EMAIL)
    assert Limits({"webhook": (Allowance(1, timedelta(minutes=1)),)}).limited(Channel.WEBHOOK)
    assert not Limits({"email": (), "all": ()}).limited(Channel.EMAIL)


def delegation(who: str, to: str, begins: int = 0, ends: int = 10) -> Delegation:
    return Delegation(f"{who}{to}", who, to, NOW + timedelta(hours=begins), NOW + timedelta(hours=ends), "", "")


def test_a_delegation_may_not_close_a_circle():
    assert closes_circle(delegation("a", "a"), [])
    assert closes_circle(delegation("a", "b"), [delegation("b", "c"), delegation("c", "a")])
    assert not closes_circle(delegation("a", "b"), [delegation("b", "c"), delegation("c", "a", 10, 20)])


@pytest.mark.parametrize(
    ("text", "verb", "codes", "everything"),
    [
        ("ack 7", Verb.ACKNOWLEDGE, ("7",), False),
        ("7a", Verb.ACKNOWLEDGE, ("7",), False),
        ("  A7 ", Verb.ACKNOWLEDGE, ("7",), False),
        ("#0007", Verb.ACKNOWLEDGE, ("7",), False),
        ("Ack: 7, 8 and 9!", Verb.ACKNOWLEDGE, ("7", "8", "9"), False),
        ("OK.", Verb.ACKNOWLEDGE, (), False),
        ("I'm on it, thanks", Verb.ACKNOWLEDGE, (), False),
        ("ack all", Verb.ACKNOWLEDGE, (), True),
        ("all", Verb.ACKNOWLEDGE, (), True),
        ("esc 12", Verb.ESCALATE, ("12",), False),
        ("12e", Verb.ESCALATE, ("12",), False),
        ("can't", Verb.ESCALATE, (), False),
        ("close 3", Verb.RESOLVE, ("3",), False),
        ("\n\nack\nOn Monday somebody wrote: 99", Verb.ACKNOWLEDGE, (), False),
    ],
)
def test_answers_are_understood(text, verb, codes, everything):
    assert understand(text) == Spoken(verb, codes, everything)


@pytest.mark.parametrize(
    "text", ["", "who is on call?", "ack or escalate", "I will not take it", "hello", "what is #7 about", "?", "not ack", "x" * 5000]
)
def test_what_is_no_clear_answer_is_none(text):
    assert understand(text) is None


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading(text):
    understand(text)


def test_several_open_pages_are_told_apart_by_their_codes():
    opened = [Open("p7", "7", "seven"), Open("p8", "8", "eight")]
    assert choose(Spoken(Verb.ACKNOWLEDGE, ("8",)), opened).pages == (opened[1],)
    assert choose(Spoken(Verb.ACKNOWLEDGE, everything=True), opened).pages == tuple(opened)
    assert choose(Spoken(Verb.ACKNOWLEDGE), opened).say == "2 open: reply 7a, 8a, or all."
    assert choose(Spoken(Verb.ACKNOWLEDGE, ("9",)), opened).say == "#9 is not open for you. 2 open: reply 7a, 8a, or all."
    assert choose(Spoken(Verb.ACKNOWLEDGE), opened[:1]).pages == (opened[0],)
    assert choose(Spoken(Verb.ACKNOWLEDGE), []).say == "Nothing is open for you."
