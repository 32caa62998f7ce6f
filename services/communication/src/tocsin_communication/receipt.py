"""What became of one attempt to hand a page to a provider."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """What is known after an attempt."""

    ACCEPTED = "ACCEPTED"
    """The provider has it."""
    DELIVERED = "DELIVERED"
    """The receiver has it."""
    TRANSIENT = "TRANSIENT"
    """Surely not taken; may be taken later."""
    PERMANENT = "PERMANENT"
    """Surely not taken, and never will be."""
    UNKNOWN = "UNKNOWN"
    """It was handed over and no answer came: it may have been taken."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome and what the provider said, for people. `retry_after` is the provider's wish."""

    outcome: Outcome
    detail: str
    provider_id: str = ""
    retry_after: timedelta | None = None
