"""The custody ledger: entries that hold the hash of the one before, and heads that say what all of it was like at one moment."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from tocsin_response.evidence import merkle
from tocsin_response.evidence.merkle import Peaks

HEAD = "tocsin custody head v1"


class Action(StrEnum):
    """What was done with an item."""

    COLLECT = "collect"
    DERIVE = "derive"
    TRANSFER = "transfer"
    ACCESS = "access"
    EXPORT = "export"
    VERIFY = "verify"
    HOLD = "hold"
    UNHOLD = "unhold"
    RELEASE_ASKED = "release-asked"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Deed:
    """Something to enter. Without an item it is about all of the incident; without an incident about everything."""

    action: Action
    actor: str
    at: datetime
    incident_id: str
    evidence_id: str = ""
    reason: str = ""
    payload: str = "{}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed in its place. `hash` is what was kept of it; what it should be, `computed` says."""

    index: int
    deed: Deed
    previous: bytes
    hash: bytes

    @property
    def canonical(self) -> str:
        return canonical(self.index, self.deed, self.previous)

    @property
    def computed(self) -> bytes:
        return merkle.leaf(self.canonical.encode())


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where the ledger goes on."""

    peaks: Peaks = Peaks()
    last: bytes = b""

    def append(self, deed: Deed) -> tuple["Ledger", Entry]:
        """The ledger with one entry more, and the entry."""
        index = self.peaks.size
        made = merkle.leaf(canonical(index, deed, self.last).encode())
        return Ledger(self.peaks.append(made), made), Entry(index, deed, self.last, made)


@dataclass(frozen=True, slots=True)
class Head:
    """What the ledger was like at one moment, signed."""

    size: int
    root: bytes
    signed_at: datetime
    signature: bytes = b""
    public_key: bytes = b""

    @property
    def text(self) -> str:
        """What is signed."""
        return f"{HEAD}\n{self.size}\n{self.root.hex()}\n{instant(self.signed_at)}\n"


def canonical(index: int, deed: Deed, previous: bytes) -> str:
    """An entry as the one text that is hashed: JSON, sorted, without spaces."""
    plain = {
        "index": index,
        "previous": previous.hex(),
        "action": deed.action.value,
        "actor": deed.actor,
        "at": instant(deed.at),
        "incident": deed.incident_id,
        "item": deed.evidence_id,
        "reason": deed.reason,
        "payload": deed.payload,
    }
    return compact(plain)


def compact(plain: object) -> str:
    """JSON in the one form that is hashed."""
    return json.dumps(plain, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def instant(at: datetime) -> str:
    """An instant in the one form that is hashed."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
