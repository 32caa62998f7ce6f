"""An integration: one door through which one kind of sender reports. Its key is known only by its hash."""

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from tocsin_kernel.errors import Conflict, NotFound, Unauthenticated
from tocsin_kernel.ids import Ids

# The built-in door of RaiseAlert: it has no key and no row, and no other may have its name.
BUILT_IN = "tocsin"
KEY_PREFIX = "tk_"
# PagerDuty's clients refuse all but 32 letters and digits; mail programs write an address, in which the key is, in small letters.
HEXADECIMAL = frozenset({"pagerduty", "email"})
LIVE_SECRETS = 2


class IntegrationKeyUnknown(Unauthenticated):
    reason = "INTEGRATION_KEY_UNKNOWN"
    message = "this key opens no {kind} integration: look up the integration's address, or make a new key by RotateIntegrationKey"


class IntegrationNotFound(NotFound):
    reason = "INTEGRATION_NOT_FOUND"
    message = "there is no integration {name}"


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


def key_hash(key: str) -> bytes:
    """What is stored of a key. A plain hash is enough: a key has 128 bits of chance or more, so nobody can try them."""
    return hashlib.sha256(key.encode()).digest()
