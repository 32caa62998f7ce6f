"""What is known of a contact method, and whether a responder can be reached. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tocsin_communication.contacts.contact import ContactMethod

WANTED_CHANNELS = 2


class Health(StrEnum):
    """Whether pages arrive."""

    GOOD = "GOOD"
    FAILING = "FAILING"
    OPTED_OUT = "OPTED_OUT"
    OFF = "OFF"


@dataclass(frozen=True, slots=True)
class Contact:
    """A contact method and what is known of it at the address that it has now. `off` is why its channel cannot be used here."""

    method: ContactMethod
    confirmed_at: datetime | None = None
    failing_since: datetime | None = None
    failing_reason: str = ""
    opted_out_at: datetime | None = None
    last_reached_at: datetime | None = None
    off: str = ""
    added_by: str = ""

    @property
    def health(self) -> Health:
        """Whether pages arrive."""
        if self.off:
            return Health.OFF
        if self.opted_out_at is not None:
            return Health.OPTED_OUT
        return Health.FAILING if self.failing_since is not None else Health.GOOD

    @property
    def why(self) -> str:
        """What is known against it, for people; empty if nothing is."""
        match self.health:
            case Health.OFF:
                return self.off
            case Health.OPTED_OUT:
                return f"its owner asked for no more messages on {self.opted_out_at:%Y-%m-%d}"
            case Health.FAILING:
                return f"failing since {self.failing_since:%Y-%m-%d %H:%M} UTC: {self.failing_reason}"
        return ""

    @property
    def warning(self) -> str:
        """The same, or that it was never confirmed."""
        return self.why or ("" if self.confirmed_at is not None else "not confirmed")

    @property
    def proven(self) -> bool:
        """It is confirmed, and nothing is known against it."""
        return self.confirmed_at is not None and self.health is Health.GOOD


def problem(responder: str, contacts: Sequence[Contact]) -> str:
    """What is missing for the responder to be reached on two kinds of channel, for people; empty if nothing is."""
    if not contacts:
        return f"{responder} has no contact method"
    proven = sorted({contact.method.channel.value.lower() for contact in contacts if contact.proven})
    if len(proven) >= WANTED_CHANNELS:
        return ""
    reasons = [f"{contact.method.name}: {contact.warning}" for contact in contacts if not contact.proven]
    have = f"only {', '.join(proven)} is confirmed and works" if proven else "no channel is confirmed and works"
    return f"{have} ({'; '.join(reasons)})" if reasons else f"{have}; a second kind of channel is missing"
