"""Everything that the platform holds, as files of JSON."""

import hashlib
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from tocsin.communication.v1 import communication_service_pb2 as communication
from tocsin.communication.v1 import contact_service_pb2 as contacts
from tocsin.communication.v1 import paging_service_pb2 as paging
from tocsin.communication.v1.contact_pb2 import Contact
from tocsin.communication.v1.page_pb2 import Attempt, ContactMethod, Page
from tocsin.communication.v1.rules_pb2 import PersonalRules
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.edge.v1 import edge_service_pb2 as edge
from tocsin.response.v1 import oncall_service_pb2 as oncall
from tocsin.review.v1 import review_service_pb2 as review
from tocsin.review.v1.review_pb2 import Review, TimelineEntry
from tocsin.triage.v1 import triage_service_pb2 as triage
from tocsin.triage.v1.catalogue_pb2 import Configuration, Service
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_client.cli import run

IDS = [f"0199f0a0-0000-7000-8000-00000000000{number}" for number in range(4)]


@pytest.fixture
def full(installation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An installation that holds two of most things, some on a second page of their lists."""
    monkeypatch.delenv("TOCSIN_CONNECTION", raising=False)
    monkeypatch.setenv("TOCSIN_GRPC", installation.address)
    monkeypatch.setenv("TOCSIN_API_KEY", installation.connection.api_key)
    first, second = (Incident(id=IDS[number], number=number, title="Zürich ist weg") for number in (1, 2))
    pages = [triage.ListIncidentsResponse(incidents=[first], next_page_token="more"), triage.ListIncidentsResponse(incidents=[second])]
    installation.answer("ListIncidents", *pages)
    installation.answer("GetIncident", triage.GetIncidentResponse(incident=first), triage.GetIncidentResponse(incident=second))
    installation.answer(
        "GetTimeline", review.GetTimelineResponse(entries=[TimelineEntry(summary="opened"), TimelineEntry(summary="taken")])
    )
    installation.answer("GetReview", review.GetReviewResponse(review=Review(incident_id=IDS[1])))
    installation.answer(
        "ExportAlerts",
        [detection.ExportAlertsResponse(alerts=[Alert(id=IDS[0])]), detection.ExportAlertsResponse(alerts=[Alert(id=IDS[1])])],
    )
    installation.answer("ListPages", communication.ListPagesResponse(pages=[Page(id=IDS[3])]))
    installation.answer(
        "GetPage", paging.GetPageResponse(page=Page(id=IDS[3]), attempts=[Attempt(number=1, detail="HTTP 503")], body="down")
    )
    methods = [ContactMethod(name=name, responder="alice") for name in ("a", "b")]
    installation.answer(
        "ListContacts", contacts.ListContactsResponse(contacts=[Contact(contact_method=method, added_by="alice") for method in methods])
    )
    installation.answer("GetPersonalRules", contacts.GetPersonalRulesResponse(rules=PersonalRules(name="alice"), set_by="alice"))
    installation.answer("ListPastDuties", oncall.ListPastDutiesResponse(duties=[oncall.PastDuty(schedule="primary", responder="alice")]))
    installation.answer("ListAuditEntries", edge.ListAuditEntriesResponse(entries=[edge.AuditEntry()]))
    installation.stored["triage"] = Configuration(services=[Service(name="shop"), Service(name="bank")])
    return installation


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_a_dump_holds_everything_and_its_manifest_proves_it(full: Any, tmp_path: Path) -> None:
    target = tmp_path / "dump"
    assert run(["dump", str(target)]) == 0
    manifest = json.loads((target / "manifest.json").read_text())
    counts = {each["name"]: each["objects"] for each in manifest["files"]}
    assert counts == {
        "incidents.ndjson": 2, "alerts.ndjson": 2, "pages.ndjson": 1, "contacts.ndjson": 3, "duties.ndjson": 1, "audit.ndjson": 1,
        "configuration/services.yaml": 2,
    }  # fmt: skip
    for each in manifest["files"]:
        content = (target / each["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == each["sha256"]
        assert each["kind"] == "configuration" or len(read(target / each["name"])) == each["objects"]
    incident = read(target / "incidents.ndjson")[0]
    assert incident["incident"]["title"] == "Zürich ist weg" and [entry["summary"] for entry in incident["timeline"]] == ["opened", "taken"]
    assert read(target / "pages.ndjson")[0]["attempts"][0]["detail"] == "HTTP 503"
    assert run(["dump", str(target)]) == 2


def test_what_is_left_out_is_not_asked_for(full: Any, tmp_path: Path) -> None:
    full.refuse("GetReview", grpc.StatusCode.NOT_FOUND, "there is no review", "REVIEW_NOT_FOUND")
    full.refuse("ListAuditEntries", grpc.StatusCode.PERMISSION_DENIED, "administrators only", "ROLE_TOO_LOW")
    kept = [word for kind in ("alerts", "pages", "contacts", "duties", "configuration") for word in ("--without", kind)]
    assert run(["dump", str(tmp_path / "refused"), *kept]) == 4
    assert not (tmp_path / "refused" / "manifest.json").exists()
    assert run(["dump", str(tmp_path / "rest"), *kept, "--without", "audit"]) == 0
    assert [each["review"] for each in read(tmp_path / "rest" / "incidents.ndjson")] == [None]
    assert not full.requests("ListPages")
    assert run(["dump", str(tmp_path / "other"), "--without", "everything"]) == 2
