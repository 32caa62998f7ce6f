"""A gRPC channel as Tocsin wants to be called: with the key, a deadline, harmless repeats and typed errors."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from tocsin.communication.v1 import communication_service_pb2, contact_service_pb2, paging_service_pb2
from tocsin.detection.v1 import change_service_pb2, detection_service_pb2, heartbeat_service_pb2, noise_service_pb2
from tocsin.edge.v1 import edge_service_pb2
from tocsin.response.v1 import (
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

from tocsin_client.connection import Connection
from tocsin_client.errors import call_failed
from tocsin_kernel.ids import Ids

CONTRACTS = (
    detection_service_pb2,
    heartbeat_service_pb2,
    noise_service_pb2,
    change_service_pb2,
    triage_service_pb2,
    response_service_pb2,
    oncall_service_pb2,
    playbook_service_pb2,
    escalation_service_pb2,
    containment_service_pb2,
    evidence_service_pb2,
    obligation_service_pb2,
    communication_service_pb2,
    paging_service_pb2,
    contact_service_pb2,
    review_service_pb2,
    edge_service_pb2,
)
# Seconds.
DEADLINE = 10.0
LONG_DEADLINE = 60.0
LONG_METHODS = frozenset({"ApplyConfiguration", "ExportConfiguration"})
SAFE_LEVELS = frozenset({MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT})
RETRY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
TLS = "https://"


def open_channel(connection: Connection, ids: Ids) -> grpc.Channel:
    """A channel to the installation. Nothing is sent before the first call. The caller closes it."""
    options = [
        ("grpc.service_config", json.dumps(service_config())),
        ("grpc.enable_retries", 1),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    ]
    if connection.address.startswith(TLS):
        channel = grpc.secure_channel(connection.address.removeprefix(TLS), grpc.ssl_channel_credentials(), options)
    else:
        channel = grpc.insecure_channel(connection.address, options)
    return grpc.intercept_channel(channel, Manners(connection, ids))


def service_config() -> dict[str, object]:
    """The gRPC service config: repeats, where the contract says that they are harmless."""
    names = [name_of(method) for service in services() for method in service.methods if safe_to_repeat(method)]
    return {"methodConfig": [{"name": names, "retryPolicy": RETRY}]}


def services() -> Iterator[ServiceDescriptor]:
    return (service for contract in CONTRACTS for service in contract.DESCRIPTOR.services_by_name.values())


def name_of(method: MethodDescriptor) -> dict[str, str]:
    return {"service": method.containing_service.full_name, "method": method.name}


def safe_to_repeat(method: MethodDescriptor) -> bool:
    """By its own option, or because its request carries a request_id: the answer to a repeat is then the first answer."""
    return method.GetOptions().idempotency_level in SAFE_LEVELS or "request_id" in method.input_type.fields_by_name


def deadline(method: str | bytes) -> float:
    """Seconds that a call may take, by its path "/package.Service/Method". Set here and not in the service config, whose
    timeouts the server is not told."""
    path = method.decode() if isinstance(method, bytes) else method
    return LONG_DEADLINE if path.rpartition("/")[2] in LONG_METHODS else DEADLINE


class CallDetails(NamedTuple):
    """What grpc asks for where a call's metadata is replaced."""

    method: str
    timeout: float | None
    metadata: list[tuple[str, str | bytes]]
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: Any


class Manners(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the key and a request_id to every call, and turns what fails into our errors."""

    def __init__(self, connection: Connection, ids: Ids) -> None:
        self._connection = connection
        self._ids = ids

    def intercept_unary_unary(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        details = self._with_key(client_call_details, client_call_details.timeout or deadline(client_call_details.method))
        call = continuation(details, self._repeatable(request))
        # A call made with .future() is not done yet; its error stays a grpc.RpcError.
        if isinstance(call, grpc.RpcError) and call.done():  # type: ignore[attr-defined]
            raise call_failed(call, self._connection.address) from call
        return call

    def intercept_unary_stream(self, continuation: Callable[..., Any], client_call_details: Any, request: Any) -> Any:
        # A stream is meant to last: it has a deadline only if the caller gives one.
        details = self._with_key(client_call_details, client_call_details.timeout)
        return Answers(continuation(details, request), self._connection.address)

    def intercept_stream_stream(self, continuation: Callable[..., Any], client_call_details: Any, request_iterator: Any) -> Any:
        details = self._with_key(client_call_details, client_call_details.timeout)
        return Answers(continuation(details, request_iterator), self._connection.address)

    def intercept_stream_unary(self, continuation: Callable[..., Any], client_call_details: Any, request_iterator: Any) -> Any:
        call = continuation(self._with_key(client_call_details, client_call_details.timeout), request_iterator)
        if isinstance(call, grpc.RpcError) and call.done():  # type: ignore[attr-defined]
            raise call_failed(call, self._connection.address) from call
        return call

    def _with_key(self, details: Any, timeout: float | None) -> CallDetails:
        metadata = list(details.metadata or ())
        if self._connection.api_key:
            metadata.append(("authorization", f"Bearer {self._connection.api_key}"))
        return CallDetails(details.method, timeout, metadata, details.credentials, details.wait_for_ready, details.compression)

    def _repeatable(self, request: Any) -> Any:
        """The request, with a request_id where it has a place for one that is empty."""
        if "request_id" not in request.DESCRIPTOR.fields_by_name or request.request_id:
            return request
        filled = type(request)()
        filled.CopyFrom(request)
        filled.request_id = self._ids.new()
        return filled


class Answers(Iterator[Any]):
    """A stream of answers whose failure is one of our errors; everything else is the call's."""

    def __init__(self, call: Any, address: str) -> None:
        self._call = call
        self._address = address

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise call_failed(error, self._address) from error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)
