"""Carries out one assignment within its time, and says in one of the contract's words what came of it."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from tocsin_runner.assignment import Assignment, Document, Ended, Finding, LeaseLost, Outcome, State, Task
from tocsin_runner.commands.command import Command
from tocsin_runner.secrets import Redactor

log = logging.getLogger(__name__)

MOST_CAPABILITIES = 200
# The connectors that there are now, and what each can do.
Equipment = Callable[[], Mapping[str, list[str]]]


class Work:
    """All types of commands behind one door."""

    def __init__(self, commands: Mapping[str, Command], redactor: Redactor, connectors: Equipment = dict) -> None:
        """`connectors` names what actions may name now, and what each can do."""
        self._commands = commands
        self._redactor = redactor
        self._connectors = connectors

    @property
    def capabilities(self) -> list[str]:
        """The types of commands, and the connectors that are set up."""
        return sorted({*self._commands, *self.connectors})[:MOST_CAPABILITIES]

    @property
    def connectors(self) -> Mapping[str, list[str]]:
        """What each connector that is set up can do."""
        return self._connectors()

    async def carry_out(
        self, assignment: Assignment, keep_prior: Callable[[Document], Awaitable[Document]], held: Callable[[], bool]
    ) -> Outcome:
        """What came of it; without secrets. Raises LeaseLost, and CancelledError when it is to stop."""
        task = Task(assignment, self._kept_without_secrets(keep_prior), held)
        try:
            outcome = await self._tried(task)
        except asyncio.CancelledError:
            if not task.sent:
                raise
            outcome = Outcome(State.UNKNOWN, "stopped after the request had left and before its answer came")
        return self._clean(outcome, task.findings)

    async def _tried(self, task: Task) -> Outcome:
        command = self._commands.get(task.assignment.type)
        if command is None:
            return Outcome(State.REJECTED, f"this runner does not know commands of type {task.assignment.type or '(none)'}")
        try:
            async with asyncio.timeout(task.assignment.seconds):
                return await command.carry_out(task)
        except TimeoutError:
            return _out_of_time(task)
        except Ended as ended:
            return Outcome(ended.state, str(ended), look_again_at=ended.again_at)
        except LeaseLost:
            raise
        except Exception as error:  # the boundary: one broken command must not end the runner
            log.error("a command of type %s failed", task.assignment.type, exc_info=error)
            state = State.UNKNOWN if task.sent else State.FAILED
            return Outcome(state, f"the runner has an error: {traceback.format_exception_only(error)[-1].strip()}")

    def _kept_without_secrets(self, keep_prior: Callable[[Document], Awaitable[Document]]) -> Callable[[Document], Awaitable[Document]]:
        async def keep(prior: Document) -> Document:
            return await keep_prior(self._redactor.json(prior))

        return keep

    def _clean(self, outcome: Outcome, findings: list[Finding]) -> Outcome:
        clean = self._redactor
        return replace(
            outcome,
            explanation=clean.text(outcome.explanation),
            variables={name: replace(found, value=clean.text(found.value)) for name, found in outcome.variables.items()},
            undo_token=None if outcome.undo_token is None else clean.json(outcome.undo_token),
            findings=tuple(
                replace(found, name=clean.text(found.name), source=clean.text(found.source), content=clean.bytes(found.content))
                for found in (*outcome.findings, *findings)
            ),
        )


def _out_of_time(task: Task) -> Outcome:
    seconds = f"{task.assignment.seconds:g} s"
    if task.sent:
        return Outcome(State.UNKNOWN, f"the time of {seconds} was up before an answer came")
    return Outcome(State.TIMED_OUT, f"the time of {seconds} was up")
