"""What response does at other services of the platform, as any client would."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import grpc
from tocsin.detection.v1.detection_service_pb2 import RaiseAlertRequest, RaiseAlertResponse
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.triage.v1.triage_service_pb2 import ReopenIncidentRequest
from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceStub

from tocsin_chassis.grpc.caller import Identity
from tocsin_chassis.grpc.channel import channel
from tocsin_kernel.errors import Unavailable
from tocsin_response.gap.store import GapReport

if TYPE_CHECKING:
    from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceAsyncStub
    from tocsin.triage.v1.triage_service_pb2_grpc import TriageServiceAsyncStub

LONGEST_KEY = 500
SECONDS = 3.0
AUDIT_KEY = "escalation-timers"
RUNS_KEY = "playbook-runs"
# Somebody has opened it already, or it is gone.
SETTLED = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)


class TriageUnavailable(Unavailable):
    reason = "TRIAGE_UNAVAILABLE"
    message = "triage does not answer: {detail}"


class Detection:
    """Raises alerts at detection."""

    def __init__(self, stub: "DetectionServiceAsyncStub") -> None:
        self._stub = stub

    async def raise_alert(self, report: GapReport) -> str:
        """Raise the alert about a gap, or count an occurrence of the open one; returns the alert's id. Raises grpc.RpcError."""
        request = RaiseAlertRequest(
            request_id=report.id,
            title=report.title,
            description=report.description,
            dedup_key=_dedup_key(report.gap),
            severity="warning",
            labels={"alertname": "OncallCoverageGap", "gap": report.gap},
        )
        answer: RaiseAlertResponse = await self._stub.RaiseAlert(request, timeout=SECONDS)
        return answer.alert.id

    async def raise_finding(self, request_id: str, title: str, description: str) -> str:
        """Raise the alert that timers of escalations did not fire as they should; returns the alert's id. Raises grpc.RpcError."""
        request = RaiseAlertRequest(
            request_id=request_id,
            title=title,
            description=description,
            dedup_key=AUDIT_KEY,
            severity="critical",
            labels={"alertname": "EscalationTimerMissed"},
        )
        answer: RaiseAlertResponse = await self._stub.RaiseAlert(request, timeout=SECONDS)
        return answer.alert.id

    async def raise_stuck_runs(self, request_id: str, title: str, description: str) -> str:
        """Raise the alert that runs of playbooks do not go on; returns the alert's id. Raises grpc.RpcError."""
        request = RaiseAlertRequest(
            request_id=request_id,
            title=title,
            description=description,
            dedup_key=RUNS_KEY,
            severity="critical",
            labels={"alertname": "PlaybookRunStuck"},
        )
        answer: RaiseAlertResponse = await self._stub.RaiseAlert(request, timeout=SECONDS)
        return answer.alert.id


class Triage:
    """Opens incidents again at triage."""

    def __init__(self, stub: "TriageServiceAsyncStub") -> None:
        self._stub = stub

    async def reopen(self, incident_id: str, request_id: str, reason: str) -> None:
        """Open a resolved incident again; one that is open stays so, and the same request twice opens it once. Raises TriageUnavailable."""
        request = ReopenIncidentRequest(request_id=request_id, incident_id=incident_id, reason=reason)
        try:
            await self._stub.ReopenIncident(request, timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() not in SETTLED:
                raise TriageUnavailable(detail=f"{error.code().name}: {error.details()}") from error


@asynccontextmanager
async def triage(address: str, identity: Identity) -> AsyncIterator[Triage | None]:
    """Triage at this address; None if there is no address."""
    if not address:
        yield None
        return
    async with channel(address, identity) as opened:
        yield Triage(TriageServiceStub(opened))


@asynccontextmanager
async def detection(address: str, identity: Identity) -> AsyncIterator[Detection | None]:
    """Detection at this address; None if there is no address."""
    if not address:
        yield None
        return
    async with channel(address, identity) as opened:
        yield Detection(DetectionServiceStub(opened))


def _dedup_key(gap: str) -> str:
    """One alert for each gap, whoever meets it."""
    key = f"coverage-gap:{gap}"
    return key if len(key) <= LONGEST_KEY else f"coverage-gap:{hashlib.sha256(gap.encode()).hexdigest()}"
