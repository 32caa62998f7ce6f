"""What every type of command offers."""

from typing import Protocol

from tocsin_runner.assignment import Outcome, Task


class Command(Protocol):
    """Carries out the commands of one type."""

    async def carry_out(self, task: Task) -> Outcome:
        """Do what the assignment's verb says. Raises Ended, LeaseLost."""
        ...
