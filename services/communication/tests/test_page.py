"""The rules of a page, without a server."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_communication.answers.links import fingerprint, token
from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.channels.email import MailServer, StartTls, compose, rich
from tocsin_communication.channels.http import Answer
from tocsin_communication.channels.registry import flaw
from tocsin_communication.channels.webhook import WebhookSecret, read_answer
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.delivery import Continue, Stop, verdict
from tocsin_communication.pages.message import one_line, summons
from tocsin_communication.pages.page import MOST_ATTEMPTS, Kind, Page, State, Told
from tocsin_communication.pages.receipt import Outcome, Receipt

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
INCIDENT = Incident("i1", 1, 7, "Checkout is failing", "", "checkout", "SEV2", IncidentState.OPEN, NOW, "", "", 1)
PAGE = Page(
    id="p1",
    kind=Kind.SUMMONS,
    incident_id="i1",
    responder="alice",
    contact_method="alice-mail",
    channel=Channel.EMAIL,
    address="alice@example.test",
    provider="email",
    reason="step 1",
    subject="s",
    body="b",
    created_at=NOW,
    due_at=NOW,
    attempt_at=NOW,
    opening=NOW,
)


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.booleans()), min_size=1, max_size=40))
def test_any_sequence_of_outcomes_ends_and_every_ending_is_told_once(attempts):
    page, told, unknown = PAGE, [], False
    for outcome, dies in attempts:
        if page.state not in (State.PENDING, State.SENDING) or isinstance(verdict(page, INCIDENT), Stop):
            break
        page = page.begin()
        assert page.resent_after_unknown == unknown
        if dies:
            unknown = True
            continue
        decision = page.finish(Receipt(outcome, "said"), NOW)
        unknown = unknown or outcome is Outcome.UNKNOWN
        page = decision.state
        told += decision.facts
        assert (page.state is State.PENDING) == (not decision.facts)
        assert page.state_reason
    assert page.attempts <= MOST_ATTEMPTS
    assert told in ([], [Told.SENT], [Told.SENT, Told.DELIVERED], [Told.FAILED])


def test_a_refusal_for_now_is_tried_about_a_quarter_of_an_hour():
    page, at = PAGE, NOW
    while page.state is State.PENDING:
        at = page.attempt_at
        page = page.begin().finish(Receipt(Outcome.TRANSIENT, "busy"), at).state
    assert page.state is State.FAILED
    assert page.attempts == 10
    assert timedelta(minutes=12) < at - NOW < timedelta(minutes=16)


def test_the_wish_of_a_provider_to_wait_is_kept_within_limits():
    def next_attempt(wish: timedelta) -> datetime:
        return PAGE.begin().finish(Receipt(Outcome.TRANSIENT, "busy", retry_after=wish), NOW).state.attempt_at

    assert next_attempt(timedelta(seconds=40)) == NOW + timedelta(seconds=40)
    assert next_attempt(timedelta(days=1)) == NOW + timedelta(minutes=5)


@pytest.mark.parametrize(
    ("kind", "incident", "stopped"),
    [
        (Kind.SUMMONS, INCIDENT, ""),
        (Kind.SUMMONS, None, ""),
        (Kind.SUMMONS, replace(INCIDENT, state=IncidentState.ACKNOWLEDGED, acknowledged_by="bob"), "taken by bob"),
        (Kind.SUMMONS, replace(INCIDENT, state=IncidentState.RESOLVED), "the incident is resolved"),
        (Kind.SUMMONS, replace(INCIDENT, opened_at=NOW + timedelta(hours=1)), "the incident was opened again meanwhile"),
        (Kind.RESOLVED, replace(INCIDENT, state=IncidentState.RESOLVED, turn=0), ""),
        (Kind.TAKEN, replace(INCIDENT, state=IncidentState.ACKNOWLEDGED, turn=5), "the incident went on meanwhile"),
        (Kind.DIRECT, replace(INCIDENT, state=IncidentState.RESOLVED, turn=0), ""),
        (Kind.DIRECT, replace(INCIDENT, state=IncidentState.RESOLVED), "the incident is resolved"),
    ],
)
def test_why_a_page_is_not_sent(kind, incident, stopped):
    assert verdict(replace(PAGE, kind=kind), incident) == (Stop(stopped) if stopped else Continue())


@pytest.mark.parametrize(
    ("channel", "address", "good"),
    [
        (Channel.EMAIL, "alice@example.org", True),
        (Channel.EMAIL, "a.b+c@x", True),
        (Channel.EMAIL, "alice", False),
        (Channel.EMAIL, "alice@example.org\r\nBcc: eve@example.org", False),
        (Channel.EMAIL, "Alice <alice@example.org>", False),
        (Channel.WEBHOOK, "https://example.org:8443/x?y=z", True),
        (Channel.WEBHOOK, "ftp://example.org/", False),
        (Channel.WEBHOOK, "https:///x", False),
        (Channel.WEBHOOK, "https://user:secret@example.org/", False),
        (Channel.WEBHOOK, "http://example.org:99999/", False),
        (Channel.WEBHOOK, "http://exa mple.org/", False),
    ],
)
def test_addresses(channel, address, good):
    assert (flaw(channel, address) == "") is good


def test_a_signature_agrees_with_the_reference_of_the_scheme():
    secret = WebhookSecret("whsec_dG9jc2luLXdlYmhvb2stc2VjcmV0LTI0")
    assert secret.sign("msg_0001", 1700000000, b'{"type":"incident.acknowledged"}') == "v1,FFxitdQMBNu4QZ1GwX0pDYn5KnT9zVkVJZHodAzOUcc="
    with pytest.raises(ValueError, match="whsec_"):
        WebhookSecret("secret")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED),
        (204, Outcome.DELIVERED),
        (302, Outcome.PERMANENT_TARGET),
        (404, Outcome.PERMANENT_TARGET),
        (410, Outcome.PERMANENT_TARGET),
        (400, Outcome.PERMANENT_CONFIG),
        (429, Outcome.THROTTLED),
        (500, Outcome.TRANSIENT),
        (503, Outcome.TRANSIENT),
    ],
)
def test_what_an_http_status_means(status, outcome):
    assert read_answer(Answer(status, {}, b""), "k").outcome is outcome


def test_a_mail_server_is_read_from_its_url():
    assert MailServer.read("smtp://u%40x:p%3Aw@mail:25?starttls=always") == MailServer("mail", 25, False, StartTls.ALWAYS, "u@x", "p:w")
    assert MailServer.read("smtps://mail").port == 465
    with pytest.raises(ValueError, match="starttls"):
        MailServer.read("smtp://mail?starttls=maybe")


def test_a_senders_text_stays_text():
    incident = replace(INCIDENT, title="<script>x</script>\r\nBcc: eve@example.org", summary="<b>&")
    text = summons(incident, "you are on call")
    page = replace(PAGE, subject=text.subject, body=text.body)
    outgoing = Outgoing(page, incident, "https://t.example/a/x", "")
    message = compose(outgoing, page.id, "tocsin@example.test", NOW)
    assert message["Bcc"] is None
    assert "<script>" not in rich(outgoing)
    assert "&lt;script&gt;" in rich(outgoing)
    assert message["Message-ID"] == "<page.p1@example.test>"
    assert len(one_line("x" * 1000)) == 150


def test_a_link_comes_from_the_page_and_the_secret_alone():
    assert token("s", "p1") == token("s", "p1") != token("s", "p2")
    assert token("s", "p1") != token("t", "p1")
    assert len(fingerprint(token("s", "p1"))) == 32
