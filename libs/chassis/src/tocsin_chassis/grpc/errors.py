"""Domain errors become statuses here, and only here."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AbortError

from tocsin_chassis.grpc.wrapping import Around, Call
from tocsin_chassis.telemetry import trace_id
from tocsin_kernel import errors

log = logging.getLogger(__name__)

DOMAIN = "tocsin"
STATUS_DETAILS = "grpc-status-details-bin"

CODES: tuple[tuple[type[errors.DomainError], StatusCode], ...] = (
    (errors.Invalid, StatusCode.INVALID_ARGUMENT),
    (errors.NotFound, StatusCode.NOT_FOUND),
    (errors.Conflict, StatusCode.FAILED_PRECONDITION),
    (errors.AlreadyExists, StatusCode.ALREADY_EXISTS),
    (errors.Stale, StatusCode.ABORTED),
    (errors.Forbidden, StatusCode.PERMISSION_DENIED),
    (errors.Unauthenticated, StatusCode.UNAUTHENTICATED),
    (errors.Overloaded, StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, StatusCode.UNAVAILABLE),
)


class ManyInvalid(errors.Invalid):
    """Several fields are wrong at once: `violations` holds (field, what is wrong)."""

    message = "{detail}"

    def __init__(self, violations: list[tuple[str, str]]) -> None:
        self.violations = violations
        super().__init__(field=violations[0][0], detail="; ".join(f"{field}: {what}" for field, what in violations))


class Errors(Around):
    """Maps what a handler raises to a status with details. What is not a domain error is told to nobody but the log."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        try:
            yield
        except (AbortError, asyncio.CancelledError):
            raise
        except Exception as error:  # the boundary of the process: everything ends here
            status = logged_status(call.method, error)
            details = ((STATUS_DETAILS, status.SerializeToString()),)
            await call.context.abort(_code(status.code), status.message, trailing_metadata=details)


def logged_status(method: str, error: Exception) -> status_pb2.Status:
    """The status of what a handler raised; what is told to nobody else is told to the log."""
    status = to_status(error)
    if status.code == code_pb2.INTERNAL:
        log.error("%s failed", method, exc_info=error)
    return status


def to_status(error: Exception) -> status_pb2.Status:
    """The status of an error, with ErrorInfo (reason, data) and, for invalid fields, BadRequest."""
    if isinstance(error, TimeoutError):
        return status_pb2.Status(code=code_pb2.DEADLINE_EXCEEDED, message="the deadline passed before the work was done")
    if isinstance(error, grpc.aio.AioRpcError):
        # A service that this one called: its refusal is passed on as it is, anything else as ours.
        return from_rpc_error(error)
    if not isinstance(error, errors.DomainError):
        return status_pb2.Status(code=code_pb2.INTERNAL, message=f"internal error (trace {trace_id() or 'none'})")
    code = next(code for kind, code in CODES if isinstance(error, kind))
    details: list[error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo] = [
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=error.data)
    ]
    if isinstance(error, errors.Invalid):
        details.append(_bad_request(error))
    return status_pb2.Status(code=code.value[0], message=str(error), details=[_packed(detail) for detail in details])


def from_rpc_error(error: grpc.aio.AioRpcError) -> status_pb2.Status:
    """The status that another service answered, details included."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_DETAILS and isinstance(value, bytes):
            return status_pb2.Status.FromString(value)
    return status_pb2.Status(code=error.code().value[0], message=error.details() or "")


def _bad_request(error: errors.Invalid) -> error_details_pb2.BadRequest:
    violations = error.violations if isinstance(error, ManyInvalid) else [(error.data["field"], error.data.get("detail", str(error)))]
    Violation = error_details_pb2.BadRequest.FieldViolation
    return error_details_pb2.BadRequest(field_violations=[Violation(field=field, description=what) for field, what in violations])


def _packed(detail: error_details_pb2.ErrorInfo | error_details_pb2.BadRequest | error_details_pb2.RetryInfo) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _code(number: int) -> StatusCode:
    return next(code for code in StatusCode if code.value[0] == number)
