import json
import stat
from pathlib import Path
from typing import Any

import grpc
import pytest
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.edge.v1 import edge_service_pb2 as edge
from tocsin.triage.v1 import triage_service_pb2 as triage
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_client import errors
from tocsin_client.client import Tocsin, incident_request
from tocsin_client.connection import Connection, find_connection

INCIDENT = "01996b2e-0000-7000-8000-000000000001"


def declared(title: str = "disk full") -> triage.DeclareIncidentRequest:
    return triage.DeclareIncidentRequest(title=title)


def test_every_call_shows_the_key_and_has_a_deadline(tocsin: Tocsin, installation: Any) -> None:
    installation.answer("ListServices", triage.ListServicesResponse())
    tocsin.triage.ListServices(triage.ListServicesRequest())
    [call] = installation.calls
    assert call.authorization == f"Bearer {installation.connection.api_key}"
    assert call.remaining is not None and 5 < call.remaining < 11


def test_a_deadline_of_ones_own_wins(tocsin: Tocsin, installation: Any) -> None:
    installation.answer("ListServices", triage.ListServicesResponse())
    tocsin.triage.ListServices(triage.ListServicesRequest(), timeout=3)
    assert installation.calls[0].remaining is not None and installation.calls[0].remaining < 4


def test_a_mutation_is_repeated_with_one_request_id(tocsin: Tocsin, installation: Any) -> None:
    installation.refuse("DeclareIncident", grpc.StatusCode.UNAVAILABLE, "starting", then=triage.DeclareIncidentResponse())
    request = declared()
    tocsin.triage.DeclareIncident(request)
    ids = [each.request_id for each in installation.requests("DeclareIncident")]
    assert len(ids) == 2 and len(set(ids)) == 1 and ids[0]
    assert not request.request_id, "the caller's own request is left alone"


def test_two_calls_have_two_request_ids_and_a_given_one_stays(tocsin: Tocsin, installation: Any) -> None:
    installation.answer("DeclareIncident", triage.DeclareIncidentResponse())
    for request in (declared(), declared(), triage.DeclareIncidentRequest(title="x", request_id="mine")):
        tocsin.triage.DeclareIncident(request)
    ids = [each.request_id for each in installation.requests("DeclareIncident")]
    assert len(set(ids)) == 3 and ids[2] == "mine"


def test_what_is_not_harmless_is_not_repeated(tocsin: Tocsin, installation: Any) -> None:
    installation.refuse("RotateIntegrationKey", grpc.StatusCode.UNAVAILABLE, "starting", then=detection.RotateIntegrationKeyResponse())
    with pytest.raises(errors.Unavailable):
        tocsin.detection.RotateIntegrationKey(detection.RotateIntegrationKeyRequest(name="x"))
    assert len(installation.requests("RotateIntegrationKey")) == 1


def test_only_unavailable_is_repeated(tocsin: Tocsin, installation: Any) -> None:
    installation.refuse("ListServices", grpc.StatusCode.INTERNAL, "internal error", then=triage.ListServicesResponse())
    with pytest.raises(errors.CallFailed):
        tocsin.triage.ListServices(triage.ListServicesRequest())
    assert len(installation.calls) == 1


@pytest.mark.parametrize(
    ("code", "kind", "exit_code"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, errors.InvalidRequest, 2),
        (grpc.StatusCode.UNAUTHENTICATED, errors.Unauthenticated, 3),
        (grpc.StatusCode.PERMISSION_DENIED, errors.PermissionDenied, 4),
        (grpc.StatusCode.NOT_FOUND, errors.NotFound, 5),
        (grpc.StatusCode.FAILED_PRECONDITION, errors.Conflict, 6),
        (grpc.StatusCode.ALREADY_EXISTS, errors.Conflict, 6),
        (grpc.StatusCode.UNAVAILABLE, errors.Unavailable, 7),
        (grpc.StatusCode.DEADLINE_EXCEEDED, errors.TooSlow, 8),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, errors.Overloaded, 9),
        (grpc.StatusCode.INTERNAL, errors.CallFailed, 1),
    ],
)
def test_a_status_becomes_a_type(tocsin: Tocsin, installation: Any, code: Any, kind: type, exit_code: int) -> None:
    installation.refuse("GetIncident", code, "no such incident", "SOME_REASON")
    with pytest.raises(errors.CallFailed) as caught:
        tocsin.incident("12")
    assert type(caught.value) is kind
    assert caught.value.exit_code == exit_code
    assert caught.value.reason == "SOME_REASON" and caught.value.refusal.metadata == {"incident": "12"}
    assert str(caught.value) == "no such incident"


def test_refused_fields_are_named_once(tocsin: Tocsin, installation: Any) -> None:
    fields = [("title", "too short"), ("service", "unknown")]
    installation.refuse("DeclareIncident", grpc.StatusCode.INVALID_ARGUMENT, "title: too short; service: unknown", "INVALID", fields)
    with pytest.raises(errors.InvalidRequest, match=r"^title: too short\nservice: unknown$") as caught:
        tocsin.triage.DeclareIncident(declared())
    assert [each.field for each in caught.value.refusal.violations] == ["title", "service"]


def test_nobody_listening_says_where_and_what_to_do() -> None:
    with Tocsin(Connection("127.0.0.1:1", "key")) as tocsin, pytest.raises(errors.Unavailable, match=r"127\.0\.0\.1:1.*tocsin doctor"):
        tocsin.triage.ListServices(triage.ListServicesRequest())


def test_a_list_is_walked_page_by_page(tocsin: Tocsin, installation: Any) -> None:
    first = triage.ListIncidentsResponse(incidents=[Incident(number=3), Incident(number=2)], next_page_token="older")
    installation.answer("ListIncidents", first, triage.ListIncidentsResponse(incidents=[Incident(number=1)]))
    assert [each.number for each in tocsin.incidents([Incident.STATE_OPEN])] == [3, 2, 1]
    asked = installation.requests("ListIncidents")
    assert [each.page_token for each in asked] == ["", "older"]
    assert all(list(each.states) == [Incident.STATE_OPEN] for each in asked)


def test_a_stream_fails_with_our_errors(tocsin: Tocsin, installation: Any) -> None:
    installation.refuse("Watch", grpc.StatusCode.RESOURCE_EXHAUSTED, "three streams are open", "TOO_MANY_STREAMS")
    with pytest.raises(errors.Overloaded, match="three streams"):
        next(tocsin.edge.Watch(edge.WatchRequest()))
    assert installation.calls[0].authorization == f"Bearer {installation.connection.api_key}"


def test_an_incident_by_number_or_id() -> None:
    assert incident_request("12").number == 12 == incident_request("#12").number
    assert incident_request(INCIDENT.upper()).incident_id == INCIDENT
    for nonsense in ("0", "-1", "x", "", "²", "9" * 30):
        with pytest.raises(errors.UsageError, match="INCIDENT"):
            incident_request(nonsense)


def test_an_id_needs_no_question(tocsin: Tocsin, installation: Any) -> None:
    assert tocsin.incident_id(INCIDENT) == INCIDENT
    assert installation.calls == []


def written(path: Path, grpc_address: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"console": "http://h", "grpc": grpc_address, "api_key": "k"}))
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    return path


def test_the_connection_is_found_in_this_order(tmp_path: Path) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    environment = {"HOME": str(home)}
    with pytest.raises(errors.UsageError, match="tocsin up"):
        find_connection(environment, here=here)
    written(here / ".tocsin/connection.json", "local:1")
    assert find_connection(environment, here=here).address == "local:1"
    written(home / ".local/share/tocsin/connection.json", "home:1")
    assert find_connection(environment, here=here).address == "home:1"
    environment |= {"TOCSIN_GRPC": "variable:1", "TOCSIN_API_KEY": "k2"}
    assert find_connection(environment, here=here) == Connection("variable:1", "k2")
    environment["TOCSIN_CONNECTION"] = str(written(tmp_path / "named.json", "named:1"))
    assert find_connection(environment, here=here).address == "named:1"
    assert find_connection(environment, written(tmp_path / "given.json", "given:1"), here).address == "given:1"


@pytest.mark.parametrize("content", ["", "[]", "null", "{}", '{"grpc": 1, "api_key": "x"}', '{"grpc": "x", "api_key": ""}', "\udcff"])
def test_a_broken_connection_file_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "connection.json"
    file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(errors.UsageError, match=r"connection\.json"):
        Connection.from_file(file)


def test_the_key_is_not_printed_with_the_connection() -> None:
    assert "secret" not in repr(Connection("h:1", "secret"))
