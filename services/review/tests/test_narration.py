"""Every fact of every service is told, in one line, whatever senders wrote into it."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.descriptor import FileDescriptor
from tocsin.communication.v1 import events_pb2 as communication
from tocsin.communication.v1.page_pb2 import ContactMethod, Page
from tocsin.detection.v1 import change_events_pb2 as changes
from tocsin.detection.v1 import events_pb2 as detection
from tocsin.detection.v1 import noise_events_pb2 as noise
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.noise_pb2 import Silence
from tocsin.edge.v1 import events_pb2 as edge
from tocsin.response.v1 import command_events_pb2 as command
from tocsin.response.v1 import events_pb2 as response
from tocsin.response.v1 import evidence_events_pb2 as evidence
from tocsin.response.v1 import obligation_events_pb2 as obligation
from tocsin.response.v1 import playbook_events_pb2 as playbook
from tocsin.response.v1.escalation_pb2 import Summons
from tocsin.review.v1 import events_pb2 as review
from tocsin.triage.v1 import events_pb2 as triage
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident, Severity

from tocsin_review.line import EVERY_SERVICE
from tocsin_review.narration import NARRATORS, narrate

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
INCIDENT = Incident(id="i1", number=7, title="disk is full", severity=Severity.SEVERITY_SEV2, service="shop", placement_reason="because")
INCIDENT.opened_at.FromDatetime(NOON)


@pytest.mark.parametrize(
    "events", [command, detection, changes, noise, triage, response, playbook, evidence, obligation, communication, review, edge]
)
def test_every_fact_has_a_narrator(events) -> None:
    file: FileDescriptor = events.DESCRIPTOR
    told = {kind.DESCRIPTOR.full_name for kind in NARRATORS}
    assert {message.full_name for message in file.message_types_by_name.values()} <= told


@pytest.mark.parametrize("kind", NARRATORS)
def test_an_empty_fact_is_told_too(kind) -> None:
    line = narrate(kind(), NOON)
    assert line.summary
    assert line.at == NOON


def test_the_opening_says_what_where_how_bad_and_why() -> None:
    line = narrate(triage.IncidentOpened(incident=INCIDENT), NOON + timedelta(seconds=1))
    assert line.summary == "Incident #7 opened, SEV2 for shop: disk is full"
    assert (line.actor, line.reason, line.at, line.incident_id) == ("", "because", NOON, "i1")


def test_a_summons_says_whom_and_why() -> None:
    summons = Summons(responder="bob", step=1, round=1, reason="STEP_TIMEOUT", explanation="alice did not answer within 5 min")
    line = narrate(response.ResponderSummoned(summons=summons, incident=INCIDENT), NOON)
    assert line.summary == "bob is asked to respond (step 2, round 2)"
    assert line.reason == "alice did not answer within 5 min"


def test_a_page_says_to_whom_how_and_why_it_failed() -> None:
    page = Page(
        kind=Page.KIND_SUMMONS, responder="bob", channel=ContactMethod.KIND_EMAIL, state_reason="550 no such user", incident_id="i1"
    )
    line = narrate(communication.PageFailed(page=page), NOON)
    assert (line.summary, line.reason) == ("Page to bob by e-mail failed", "550 no such user")


@pytest.mark.parametrize("ended", [communication.PageFailed, communication.PageCancelled])
def test_a_page_failed_or_was_cancelled_when_it_happened(ended: type[communication.PageFailed]) -> None:
    fact = ended(page=Page(kind=Page.KIND_SUMMONS, responder="bob", incident_id="i1"))
    assert narrate(fact, NOON).at == NOON
    fact.at.FromDatetime(NOON)
    assert narrate(fact, NOON + timedelta(minutes=9)).at == NOON


def test_a_changed_severity_happened_when_it_was_changed() -> None:
    fact = triage.SeverityChanged(incident=INCIDENT, before=Severity.SEVERITY_SEV3)
    fact.at.FromDatetime(NOON)
    assert narrate(fact, NOON + timedelta(minutes=9)).at == NOON
    assert narrate(triage.SeverityChanged(incident=INCIDENT), NOON).at == NOON


@pytest.mark.parametrize(
    ("matchers", "service", "alert_id"),
    [
        (['service="shop"', 'alertname="X"'], "shop", ""),
        ([r'service="sh\"op"'], 'sh"op', ""),
        (['service=~"shop|cart"'], EVERY_SERVICE, ""),
        (['alertname="X"'], EVERY_SERVICE, ""),
        (['alert_id="01890000-0000-7000-8000-000000000001"', 'service="shop"'], "", "01890000-0000-7000-8000-000000000001"),
        (['alert_id="no id"'], "", ""),
    ],
)
def test_a_silence_concerns_what_it_names(matchers: list[str], service: str, alert_id: str) -> None:
    for kind in (noise.SilenceCreated, noise.SilenceExpiring, noise.SilenceExpired):
        line = narrate(kind(silence=Silence(matchers=matchers, comment="planned")), NOON)
        assert (line.service, line.alert_id) == (service, alert_id)
        assert matchers[0] in line.summary


def test_a_takeover_happened_when_it_was_told() -> None:
    incident = Incident(id="i1", acknowledged_by="bob")
    incident.acknowledged_at.FromDatetime(NOON)
    line = narrate(triage.IncidentAcknowledged(incident=incident), NOON + timedelta(minutes=9))
    assert (line.at, line.actor) == (NOON + timedelta(minutes=9), "bob")


def test_long_and_wild_titles_become_one_line() -> None:
    alert = AttachedAlert(title="a\nb\x00c " + "x" * 5000)
    line = narrate(triage.AlertAttached(incident=INCIDENT, alert=alert), NOON)
    assert len(line.summary) <= 1000
    assert not {"\n", "\x00"} & set(line.summary)


def test_an_alert_is_told_under_its_own_id() -> None:
    line = narrate(detection.AlertOpened(alert=Alert(id="a1", title="t", integration="p")), NOON)
    assert (line.incident_id, line.alert_id) == ("", "a1")


def test_of_the_same_instant_the_cause_comes_first() -> None:
    kinds = [triage.IncidentOpened, response.EscalationStarted, response.ResponderSummoned, communication.PageSent, triage.IncidentResolved]
    ranks = [narrate(kind(), NOON).rank for kind in kinds]
    assert ranks == sorted(ranks)
