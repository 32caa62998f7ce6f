"""The life of a task: open, completed, cancelled, open again; whose it is, and when its owner is reminded."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import Conflict, NotFound
from tocsin_response.command.plan import Phase

LAST_FIFTH = 5


class TaskNotFound(NotFound):
    reason = "TASK_NOT_FOUND"
    message = "the incident has no task {task}"


class TaskNotOpen(Conflict):
    reason = "TASK_NOT_OPEN"
    message = "the task “{title}” is {state}; reopen it first"


class State(StrEnum):
    OPEN = "OPEN"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Task:
    """Something that somebody is to do. `remind_at` is when its owner is told next; None: not any more."""

    id: str
    incident_id: str
    title: str
    description: str
    state: State
    phase: Phase
    owner: str
    role: str
    due_at: datetime | None
    remind_at: datetime | None
    source: str
    source_id: str
    created_by: str
    created_at: datetime
    closed_by: str = ""
    closed_at: datetime | None = None
    result: str = ""
    version: int = 1

    def close(self, as_: State, by: str, result: str, at: datetime) -> Decision["Task"]:
        """Completed or cancelled. The same again changes nothing. Raises TaskNotOpen."""
        if self.state is as_:
            return Decision(self)
        self._require_open()
        closed = self._next(state=as_, closed_by=by, closed_at=at, result=result, remind_at=None)
        return Decision(closed, (closed,), as_.lower())

    def reopen(self, at: datetime) -> Decision["Task"]:
        """To be done after all; its owner is reminded again, if it is due at all."""
        if self.state is State.OPEN:
            return Decision(self)
        again = self._next(state=State.OPEN, closed_by="", closed_at=None, result="", remind_at=reminder(self.due_at, None, at))
        return Decision(again, (again,), "reopened")

    def reassign(self, owner: str, due_at: datetime | None, at: datetime) -> Decision["Task"]:
        """Somebody else's, or due at another time. Raises TaskNotOpen."""
        self._require_open()
        owner, due = owner or self.owner, due_at or self.due_at
        if (owner, due) == (self.owner, self.due_at):
            return Decision(self)
        said = [f"given to {owner}"] if owner != self.owner else []
        said += [f"due {due:%Y-%m-%d %H:%M} UTC"] if due is not None and due != self.due_at else []
        changed = self._next(owner=owner, due_at=due, remind_at=reminder(due, None, at))
        return Decision(changed, (changed,), ", ".join(said))

    def remind(self, at: datetime) -> Decision["Task"]:
        """Its time has come: tell its owner, and again when it is due. Without an owner nobody is told."""
        assert self.remind_at is not None
        overdue = self.due_at is not None and self.due_at <= at
        later = self.due_at if not overdue else None
        reminded = self._next(remind_at=later)
        return Decision(reminded, (Due(reminded, overdue),) if self.owner and self.state is State.OPEN else ())

    def _require_open(self) -> None:
        if self.state is not State.OPEN:
            raise TaskNotOpen(title=self.title, state=self.state.lower())

    def _next(self, **changed: object) -> "Task":
        return replace(self, version=self.version + 1, **changed)  # type: ignore[arg-type]  # replace() checks the names at run time


@dataclass(frozen=True, slots=True)
class Due:
    """The owner of a task is to be reminded."""

    task: Task
    overdue: bool


def reminder(due_at: datetime | None, wanted: datetime | None, at: datetime) -> datetime | None:
    """When the owner is told first: as wanted, else when a fifth of the time is left; never before now. None: it is never due."""
    if due_at is None:
        return wanted
    if due_at <= at:
        return at
    soon = due_at - (due_at - at) / LAST_FIFTH
    return min(max(wanted or soon, at), due_at)


def planned_reminder(at: datetime, due_after: timedelta | None, remind_before: timedelta | None) -> datetime | None:
    """The same for a task of a plan."""
    if due_after is None:
        return None
    return reminder(at + due_after, at + due_after - remind_before if remind_before is not None else None, at)
