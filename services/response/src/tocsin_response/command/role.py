"""Who has which role of an incident: assigned, taken, handed over, given up."""

from dataclasses import dataclass, replace
from datetime import datetime

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, Forbidden
from tocsin_response.command.plan import COMMANDER


class RoleNotHeld(Conflict):
    reason = "ROLE_NOT_HELD"
    message = "nobody has the role {role}; assign it"


class RoleNotYours(Forbidden):
    reason = "ROLE_NOT_YOURS"
    message = "{holder} has the role {role}; only they and the commander may give it away"


@dataclass(frozen=True, slots=True)
class Holding:
    """The time in which somebody has a role; it goes on without `until`."""

    id: str
    role: str
    responder: str
    since: datetime
    assigned_by: str
    reason: str = ""
    summary: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """What becomes of a role: the holding that ends, and the one that begins."""

    ends: Holding | None
    begins: Holding | None


def assign(current: Holding | None, wanted: Holding) -> Decision[Held]:
    """Somebody gets the role, whoever has it. The same person again changes nothing."""
    if current is not None and current.responder == wanted.responder:
        return Decision(Held(None, None), reason=f"{wanted.responder} has it already")
    ends = replace(current, until=wanted.since) if current is not None else None
    return Decision(Held(ends, wanted), (wanted,), wanted.reason)


def hand_over(current: Holding | None, wanted: Holding, commander: str) -> Decision[Held]:
    """Whoever has it, or the commander, gives it to somebody else. Raises RoleNotHeld, RoleNotYours."""
    if current is None:
        raise RoleNotHeld(role=wanted.role)
    _may_give(current, wanted.assigned_by, commander)
    return assign(current, wanted)


def leave(current: Holding | None, by: str, commander: str, at: datetime) -> Decision[Held]:
    """Nobody has it then. What nobody has stays so. Raises RoleNotYours."""
    if current is None:
        return Decision(Held(None, None), reason="nobody has it")
    _may_give(current, by, commander)
    return Decision(Held(replace(current, until=at), None), (current,))


def _may_give(current: Holding, by: str, commander: str) -> None:
    holder_of_all = by == commander and current.role != COMMANDER
    if by != current.responder and not holder_of_all:
        raise RoleNotYours(role=current.role, holder=current.responder)
