"""Refusals are types with a reason and data. The transport decides what they look like on the wire."""

from collections.abc import Mapping
from typing import ClassVar


class DomainError(Exception):
    """A refusal that the caller can understand. Subclasses say `reason` and `message`, a template over their data.

    `reason` is stable, in UPPER_SNAKE_CASE, and meant for programs; `message` is for people.
    """

    reason: ClassVar[str] = "UNKNOWN"
    message: ClassVar[str] = "{detail}"

    def __init__(self, **data: object) -> None:
        self.data: Mapping[str, str] = {name: str(value) for name, value in data.items()}
        super().__init__(self.message.format_map(self.data))


class Invalid(DomainError):
    """The request can never succeed as it is. `field` names what to mend, `detail` how."""

    reason = "INVALID"
    message = "{field}: {detail}"

    def __init__(self, **data: object) -> None:
        super().__init__(**{"field": "", **data})


class NotFound(DomainError):
    """There is no such thing."""

    reason = "NOT_FOUND"


class Conflict(DomainError):
    """The thing is in a state that does not allow it."""

    reason = "CONFLICT"


class AlreadyExists(DomainError):
    """There is such a thing already."""

    reason = "ALREADY_EXISTS"


class Stale(DomainError):
    """Somebody else changed the thing meanwhile; try again."""

    reason = "STALE"


class Forbidden(DomainError):
    """The caller is known and may not."""

    reason = "FORBIDDEN"


class Unauthenticated(DomainError):
    """The caller is not known."""

    reason = "UNAUTHENTICATED"


class Overloaded(DomainError):
    """Too much at once; try again later."""

    reason = "OVERLOADED"


class Unavailable(DomainError):
    """Something that is needed does not answer; nothing happened, try again."""

    reason = "UNAVAILABLE"
