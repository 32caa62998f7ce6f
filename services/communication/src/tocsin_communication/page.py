"""A page: one message to one responder over one contact method, from made to delivered or given up."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin_communication.contact import Channel
from tocsin_communication.receipt import Outcome, Receipt
from tocsin_kernel.decision import Decision

BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 60, 120, 180, 180, 240))
MOST_ATTEMPTS = len(BACKOFF) + 1
LONGEST_WAIT = timedelta(minutes=5)
# Longer than any attempt with its record may take: when it ends, the process that sent is gone or cut off.
LEASE = timedelta(seconds=20)


class Kind(StrEnum):
    """What the page says."""

    SUMMONS = "SUMMONS"
    RESOLVED = "RESOLVED"
    DIRECT = "DIRECT"
    TAKEN = "TAKEN"


class State(StrEnum):
    """How far the page has come."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    SENT = "SENT"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Told(StrEnum):
    """What others are told of a page."""

    SENT = "PageSent"
    DELIVERED = "PageDelivered"
    FAILED = "PageFailed"
    CANCELLED = "PageCancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `opening` is when the incident opened that it is about, `turn` the turn of the incident that it tells of.

    `outcome_unknown`: an attempt was handed over and never answered. `fence` counts the attempts that were begun.
    """

    id: str
    kind: Kind
    incident_id: str
    responder: str
    contact_method: str
    channel: Channel
    address: str
    provider: str
    reason: str
    subject: str
    body: str
    created_at: datetime
    due_at: datetime
    attempt_at: datetime
    opening: datetime | None = None
    turn: int = 0
    summons_id: str = ""
    state: State = State.PENDING
    state_reason: str = ""
    attempts: int = 0
    outcome_unknown: bool = False
    resent_after_unknown: bool = False
    provider_id: str = ""
    sent_at: datetime | None = None
    delivered_at: datetime | None = None
    version: int = 1
    traceparent: str = ""
    fence: int = 0
    token_hash: bytes | None = None
    used_at: datetime | None = None

    def begin(self) -> "Page":
        """The page as it is handed over. One whose last attempt nobody finished has an unknown outcome behind it."""
        unknown = self.outcome_unknown or self.state is State.SENDING
        return replace(
            self,
            state=State.SENDING,
            state_reason="",
            attempts=self.attempts + 1,
            fence=self.fence + 1,
            version=self.version + 1,
            outcome_unknown=unknown,
            resent_after_unknown=unknown,
        )

    def cancel(self, reason: str) -> Decision["Page"]:
        """It is not needed any more."""
        unknown = self.outcome_unknown or self.state is State.SENDING
        cancelled = replace(self, state=State.CANCELLED, state_reason=reason, outcome_unknown=unknown, version=self.version + 1)
        return Decision(cancelled, (Told.CANCELLED,), reason)

    def fail(self, reason: str) -> Decision["Page"]:
        """It will not arrive."""
        return Decision(replace(self, state=State.FAILED, state_reason=reason, version=self.version + 1), (Told.FAILED,), reason)

    def finish(self, receipt: Receipt, now: datetime) -> Decision["Page"]:
        """What becomes of the page after an attempt."""
        match receipt.outcome:
            case Outcome.ACCEPTED:
                return Decision(self._accepted(receipt, now), (Told.SENT,), receipt.detail)
            case Outcome.DELIVERED:
                delivered = replace(self._accepted(receipt, now), state=State.DELIVERED, delivered_at=now)
                return Decision(delivered, (Told.SENT, Told.DELIVERED), receipt.detail)
            case outcome if outcome.permanent:
                return self.fail(receipt.detail)
            case _ if self.attempts >= MOST_ATTEMPTS:
                return self.fail(f"given up after {self.attempts} attempts; the last: {receipt.detail}")
            case outcome:
                return Decision(self._postponed(receipt, now, outcome is Outcome.UNKNOWN), (), receipt.detail)

    def _accepted(self, receipt: Receipt, now: datetime) -> "Page":
        return replace(
            self, state=State.SENT, state_reason=receipt.detail, provider_id=receipt.provider_id, sent_at=now, version=self.version + 1
        )

    def _postponed(self, receipt: Receipt, now: datetime, unknown: bool) -> "Page":
        wait = max(BACKOFF[self.attempts - 1], min(receipt.retry_after or timedelta(), LONGEST_WAIT))
        return replace(
            self,
            state=State.PENDING,
            state_reason=f"tried again in {wait.total_seconds():.0f} s: {receipt.detail}",
            attempt_at=now + wait,
            outcome_unknown=self.outcome_unknown or unknown,
            version=self.version + 1,
        )
