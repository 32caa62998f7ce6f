"""What is served in public, read from the descriptors: every method, who may call it, and what it does to the state."""

from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from tocsin.access.v1.access_pb2 import Access, access
from tocsin.communication.v1 import communication_service_pb2, contact_service_pb2, paging_service_pb2
from tocsin.detection.v1 import change_service_pb2, detection_service_pb2, heartbeat_service_pb2, noise_service_pb2
from tocsin.edge.v1 import edge_service_pb2
from tocsin.response.v1 import (
    command_service_pb2,
    containment_service_pb2,
    escalation_service_pb2,
    evidence_service_pb2,
    obligation_service_pb2,
    oncall_service_pb2,
    playbook_service_pb2,
    response_service_pb2,
)
from tocsin.review.v1 import review_service_pb2
from tocsin.triage.v1 import triage_service_pb2

EDGE = "edge"
APPLY = "ApplyConfiguration"
_CONTRACTS = (
    detection_service_pb2,
    change_service_pb2,
    heartbeat_service_pb2,
    noise_service_pb2,
    triage_service_pb2,
    response_service_pb2,
    command_service_pb2,
    escalation_service_pb2,
    evidence_service_pb2,
    obligation_service_pb2,
    oncall_service_pb2,
    playbook_service_pb2,
    containment_service_pb2,
    communication_service_pb2,
    paging_service_pb2,
    contact_service_pb2,
    review_service_pb2,
    edge_service_pb2,
)


@dataclass(frozen=True, slots=True)
class Method:
    """One public method. `path` is "/package.Service/Method", `owner` the service that has it ("triage")."""

    path: str
    name: str
    service: str
    owner: str
    rule: Access
    request: type[Message]
    response: type[Message]
    client_streams: bool
    server_streams: bool
    changes_something: bool
    idempotent: bool

    @property
    def streams(self) -> bool:
        return self.client_streams or self.server_streams


def public_services() -> list[ServiceDescriptor]:
    """The services behind the public address, this one last."""
    return [service for contract in _CONTRACTS for service in contract.DESCRIPTOR.services_by_name.values()]


def public_methods() -> dict[str, Method]:
    """Every method by its path."""
    methods = [_method(service, method) for service in public_services() for method in service.methods]
    return {method.path: method for method in methods}


def _method(service: ServiceDescriptor, method: MethodDescriptor) -> Method:
    level = method.GetOptions().idempotency_level
    return Method(
        path=f"/{service.full_name}/{method.name}",
        name=method.name,
        service=service.full_name,
        owner=service.full_name.split(".")[1],
        rule=method.GetOptions().Extensions[access],
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        client_streams=method.client_streaming,
        server_streams=method.server_streaming,
        changes_something=level != MethodOptions.NO_SIDE_EFFECTS,
        idempotent=level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT),
    )
