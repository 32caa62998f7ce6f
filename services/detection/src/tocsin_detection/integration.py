"""An integration: one door through which one kind of sender reports. Its key is known only by its hash."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tocsin_kernel.errors import AlreadyExists, Conflict, NotFound, Unauthenticated
from tocsin_kernel.ids import Ids

# The built-in door of RaiseAlert: it has no key and no row, and no other may have its name.
BUILT_IN = "tocsin"
KEY_PREFIX = "tk_"
# PagerDuty's clients refuse all but 32 letters and digits; mail programs write an address, in which the key is, in small letters.
HEXADECIMAL = frozenset({"pagerduty", "email"})
LIVE_SECRETS = 2
# What a key that somebody else made must be like: too long to be tried, and such that senders can show it. Mail puts it into an address.
IMPORTED_KEYS = {
    "pagerduty": (re.compile(r"[0-9A-Za-z]{32}"), "32 letters and digits, as PagerDuty's routing keys are"),
    "email": (re.compile(r"[a-z0-9][a-z0-9._-]{18,62}[a-z0-9]"), "20 to 64 small letters, digits, dots, dashes and underscores"),
}
OTHER_KEYS = (re.compile(r"[A-Za-z0-9._~+=:@!-]{20,200}"), "20 to 200 letters, digits and . _ ~ + = : @ ! -")


class IntegrationKeyUnknown(Unauthenticated):
    reason = "INTEGRATION_KEY_UNKNOWN"
    message = "this key opens no {kind} integration: look up the integration's address, or make a new key by RotateIntegrationKey"


class IntegrationNotFound(NotFound):
    reason = "INTEGRATION_NOT_FOUND"
    message = "there is no integration {name}"


class KeyInUse(AlreadyExists):
    reason = "KEY_IN_USE"
    message = "this key opens the integration {name} already; a key opens one"


class SecretsKeyMissing(Conflict):
    reason = "SECRETS_KEY_MISSING"
    message = "secrets cannot be kept, because there is no key to seal them with: set TOCSIN_SECRETS_KEY_FILE of detection"


class InsufficientData(StrEnum):
    """What a monitor's "I do not know" does to the alert."""

    NOTHING = "NOTHING"
    FIRES = "FIRES"
    RESOLVES = "RESOLVES"


@dataclass(frozen=True, slots=True)
class Mapping:
    """How a sender's own JSON is read: a CEL expression for each field; empty ones take the usual names."""

    items: str = ""
    key: str = ""
    title: str = ""
    severity: str = ""
    state: str = ""
    service: str = ""
    description: str = ""
    url: str = ""
    labels: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A token bucket of signals; urgent ones have another of the same size."""

    per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class Options:
    """What can be set for an integration; most of it for one kind only."""

    mapping: Mapping | None = None
    allowed_topics: tuple[str, ...] = ()
    accepts_batches: bool = False
    insufficient_data: InsufficientData = InsufficientData.NOTHING
    rate_limit: RateLimit | None = None
    requires_signature: bool = False


@dataclass(frozen=True, slots=True)
class Integration:
    """One integration; `service` is what its alerts are about unless they say otherwise."""

    name: str
    kind: str
    service: str
    description: str
    created_at: datetime
    last_report_at: datetime | None = None
    options: Options = field(default_factory=Options)
    # How many secrets it has.
    live_secrets: int = 0
    # The newest first, where they are needed; elsewhere they stay sealed. Both are valid, so that a sender can change over.
    secrets: tuple[str, ...] = field(default=(), repr=False)


def with_secret(integration: Integration, secret: str) -> Integration:
    """The integration with another secret beside the newest; with an empty one it has none. One that it has becomes the newest."""
    others = [known for known in integration.secrets if known != secret]
    kept = (secret, *others)[:LIVE_SECRETS] if secret else ()
    return replace(integration, secrets=kept, live_secrets=len(kept))


def new_key(ids: Ids, kind: str) -> str:
    """A key nobody can guess: 256 bits of chance, or 128 where it has to be short."""
    secret = ids.secret()
    return hashlib.blake2b(secret.encode(), digest_size=16).hexdigest() if kind in HEXADECIMAL else KEY_PREFIX + secret


def problem_of_key(kind: str, key: str) -> str:
    """Why a key that senders have already cannot open an integration of this kind; empty if it can."""
    rule, said = IMPORTED_KEYS.get(kind, OTHER_KEYS)
    return "" if rule.fullmatch(key) else f"it must be {said}"


def key_hash(key: str) -> bytes:
    """What is stored of a key. A plain hash is enough: a key has 128 bits of chance or more, so nobody can try them."""
    return hashlib.sha256(key.encode()).digest()
