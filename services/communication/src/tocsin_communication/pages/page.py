"""A page: one message to one responder over one contact method, from made to delivered or given up."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_communication.rules.personal import Urgency, spoken
from tocsin_kernel.decision import Decision

BACKOFF = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 15, 60, 60, 120, 180, 180, 240))
MOST_ATTEMPTS = len(BACKOFF) + 1
LONGEST_WAIT = timedelta(minutes=5)
# A provider that says "too much" for longer than this has refused.
LONGEST_THROTTLED = timedelta(hours=1)
THROTTLED_WAIT = timedelta(seconds=5)
# Nobody is asked whether the earlier attempt was taken: it was.
NOBODY = "-"
# After so many attempts in a row that one account did not take, another one is asked.
FAILURES_OF_AN_ACCOUNT = 2
# Longer than any attempt with its record may take: when it ends, the process that sent is gone or cut off.
LEASE = timedelta(seconds=20)


class Kind(StrEnum):
    """What the page says."""

    SUMMONS = "SUMMONS"
    RESOLVED = "RESOLVED"
    DIRECT = "DIRECT"
    TAKEN = "TAKEN"
    BUNDLE = "BUNDLE"
    TEST = "TEST"
    CONFIRMATION = "CONFIRMATION"
    HANDOFF = "HANDOFF"
    OBLIGATION = "OBLIGATION"
    APPROVAL = "APPROVAL"
    MANUAL = "MANUAL"
    REMINDER = "REMINDER"


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


ASKING = (Kind.SUMMONS, Kind.DIRECT, Kind.BUNDLE, Kind.APPROVAL)
"""Kinds that want an answer to something that happened."""


@dataclass(frozen=True, slots=True)
class Ways:
    """The accounts over which a page can go now, the best one first, and how long the one in use takes to tell that it arrived."""

    accounts: tuple[str, ...] = ("",)
    receipt_within: timedelta | None = None

    def other_than(self, account: str) -> str | None:
        """The account to turn to; None if there is no other."""
        return next((other for other in self.accounts if other != account), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page. `opening` is when the incident opened that it is about, `turn` the turn of the incident that it tells of.

    `outcome_unknown`: an attempt was handed over and never answered, by `unknown_account`. `fence` counts the attempts that were begun.
    `queue` is whose turn it is when many wait (the service), `ask_id` what all pages of one summons to one responder share, `stands`:
    it is to be answered though somebody has acknowledged. `failures` are those in a row of the `account`.
    `sender` is the process that sends it.
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
    urgency: Urgency = Urgency.HIGH
    queue: str = ""
    ask_id: str = ""
    escalation_id: str = ""
    stands: bool = False
    account: str = ""
    failures: int = 0
    unknown_account: str = ""
    receipt_due_at: datetime | None = None
    bundle_id: str | None = None
    delegated_from: str = ""
    seen_at: datetime | None = None
    sender: int = 0

    def seen_by(self, name: str, *, manages: bool) -> "Page":
        """As somebody may read it who looks at the log: the code that confirms a contact method is for its responder, and for managers."""
        if self.kind is not Kind.CONFIRMATION or manages or name == self.responder:
            return self
        return replace(
            self, subject=f"a code confirms {self.contact_method}", body="The code is shown to the responder and to managers only."
        )

    def begin(self, sender: int = 0) -> "Page":
        """The page as it is handed over. One whose last attempt nobody finished has an unknown outcome behind it."""
        unknown = self.outcome_unknown or self.state is State.SENDING
        return replace(
            self,
            state=State.SENDING,
            sender=sender,
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

    def finish(self, receipt: Receipt, now: datetime, ways: Ways = Ways()) -> Decision["Page"]:
        """What becomes of the page after an attempt."""
        match receipt.outcome:
            case Outcome.ACCEPTED:
                due = now + ways.receipt_within if ways.receipt_within and ways.other_than(self.account) is not None else None
                return Decision(replace(self._accepted(receipt, now), receipt_due_at=due), (Told.SENT,), receipt.detail)
            case Outcome.DELIVERED:
                delivered = replace(self._accepted(receipt, now), state=State.DELIVERED, delivered_at=now)
                return Decision(delivered, (Told.SENT, Told.DELIVERED), receipt.detail)
            case Outcome.PERMANENT_TARGET:
                return self.fail(receipt.detail)
            case Outcome.PERMANENT_CONFIG:
                other = ways.other_than(self.account)
                return self.fail(receipt.detail) if other is None else self._turned_to(other, now, receipt.detail)
            case Outcome.THROTTLED:
                return self._throttled(receipt, now, ways)
            case _ if self.attempts >= MOST_ATTEMPTS:
                return self.fail(f"given up after {self.attempts} attempts; the last: {receipt.detail}")
            case outcome:
                return self._again(receipt, now, ways, outcome is Outcome.UNKNOWN)

    def unreceipted(self, now: datetime, ways: Ways) -> Decision["Page"]:
        """The account took it and never said that it arrived: another one is asked, if there is one."""
        other = ways.other_than(self.account)
        if other is None:
            return Decision(replace(self, receipt_due_at=None, version=self.version + 1))
        turned = self._turned_to(other, now, f"no receipt from {self.account} in time")
        return replace(turned, state=turned.state._marked(True, NOBODY))

    def delivered(self, at: datetime) -> Decision["Page"]:
        """The provider says that it arrived. What was to be sent again is not."""
        reached = replace(
            self,
            state=State.DELIVERED,
            state_reason="arrived",
            sent_at=self.sent_at or at,
            delivered_at=at,
            receipt_due_at=None,
            version=self.version + 1,
        )
        facts = (Told.DELIVERED,) if self.sent_at is not None else (Told.SENT, Told.DELIVERED)
        return Decision(reached, facts, "arrived")

    def undelivered(self, why: str, outcome: Outcome, now: datetime, ways: Ways) -> Decision["Page"]:
        """The provider had accepted it, and says that it did not arrive."""
        other = ways.other_than(self.account)
        if outcome is Outcome.PERMANENT_TARGET or self.attempts >= MOST_ATTEMPTS:
            return self.fail(why)
        if other is not None:
            return self._turned_to(other, now, why)
        return self.fail(why) if outcome is Outcome.PERMANENT_CONFIG else self._again(Receipt(outcome, why), now, ways, False)

    def _accepted(self, receipt: Receipt, now: datetime) -> "Page":
        return replace(
            self,
            state=State.SENT,
            state_reason=receipt.detail,
            provider_id=receipt.provider_id,
            sent_at=now,
            failures=0,
            receipt_due_at=None,
            version=self.version + 1,
        )

    def _throttled(self, receipt: Receipt, now: datetime, ways: Ways) -> Decision["Page"]:
        """Too much was sent, which is no attempt of this page."""
        if now - self.due_at > LONGEST_THROTTLED:
            return self.fail(f"given up: {receipt.detail}")
        uncounted = replace(self, attempts=self.attempts - 1)
        wait = min(receipt.retry_after or THROTTLED_WAIT, LONGEST_WAIT)
        other = ways.other_than(self.account)
        if other is not None and wait >= THROTTLED_WAIT:
            return uncounted._turned_to(other, now, receipt.detail)
        return Decision(uncounted._waiting(now + wait, f"tried again in {spoken(wait)}: {receipt.detail}"), (), receipt.detail)

    def _again(self, receipt: Receipt, now: datetime, ways: Ways, unknown: bool) -> Decision["Page"]:
        other = ways.other_than(self.account)
        if self.failures + 1 >= FAILURES_OF_AN_ACCOUNT and other is not None:
            return self._turned_to(other, now, receipt.detail, unknown=unknown)
        wait = max(BACKOFF[self.attempts - 1], min(receipt.retry_after or timedelta(), LONGEST_WAIT))
        waiting = replace(
            self._waiting(now + wait, f"tried again in {spoken(wait)}: {receipt.detail}"), failures=self.failures + 1
        )._marked(unknown, self.account)
        return Decision(waiting, (), receipt.detail)

    def _turned_to(self, account: str, now: datetime, why: str, *, unknown: bool = False) -> Decision["Page"]:
        waiting = replace(self._waiting(now, f"goes over {account} now: {why}"), account=account, failures=0)
        return Decision(waiting._marked(unknown, self.account), (), why)

    def _waiting(self, until: datetime, why: str) -> "Page":
        return replace(self, state=State.PENDING, state_reason=why, attempt_at=until, receipt_due_at=None, version=self.version + 1)

    def _marked(self, unknown: bool, account: str) -> "Page":
        """That it may have been taken stays so, whatever the next attempt comes to."""
        return replace(self, outcome_unknown=True, unknown_account=account) if unknown else self
