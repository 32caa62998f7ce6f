"""What response does at other services of the platform, as any client would."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tocsin.detection.v1.detection_service_pb2 import RaiseAlertRequest, RaiseAlertResponse
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub

from tocsin_chassis.grpc.caller import Identity
from tocsin_chassis.grpc.channel import channel
from tocsin_response.gap.store import GapReport

if TYPE_CHECKING:
    from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceAsyncStub

LONGEST_KEY = 500
SECONDS = 3.0
AUDIT_KEY = "escalation-timers"


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
