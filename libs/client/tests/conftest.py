"""A real gRPC server for the client to talk to. It keeps what it is given in memory, and answers what a test puts into it."""

import importlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from tocsin.configuration.v1.change_pb2 import Change, FieldChange

from tocsin_client.channel import CONTRACTS
from tocsin_client.client import Tocsin
from tocsin_client.configuration.applying import messages
from tocsin_client.configuration.kinds import configuration_class, kinds
from tocsin_client.connection import Connection

KEY = "tocsin_00000000.secret"
GENERATED = [importlib.import_module(f"{contract.__name__}_grpc") for contract in CONTRACTS]


@dataclass
class Received:
    """One call as the server saw it."""

    method: str
    request: Any
    authorization: str
    remaining: float | None


@dataclass
class Fault:
    """A refusal. `fields` holds (field, what is wrong)."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Installation:
    """What the server answers, by method name: messages or faults one after the other, the last one for ever."""

    answers: dict[str, list[Any]] = field(default_factory=dict)
    calls: list[Received] = field(default_factory=list)
    stored: dict[str, Any] = field(default_factory=dict)
    address: str = ""

    @property
    def connection(self) -> Connection:
        return Connection(self.address, KEY)

    def refuse(self, method: str, code: grpc.StatusCode, message: str, reason: str = "", fields: Any = (), then: Any = None) -> None:
        """Answer with a refusal; `then`, where it is given, with that message for ever after."""
        self.answer(method, Fault(code, message, reason, list(fields)), *([then] if then is not None else []))

    def answer(self, method: str, *answers: Any) -> None:
        self.answers[method] = list(answers)

    def requests(self, method: str) -> list[Any]:
        return [call.request for call in self.calls if call.method == method]

    def handle(self, service: str, method: str, request: Any, context: Any) -> Any:
        headers = dict(context.invocation_metadata())
        if isinstance(request, Iterator):
            request = list(request)
        self.calls.append(Received(method, request, headers.get("authorization", ""), context.time_remaining()))
        waiting = self.answers.get(method)
        if waiting:
            answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if isinstance(answer, Fault):
                abort(context, answer)
            return answer
        if method in ("ApplyConfiguration", "ExportConfiguration", "ListServices"):
            return getattr(self, method)(service, request)
        return context.abort(grpc.StatusCode.UNIMPLEMENTED, method)

    def ListServices(self, service: str, request: Any) -> Any:
        """What is stored, and one that is built in and never exported."""
        answer = response_class("triage", "ListServices")(services=self.kept("triage").services)
        answer.services.add(name="unrouted")
        return answer

    def ExportConfiguration(self, service: str, request: Any) -> Any:
        return response_class(service, "ExportConfiguration")(configuration=self.kept(service))

    def ApplyConfiguration(self, service: str, request: Any) -> Any:
        """As every service does it: compare by name, replace, say what changed."""
        changes = []
        result = configuration_class(service)()
        for kind in [each for each in kinds().values() if each.service == service]:
            old = {getattr(each, "name", "platform"): each for each in messages(self.kept(service), kind)}
            new = {getattr(each, "name", "platform"): each for each in messages(request.configuration, kind)}
            changes += [compare(kind.name, name, old.get(name), message) for name, message in new.items()]
            if request.prune:
                changes += [Change(kind=kind.name, name=name, action=Change.ACTION_DELETED) for name in old if name not in new]
                old = {}
            merged = [each for _, each in sorted({**old, **new}.items())]
            if kind.singular:
                for message in merged:
                    getattr(result, kind.field).CopyFrom(message)
            else:
                getattr(result, kind.field).extend(merged)
        if not request.dry_run:
            self.stored[service] = result
        return response_class(service, "ApplyConfiguration")(changes=changes)

    def kept(self, service: str) -> Any:
        return self.stored.setdefault(service, configuration_class(service)())


def compare(kind: str, name: str, before: Any, after: Any) -> Change:
    if before is None:
        return Change(kind=kind, name=name, action=Change.ACTION_CREATED)
    if before == after:
        return Change(kind=kind, name=name, action=Change.ACTION_UNCHANGED)
    differing = [each.name for each in after.DESCRIPTOR.fields if getattr(before, each.name) != getattr(after, each.name)]
    fields = [FieldChange(path=path, before=f'"{getattr(before, path)}"', after=f'"{getattr(after, path)}"') for path in differing]
    return Change(kind=kind, name=name, action=Change.ACTION_UPDATED, fields=fields)


def response_class(service: str, method: str) -> Any:
    contract: Any = next(each for each in CONTRACTS if each.DESCRIPTOR.package == f"tocsin.{service}.v1")
    return getattr(contract, f"{method}Response")


def abort(context: Any, fault: Fault) -> None:
    status = status_pb2.Status(code=fault.code.value[0], message=fault.message)
    violations = [error_details_pb2.BadRequest.FieldViolation(field=name, description=what) for name, what in fault.fields]
    details: list[Any] = [error_details_pb2.ErrorInfo(reason=fault.reason, domain="tocsin", metadata={"incident": "12"})]
    if violations:
        details.append(error_details_pb2.BadRequest(field_violations=violations))
    for detail in details if fault.reason else []:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    context.abort_with_status(rpc_status.to_status(status))


def servicer(base: type, service: str, installation: Installation) -> Any:
    def handler(name: str) -> Any:
        return lambda self, request, context: installation.handle(service, name, request, context)

    def streaming(name: str) -> Any:
        """One answer is a list of parts."""
        return lambda self, request, context: iter(installation.handle(service, name, request, context))

    contracts = (each for contract in CONTRACTS for each in contract.DESCRIPTOR.services_by_name.values())
    [methods] = [each.methods for each in contracts if each.full_name == f"tocsin.{service}.v1.{base.__name__.removesuffix('Servicer')}"]
    return type(base.__name__, (base,), {each.name: (streaming if each.server_streaming else handler)(each.name) for each in methods})()


@pytest.fixture
def installation() -> Iterator[Installation]:
    found = Installation()
    server = grpc.server(ThreadPoolExecutor(4))
    for module, contract in zip(GENERATED, CONTRACTS, strict=True):
        [name] = contract.DESCRIPTOR.services_by_name
        package = contract.DESCRIPTOR.package.split(".")[1]
        getattr(module, f"add_{name}Servicer_to_server")(servicer(getattr(module, f"{name}Servicer"), package, found), server)
    found.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield found
    server.stop(None).wait()


@pytest.fixture
def tocsin(installation: Installation) -> Iterator[Tocsin]:
    with Tocsin(installation.connection) as client:
        yield client
