"""The SDK's front: one object with a stub for each service, and the few helpers that every caller would write again."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self, TypeVar, cast
from uuid import UUID

from google.protobuf.message import Message
from tocsin.communication.v1 import communication_service_pb2 as communication
from tocsin.communication.v1.communication_service_pb2_grpc import CommunicationServiceStub
from tocsin.communication.v1.contact_service_pb2_grpc import ContactServiceStub
from tocsin.communication.v1.page_pb2 import Page
from tocsin.communication.v1.paging_service_pb2_grpc import PagingServiceStub
from tocsin.detection.v1 import change_service_pb2 as changes
from tocsin.detection.v1 import detection_service_pb2 as detection
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.change_pb2 import Change
from tocsin.detection.v1.change_service_pb2_grpc import ChangeServiceStub
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.heartbeat_service_pb2_grpc import HeartbeatServiceStub
from tocsin.detection.v1.noise_service_pb2_grpc import NoiseServiceStub
from tocsin.edge.v1 import edge_service_pb2 as edge
from tocsin.edge.v1.edge_service_pb2_grpc import EdgeServiceStub
from tocsin.response.v1.command_service_pb2_grpc import CommandServiceStub
from tocsin.response.v1.containment_service_pb2_grpc import ContainmentServiceStub
from tocsin.response.v1.escalation_service_pb2_grpc import EscalationServiceStub
from tocsin.response.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from tocsin.response.v1.obligation_service_pb2_grpc import ObligationServiceStub
from tocsin.response.v1.oncall_service_pb2_grpc import OncallServiceStub
from tocsin.response.v1.playbook_service_pb2_grpc import PlaybookServiceStub
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.review.v1 import review_service_pb2 as review
from tocsin.review.v1.review_pb2 import TimelineEntry
from tocsin.review.v1.review_service_pb2_grpc import ReviewServiceStub
from tocsin.triage.v1 import triage_service_pb2 as triage
from tocsin.triage.v1.incident_pb2 import Incident
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_client.channel import open_channel
from tocsin_client.connection import Connection
from tocsin_client.errors import UsageError
from tocsin_kernel.ids import Ids, RandomIds

Request = TypeVar("Request", bound=Message)
Item = TypeVar("Item", bound=Message)

LARGEST_NUMBER = 2**63 - 1


class Tocsin:
    """One installation. Every call has a deadline, a request_id where its request has one, and fails with a CallFailed.

    A deadline of one's own: `tocsin.triage.ListIncidents(request, timeout=2)`. Thread-safe. Close it, or use it in a `with`.
    """

    def __init__(self, connection: Connection, ids: Ids | None = None) -> None:
        self.connection = connection
        self._ids = ids or RandomIds()
        self.channel = open_channel(connection, self._ids)
        self.detection = DetectionServiceStub(self.channel)
        self.heartbeats = HeartbeatServiceStub(self.channel)
        self.noise = NoiseServiceStub(self.channel)
        self.changes = ChangeServiceStub(self.channel)
        self.triage = TriageServiceStub(self.channel)
        self.response = ResponseServiceStub(self.channel)
        self.oncall = OncallServiceStub(self.channel)
        self.playbooks = PlaybookServiceStub(self.channel)
        self.command = CommandServiceStub(self.channel)
        self.escalation = EscalationServiceStub(self.channel)
        self.containment = ContainmentServiceStub(self.channel)
        self.evidence = EvidenceServiceStub(self.channel)
        self.obligations = ObligationServiceStub(self.channel)
        self.communication = CommunicationServiceStub(self.channel)
        self.paging = PagingServiceStub(self.channel)
        self.contacts = ContactServiceStub(self.channel)
        self.review = ReviewServiceStub(self.channel)
        self.edge = EdgeServiceStub(self.channel)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back. Calls that are under way are cancelled."""
        self.channel.close()

    def new_id(self) -> str:
        """A new id, for what is to be the same over several calls."""
        return self._ids.new()

    def incident(self, reference: str) -> triage.GetIncidentResponse:
        """An incident and its alerts by number ("12", "#12") or id. NotFound if there is none, UsageError if it is neither."""
        return self.triage.GetIncident(incident_request(reference))

    def incident_id(self, reference: str) -> str:
        """The id of an incident given by number or id. An id is taken as it is, without asking."""
        request = incident_request(reference)
        return request.incident_id or self.triage.GetIncident(request).incident.id

    def incidents(self, states: "Iterable[Incident.State.ValueType]" = (), service: str = "") -> Iterator[Incident]:
        """All incidents in these states (none given: any), newest first."""
        request = triage.ListIncidentsRequest(states=list(states), service=service, page_size=500)
        return walk(self.triage.ListIncidents, request, Incident)

    def alerts(self, request: detection.ListAlertsRequest) -> Iterator[Alert]:
        """All alerts that the request asks for, newest first."""
        return walk(self.detection.ListAlerts, request, Alert)

    def changes_of(self, request: changes.ListChangesRequest) -> Iterator[Change]:
        """All changes that the request asks for, newest first."""
        return walk(self.changes.ListChanges, request, Change)

    def pages(self, incident_id: str = "", responder: str = "") -> Iterator[Page]:
        """All pages about an incident or to a responder, newest first."""
        return self.pages_of(communication.ListPagesRequest(incident_id=incident_id, responder=responder, page_size=500))

    def pages_of(self, request: communication.ListPagesRequest) -> Iterator[Page]:
        """All pages that the request asks for, newest first."""
        return walk(self.communication.ListPages, request, Page)

    def walk(self, method: Callable[[Request], Message], request: Request, item: type[Item]) -> Iterator[Item]:
        """See `walk`."""
        return walk(method, request, item)

    def timeline(self, incident_id: str) -> Iterator[TimelineEntry]:
        """Everything that happened to an incident, oldest first."""
        return walk(self.review.GetTimeline, review.GetTimelineRequest(incident_id=incident_id), TimelineEntry)

    def audit_entries(self) -> Iterator[edge.AuditEntry]:
        """Who changed what, newest first."""
        return walk(self.edge.ListAuditEntries, edge.ListAuditEntriesRequest(page_size=500), edge.AuditEntry)


def walk(method: Callable[[Request], Message], request: Request, item: type[Item]) -> Iterator[Item]:
    """The items of every page of a list, asking for the next page when it is needed. The request is not changed."""
    following: Any = type(request)()
    following.CopyFrom(request)
    while True:
        answer: Any = method(following)
        [items] = [field for field in answer.DESCRIPTOR.fields if field.message_type is item.DESCRIPTOR and field.is_repeated]
        yield from cast("Iterable[Item]", getattr(answer, items.name))
        if not answer.next_page_token:
            return
        following.page_token = answer.next_page_token


def incident_request(reference: str) -> triage.GetIncidentRequest:
    """What names an incident for people, as a request. UsageError if it is neither a number nor an id."""
    digits = reference.removeprefix("#")
    if digits.isascii() and digits.isdecimal() and 0 < int(digits) <= LARGEST_NUMBER:
        return triage.GetIncidentRequest(number=int(digits))
    try:
        return triage.GetIncidentRequest(incident_id=str(UUID(reference)))
    except ValueError:
        raise UsageError(f"INCIDENT: {reference!r} is neither a number (12) nor an id; `tocsin incident list` shows them") from None
