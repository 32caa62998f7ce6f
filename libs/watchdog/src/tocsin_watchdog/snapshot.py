"""Who is on call in the next two days and how to reach them: taken while the platform answers, kept signed, used when it does not."""

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

REACH = timedelta(hours=48)
# A snapshot that has run out still names people: late knowledge is better than paging nobody. It is said that it is old.
FORM = 1


class SnapshotRefused(Exception):
    """There is no snapshot that can be trusted; the text says why."""


@dataclass(frozen=True)
class Shift:
    """One person's duty, from `since` until just before `until` (UTC)."""

    schedule: str
    responder: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Contact:
    """One way to reach one person. `kind` is EMAIL, WEBHOOK, SMS …"""

    responder: str
    kind: str
    address: str


@dataclass(frozen=True)
class Snapshot:
    """What was known at `taken_at`. `order` are the schedules, primary first; `fallback` whom the platform asks when nobody is on call."""

    taken_at: datetime
    order: tuple[str, ...]
    shifts: tuple[Shift, ...]
    contacts: tuple[Contact, ...]
    fallback: tuple[str, ...]

    def is_old(self, now: datetime) -> bool:
        """Whether it reaches as far as now."""
        return now >= self.taken_at + REACH

    def on_call(self, now: datetime) -> list[str]:
        """Whom to ask, primary first: who is on call, else the fallback, else everybody who can be reached."""
        found = [
            shift for schedule in self.order for shift in self.shifts if shift.schedule == schedule and shift.since <= now < shift.until
        ]
        names = [shift.responder for shift in found if self.contacts_of(shift.responder)]
        names = names or [name for name in self.fallback if self.contacts_of(name)]
        return list(dict.fromkeys(names or (contact.responder for contact in self.contacts)))

    def contacts_of(self, responder: str) -> list[Contact]:
        """How to reach somebody."""
        return [contact for contact in self.contacts if contact.responder == responder]


def write(path: Path, snapshot: Snapshot, secret: str) -> None:
    """Keep a snapshot in one step; only its owner may read it."""
    text = json.dumps({"form": FORM, **asdict(snapshot)}, default=_as_text, sort_keys=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"snapshot": text, "signature": signature(text, secret)}, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read(path: Path, secret: str) -> Snapshot:
    """The kept snapshot. Raises SnapshotRefused if there is none, or if somebody changed it."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        text, shown = str(kept["snapshot"]), str(kept["signature"])
    except FileNotFoundError as error:
        raise SnapshotRefused("none was taken yet") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotRefused(f"{path} cannot be read: {error or type(error).__name__}") from error
    if not hmac.compare_digest(signature(text, secret), shown):
        raise SnapshotRefused(f"the signature of {path} does not fit: it was changed, or the secret was")
    return _of(json.loads(text))


def signature(text: str, secret: str) -> str:
    """HMAC-SHA256 in hexadecimal."""
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def merged(shifts: Iterable[Shift]) -> tuple[Shift, ...]:
    """By schedule and time."""
    return tuple(sorted(shifts, key=lambda shift: (shift.schedule, shift.since, shift.responder)))


def instant(text: str) -> datetime:
    """An instant as protobuf's JSON writes it: RFC 3339 in UTC."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(UTC)


def _of(found: Mapping[str, Any]) -> Snapshot:
    if found.get("form") != FORM:
        raise SnapshotRefused(f"it has the form {found.get('form')}, and this watchdog reads {FORM}")
    return Snapshot(
        taken_at=instant(found["taken_at"]),
        order=tuple(found["order"]),
        shifts=tuple(_shift(shift) for shift in found["shifts"]),
        contacts=tuple(Contact(**contact) for contact in found["contacts"]),
        fallback=tuple(found["fallback"]),
    )


def _shift(found: Mapping[str, str]) -> Shift:
    return Shift(found["schedule"], found["responder"], instant(found["since"]), instant(found["until"]))


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def names(found: Sequence[Mapping[str, Any]], field: str) -> list[str]:
    """The texts of one field, without the empty ones."""
    return [str(item[field]) for item in found if item.get(field)]
