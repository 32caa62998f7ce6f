"""The commands that look at pages one by one, at contact methods and at who can be reached."""

from collections.abc import Callable
from typing import Any

import pytest
from tocsin.communication.v1 import communication_service_pb2 as communication
from tocsin.communication.v1 import contact_service_pb2 as contacts
from tocsin.communication.v1 import paging_service_pb2 as paging
from tocsin.communication.v1.contact_pb2 import Contact, Delegation, Reachability
from tocsin.communication.v1.page_pb2 import Attempt, ContactMethod, Page
from tocsin.communication.v1.rules_pb2 import PersonalRules, QuietHours, QuietWindow
from tocsin.edge.v1 import edge_service_pb2 as edge

from tocsin_client.cli import run

ID = "0199f0a0-0000-7000-8000-000000000001"
PAGE = Page(id=ID, responder="alice", contact_method="alice-sms", state=Page.STATE_SENT, subject="[SEV1] #7 down", reason="step 1")


@pytest.fixture
def tocsin(installation: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs the command line in this process, against the installation."""
    monkeypatch.delenv("TOCSIN_CONNECTION", raising=False)
    monkeypatch.setenv("TOCSIN_GRPC", installation.address)
    monkeypatch.setenv("TOCSIN_API_KEY", installation.connection.api_key)

    def typed(*words: str, status: int = 0) -> str:
        capsys.readouterr()
        ended = run(words)
        output, error = capsys.readouterr()
        assert ended == status, output + error
        return output

    return typed


def test_pages_are_filtered_by_words_that_people_use(tocsin: Any, installation: Any) -> None:
    installation.answer("ListPages", communication.ListPagesResponse(pages=[PAGE]))
    tocsin("page", "list", "--channel", "web-push", "--state", "failed", "--from", "2h ago")
    [asked] = installation.requests("ListPages")
    assert (
        list(asked.channels) == [ContactMethod.KIND_WEB_PUSH] and list(asked.states) == [Page.STATE_FAILED] and asked.HasField("made_from")
    )
    tocsin("page", "list", "--channel", "pigeon", status=2)


def test_a_page_is_shown_with_its_attempts(tocsin: Any, installation: Any) -> None:
    attempts = [Attempt(number=1, account="main", outcome="TRANSIENT", detail="HTTP 503"), Attempt(number=2, account="second")]
    installation.answer("GetPage", paging.GetPageResponse(page=PAGE, attempts=attempts, body="Database is down"))
    output = tocsin("page", "show", ID)
    assert all(word in output for word in ("[SEV1] #7 down", "Database is down", "HTTP 503", "second", "step 1"))


def test_who_would_be_paged_and_why(tocsin: Any, installation: Any) -> None:
    page = paging.PreviewedPage(responder="alice", contact_method="alice-sms", reason="at once", warning="not confirmed")
    installation.answer("PreviewPages", paging.PreviewPagesResponse(pages=[page], warning="paging is stopped"))
    assert "not confirmed" in tocsin("page", "why", "alice", "--low", "--severity", "sev2", "--at", "+2h")
    [asked] = installation.requests("PreviewPages")
    assert (asked.urgency, asked.severity) == (2, "SEV2") and asked.HasField("at")


def test_answering_testing_and_the_switch(tocsin: Any, installation: Any) -> None:
    installation.answer("AnswerPage", paging.AnswerPageResponse(page=PAGE, effect="#7 down acknowledged by alice."))
    assert "acknowledged by alice" in tocsin("page", "ack", ID)
    tocsin("page", "pass", ID)
    assert [asked.answer for asked in installation.requests("AnswerPage")] == [paging.ANSWER_ACKNOWLEDGE, paging.ANSWER_ESCALATE]
    installation.answer("SendTestPage", paging.SendTestPageResponse(pages=[PAGE]))
    assert "alice-sms" in tocsin("page", "test", "--contact", "alice-sms")
    stopped = paging.PagingStatus(stopped=True, reason="wrong words", stopped_by="ada", waiting=3)
    installation.answer("StopPaging", paging.StopPagingResponse(status=stopped))
    assert "PAGING IS STOPPED by ada" in tocsin("page", "stop", "wrong words", "--yes")
    installation.answer("ResumePaging", paging.ResumePagingResponse(status=paging.PagingStatus()))
    assert "Pages go out." in tocsin("page", "resume")


def test_contacts_delegations_and_reach(tocsin: Any, installation: Any) -> None:
    method = ContactMethod(name="alice-sms", responder="alice", kind=ContactMethod.KIND_SMS, address="+15551234567")
    contact = Contact(contact_method=method, health=Contact.HEALTH_FAILING, health_reason="failing since Monday")
    installation.answer("ListContacts", contacts.ListContactsResponse(contacts=[contact]))
    assert "failing since Monday" in tocsin("contact", "list", "alice", "--problems")
    installation.answer("StartConfirmation", contacts.StartConfirmationResponse(page_id=ID))
    assert "A code is on its way" in tocsin("contact", "confirm", "alice-sms")
    installation.answer("ConfirmContactMethod", contacts.ConfirmContactMethodResponse(contact=contact))
    assert "is confirmed" in tocsin("contact", "confirm", "alice-sms", "123456")
    made = Delegation(id=ID, from_responder="alice", to_responder="bob", reason="dentist")
    installation.answer("CreateDelegation", contacts.CreateDelegationResponse(delegation=made))
    assert "dentist" in tocsin("contact", "delegate", "alice", "bob", "--until", "8h", "--reason", "dentist")
    installation.answer("ListReachability", contacts.ListReachabilityResponse(responders=[Reachability(responder="bob", problem="no SMS")]))
    assert "no SMS" in tocsin("reach")


def test_somebody_says_how_they_want_to_be_paged(tocsin: Any, installation: Any) -> None:
    installation.answer("GetCaller", edge.GetCallerResponse(caller=edge.Caller(name="alice")))
    installation.answer("SetPersonalRules", contacts.SetPersonalRulesResponse())
    quiet = ("--quiet", "22:00-07:00", "--days", "mon,tue", "--zone", "Europe/Berlin", "--except-severity", "sev1")
    assert "alice is paged so" in tocsin("page", "rules", "set", "--high", "alice-sms", "--high", "alice-voice+5m", *quiet)
    [request] = installation.requests("SetPersonalRules")
    rules = request.rules
    assert rules.name == "alice" and [(step.contact_method, step.delay.seconds) for step in rules.high] == [
        ("alice-sms", 0),
        ("alice-voice", 300),
    ]
    window = QuietWindow(days=["MON", "TUE"], begins="22:00", ends="07:00")
    assert rules.quiet_hours == QuietHours(zone="Europe/Berlin", windows=[window], except_severities=["SEV1"])
    answer = contacts.GetPersonalRulesResponse(rules=rules, set_by="alice", in_files=PersonalRules(name="alice"))
    installation.answer("GetPersonalRules", answer)
    for words in (("page", "rules"), ("page", "rules", "show", "alice")):
        shown = tocsin(*words)
        for word in ("alice-voice", "0:05:00", "set by alice", "MON TUE 22:00-07:00", "but not SEV1"):
            assert word in shown
    installation.answer("GetPersonalRules", contacts.GetPersonalRulesResponse())
    assert "after its own delay" in tocsin("page", "rules")
    installation.answer("ResetPersonalRules", contacts.ResetPersonalRulesResponse(rules=rules))
    assert "those in files count again" in tocsin("page", "rules", "reset", "--for", "bob")
    assert installation.requests("ResetPersonalRules")[0].responder == "bob"
    for wrong in (("--quiet", "22:00-07:00"), ("--quiet", "night", "--zone", "UTC"), ("--high", "a+"), ("--high", "a+soon")):
        tocsin("page", "rules", "set", *wrong, status=2)


def test_somebody_adds_and_removes_a_contact_method(tocsin: Any, installation: Any) -> None:
    method = ContactMethod(name="alice-sms", responder="alice", kind=ContactMethod.KIND_SMS, address="+15551234567")
    installation.answer("AddContactMethod", contacts.AddContactMethodResponse(contact=Contact(contact_method=method, added_by="alice")))
    assert "tocsin contact confirm alice-sms" in tocsin("contact", "add", "sms", "+15551234567", "--delay", "5m")
    assert '"added_by": "alice"' in tocsin("contact", "add", "sms", "+15551234567", "-o", "json")
    request = installation.requests("AddContactMethod")[0]
    assert (request.kind, request.responder, request.delay.seconds) == (ContactMethod.KIND_SMS, "", 300) and request.request_id
    tocsin("contact", "add", "pigeon", "x", status=2)
    installation.answer("RemoveContactMethod", contacts.RemoveContactMethodResponse())
    assert "is removed" in tocsin("contact", "remove", "alice-sms")
