"""An item of evidence: what was said of it when it came, who has it in custody, and whether it may be released."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Invalid, NotFound, Unavailable
from tocsin_response.evidence.ledger import Action, compact, instant


class EvidenceNotFound(NotFound):
    reason = "EVIDENCE_NOT_FOUND"
    message = "there is no evidence {evidence}"


class BytesMissing(NotFound):
    reason = "EVIDENCE_BYTES_MISSING"
    message = "the bytes {sha256} are not in the store"


class StoreUnavailable(Unavailable):
    reason = "EVIDENCE_STORE_UNAVAILABLE"
    message = "the store of evidence does not answer: {detail}; nothing was changed, try again"


class Released(Conflict):
    reason = "EVIDENCE_RELEASED"
    message = "evidence {evidence} is released; its custody has ended"


class OnHold(Conflict):
    reason = "EVIDENCE_ON_HOLD"
    message = "evidence {evidence} is on legal hold and may not be released"


class TooLarge(Invalid):
    reason = "EVIDENCE_TOO_LARGE"


class HashDiffers(Invalid):
    reason = "HASH_DIFFERS"


class State(Enum):
    """Whether it is still kept for the incident."""

    HELD = "held"
    RELEASE_ASKED = "release asked"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What was collected, by whom and how. It never changes."""

    incident_id: str
    name: str
    kind: str = ""
    media_type: str = ""
    source: str = ""
    tool: str = ""
    command: str = ""
    collector: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    clock_offset: timedelta | None = None
    parent_id: str = ""
    run_id: str = ""
    note: str = ""

    @property
    def plain(self) -> dict[str, str]:
        """As plain text by name; what is not known is left out."""
        words = ("incident_id", "name", "kind", "media_type", "source", "tool", "command", "collector", "parent_id", "run_id", "note")
        said = {word: getattr(self, word) for word in words}
        said["started_at"] = instant(self.started_at) if self.started_at else ""
        said["ended_at"] = instant(self.ended_at) if self.ended_at else ""
        said["clock_offset"] = str(self.clock_offset / timedelta(microseconds=1)) if self.clock_offset is not None else ""
        return {word: text for word, text in said.items() if text}


@dataclass(frozen=True, slots=True)
class Evidence:
    """One item. `entry` is the index of the ledger's entry by which it came."""

    id: str
    collected: Collected
    sha256: str
    size: int
    added_at: datetime
    added_by: str
    custodian: str
    legal_hold: bool
    state: State = State.HELD
    release_asked_by: str = ""
    release_reason: str = ""
    entry: int = 0

    @property
    def payload(self) -> str:
        """Everything that was said of it, for its entry."""
        return compact({**self.collected.plain, "sha256": self.sha256, "size": self.size, "added_by": self.added_by})

    @property
    def came_by(self) -> Action:
        return Action.DERIVE if self.collected.parent_id else Action.COLLECT

    def transfer(self, to: str) -> Decision["Evidence"]:
        """Somebody else has it now. To whoever has it already changes nothing."""
        if self.custodian == to:
            return Decision(self)
        if self.state is State.RELEASED:
            raise Released(evidence=self.id)
        return Decision(replace(self, custodian=to), (Action.TRANSFER,))

    def hold(self, on: bool) -> Decision["Evidence"]:
        """Forbid its release, or allow it again. A hold withdraws the wish to release it."""
        if self.legal_hold == on:
            return Decision(self)
        if self.state is State.RELEASED:
            raise Released(evidence=self.id)
        if not on:
            return Decision(replace(self, legal_hold=False), (Action.UNHOLD,))
        return Decision(replace(self, legal_hold=True, state=State.HELD, release_asked_by="", release_reason=""), (Action.HOLD,))

    def release(self, by: str, reason: str) -> Decision["Evidence"]:
        """One person asks, another one agrees."""
        if self.state is State.RELEASED or (self.state is State.RELEASE_ASKED and self.release_asked_by == by):
            return Decision(self)
        if self.legal_hold:
            raise OnHold(evidence=self.id)
        if self.state is State.HELD:
            asked = replace(self, state=State.RELEASE_ASKED, release_asked_by=by, release_reason=reason)
            return Decision(asked, (Action.RELEASE_ASKED,), "somebody else has to agree")
        return Decision(replace(self, state=State.RELEASED), (Action.RELEASE,), f"{self.release_asked_by} asked, {by} agreed")
