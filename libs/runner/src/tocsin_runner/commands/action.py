"""Our own type of command, tocsin-action: an action of the catalogue, with arguments, at a connection."""

from tocsin_runner.assignment import Assignment, Json, Outcome, Refused, State, Task, Verb
from tocsin_runner.commands.http_api import recorded
from tocsin_runner.connectors.catalogue import Bindings
from tocsin_runner.connectors.interface import Action, Bringing, Job, arguments
from tocsin_runner.connectors.lifecycle import Lifecycle
from tocsin_runner.variables import argument

DONE = (State.SUCCEEDED, State.ALREADY_IN_STATE)
FIRST = 7
LAST = 5


class ActionCommand:
    """Finds the action and lets it run its whole course."""

    def __init__(self, bindings: Bindings, lifecycle: Lifecycle) -> None:
        self._bindings = bindings
        self._lifecycle = lifecycle

    async def carry_out(self, task: Task) -> Outcome:
        """Raises Ended, LeaseLost."""
        assignment = task.assignment
        name = str(assignment.command.get("connector", ""))
        action = self._action(assignment, name)
        given = argument(assignment.command.get("arguments") or {}, assignment.variables)
        if not isinstance(given, dict):
            raise Refused("arguments must be a dictionary")
        job = Job(arguments(action.description, given), assignment.key, task)
        try:
            outcome = await self._lifecycle.carry_out(action, job)
            if isinstance(action, Bringing) and outcome.state in DONE and assignment.verb is not Verb.UNDO:
                task.findings.extend(await action.bring(job))
            return outcome
        finally:
            if job.exchanges:
                task.findings.append(recorded(f"{name}.json", _some(job.exchanges), name))

    def _action(self, assignment: Assignment, name: str) -> Action:
        connector = self._bindings.connector(name, assignment.simulated)
        wanted = str(assignment.command.get("action", ""))
        if wanted not in connector.actions:
            raise Refused(f"{name} has no action {wanted}; it has {', '.join(sorted(connector.actions))}")
        return connector.actions[wanted]


def _some(exchanges: list[Json]) -> list[Json]:
    """The first and the last ones: what was polled in between says the same again and again."""
    left_out = len(exchanges) - FIRST - LAST
    return exchanges if left_out <= 0 else [*exchanges[:FIRST], {"left_out": left_out}, *exchanges[-LAST:]]
