"""An integration: one door through which one kind of sender reports. Its key is known only by its hash."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from tocsin_kernel.errors import NotFound, Unauthenticated
from tocsin_kernel.ids import Ids

# The built-in door of RaiseAlert: it has no key and no row, and no other may have its name.
BUILT_IN = "tocsin"
KEY_PREFIX = "tk_"


class IntegrationKeyUnknown(Unauthenticated):
    reason = "INTEGRATION_KEY_UNKNOWN"
    message = "this key opens no {kind} integration: look up the integration's address, or make a new key by RotateIntegrationKey"


class IntegrationNotFound(NotFound):
    reason = "INTEGRATION_NOT_FOUND"
    message = "there is no integration {name}"


@dataclass(frozen=True, slots=True)
class Integration:
    """One integration; `service` is what its alerts are about unless they say otherwise."""

    name: str
    kind: str
    service: str
    description: str
    created_at: datetime
    last_report_at: datetime | None = None


def new_key(ids: Ids) -> str:
    """A key nobody can guess."""
    return KEY_PREFIX + ids.secret()


def key_hash(key: str) -> bytes:
    """What is stored of a key. A plain hash is enough: a key has 256 bits of chance, so nobody can try them."""
    return hashlib.sha256(key.encode()).digest()
