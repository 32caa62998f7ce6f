"""What a pure function of the domain returns: the new state, and the facts that follow from it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", covariant=True)


@dataclass(frozen=True, slots=True)
class Decision(Generic[State]):
    """The state after the decision, the facts to tell, and why, for people.

    A decision without facts changed nothing that anybody else needs to know.
    """

    state: State
    facts: tuple[object, ...] = ()
    reason: str = ""
