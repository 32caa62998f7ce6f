"""What can go wrong for somebody who calls Tocsin, as types that say the reason and how a program should exit."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, cast

if TYPE_CHECKING:
    import grpc


class TocsinError(Exception):
    """Anything this library refuses or fails at. `exit_code` is what a command line program should end with."""

    exit_code: ClassVar[int] = 1


class UsageError(TocsinError):
    """What was asked cannot be done as it was asked; the message names the argument and how to mend it."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field of a request that was refused, and why. `field` is a path such as "api_key.name"."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server said. `reason` is stable and for programs, `message` for people; `metadata` is the data of the reason."""

    status: str
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()


class CallFailed(TocsinError):
    """The server refused or could not answer. Its subclasses say which kind of status it was."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(sentence(refusal))
        self.refusal = refusal

    @property
    def reason(self) -> str:
        """The stable reason, for example "INCIDENT_NOT_FOUND"; empty if the server gave none."""
        return self.refusal.reason

    @property
    def status(self) -> str:
        """The name of the gRPC status, for example "NOT_FOUND"."""
        return self.refusal.status


class InvalidRequest(CallFailed):
    """A field of the request is wrong; `refusal.violations` says which."""

    exit_code = 2


class Unauthenticated(CallFailed):
    """The API key is unknown, ended or missing."""

    exit_code = 3


class PermissionDenied(CallFailed):
    """The API key's role may not do this."""

    exit_code = 4


class NotFound(CallFailed):
    """There is no such thing."""

    exit_code = 5


class Conflict(CallFailed):
    """The thing exists already, or its state does not allow this."""

    exit_code = 6


class Unavailable(CallFailed):
    """Nobody answered. For a method that is safe to repeat this is said only after several attempts."""

    exit_code = 7


class TooSlow(CallFailed):
    """No answer came before the deadline; whether it was done is not known."""

    exit_code = 8


class Overloaded(CallFailed):
    """Too much at once; try again later."""

    exit_code = 9


KINDS: Mapping[str, type[CallFailed]] = {
    "INVALID_ARGUMENT": InvalidRequest,
    "OUT_OF_RANGE": InvalidRequest,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": Conflict,
    "FAILED_PRECONDITION": Conflict,
    "ABORTED": Conflict,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": TooSlow,
    "RESOURCE_EXHAUSTED": Overloaded,
}


def call_failed(error: "grpc.RpcError", address: str) -> CallFailed:
    """The typed form of an error that a gRPC call to `address` raised."""
    refusal = read_refusal(error, address)
    return KINDS.get(refusal.status, CallFailed)(refusal)


def read_refusal(error: "grpc.RpcError", address: str) -> Refusal:
    from google.rpc import error_details_pb2  # type: ignore[import-untyped]
    from grpc_status import rpc_status

    call = cast("grpc.Call", error)  # what a stub raises is always its call, too
    status, message = call.code().name, call.details() or ""
    rich = rpc_status.from_call(call)
    if rich is None:
        return Refusal(status, unexplained(status, message, address))
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    for detail in rich.details:
        _ = detail.Unpack(info) or detail.Unpack(bad)
    violations = tuple(FieldViolation(each.field, each.description) for each in bad.field_violations)
    return Refusal(status, message or rich.message, info.reason, dict(info.metadata), violations)


def unexplained(status: str, message: str, address: str) -> str:
    """What to tell people when gRPC itself failed, and not the server with a reason."""
    match status:
        case "UNAVAILABLE":
            return f"cannot reach Tocsin at {address} ({message}). Is it running? `tocsin doctor` tells more."
        case "DEADLINE_EXCEEDED":
            return f"no answer from {address} in time. Whether it was done is not known; `tocsin doctor` tells how the platform is."
        case "UNIMPLEMENTED":
            return f"the server at {address} does not know this call: it is older than this client, or not Tocsin ({message})."
        case _:
            return message or status


def sentence(refusal: Refusal) -> str:
    """One text for people, with every refused field on a line of its own."""
    lines = [f"{each.field}: {each.description}" for each in refusal.violations]
    if lines and all(each.description in refusal.message for each in refusal.violations):
        return "\n".join(lines)
    return "\n  ".join([refusal.message, *lines])
