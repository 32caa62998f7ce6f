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
    THROTTLED = "THROTTLED"
    """Surely not taken, because too much was sent; may be taken later. Does not count as an attempt."""
    TRANSIENT = "TRANSIENT"
    """Surely not taken; may be taken later."""
    UNKNOWN = "UNKNOWN"
    """It was handed over and no answer came: it may have been taken."""
    PERMANENT_TARGET = "PERMANENT_TARGET"
    """Surely not taken, and never will be: nobody can be reached at this address."""
    PERMANENT_CONFIG = "PERMANENT_CONFIG"
    """Surely not taken, and never will be: this installation's account or message is refused, whoever it is for."""

    @property
    def taken(self) -> bool:
        """The provider has it for sure."""
        return self in (Outcome.ACCEPTED, Outcome.DELIVERED)

    @property
    def permanent(self) -> bool:
        """Trying again by the same way changes nothing."""
        return self in (Outcome.PERMANENT_TARGET, Outcome.PERMANENT_CONFIG)


@dataclass(frozen=True, slots=True)
class Thread:
    """A message that begins a thread: those that follow about the same incident hang from `root`, a text of the driver's own.

    `instead_of` is the root that is gone, where there was one.
    """

    root: str
    instead_of: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The outcome and what the provider said, for people and without secrets. `retry_after` is the provider's wish.

    `provider_id` is the provider's name of the message, enough to edit it and to know it again in a callback; where it takes several
    parts (channel and timestamp) the driver writes them into one text, and reads them from it.
    `thread` is set where the message begins one.
    """

    outcome: Outcome
    detail: str
    provider_id: str = ""
    retry_after: timedelta | None = None
    thread: Thread | None = None
