"""Facts that could not be handled: all of them page by page, and once more."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from tocsin_chassis.events.consumer import Consumer
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.dead_letters import DeadLetter, dead_letters_after, dead_letters_of

AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Retried:
    """A dead letter that was tried again; `problem` is empty if it is done with now."""

    letter: DeadLetter
    problem: str


class DeadLetters:
    """The dead letters of one service."""

    def __init__(self, database: Database, consumers: Sequence[Consumer]) -> None:
        self._database = database
        self._consumers = {consumer.name: consumer for consumer in consumers}

    async def all(self) -> AsyncIterator[DeadLetter]:
        """The oldest first. What dies meanwhile comes at the end."""
        last: DeadLetter | None = None
        while True:
            async with self._database.transaction() as tx:
                page = await dead_letters_after(tx, last, AT_ONCE)
            for letter in page:
                yield letter
            if len(page) < AT_ONCE:
                return
            last = page[-1]

    async def retry_all(self) -> AsyncIterator[Retried]:
        """Handle every one again, in the order in which they died. One that fails again stays, and holds up no other."""
        async for letter in self.all():
            yield await self._again(letter)

    async def retry(self, fact_id: UUID) -> list[Retried]:
        """Handle one fact again, for every consumer that gave it up. Raises LookupError if none did."""
        async with self._database.transaction() as tx:
            found = await dead_letters_of(tx, fact_id)
        if not found:
            raise LookupError(f"there is no dead letter {fact_id}: `dead list` shows those that there are")
        return [await self._again(letter) for letter in found]

    async def _again(self, letter: DeadLetter) -> Retried:
        consumer = self._consumers.get(letter.consumer)
        if consumer is None:
            return Retried(letter, f"this version has no consumer {letter.consumer}")
        try:
            await consumer.retry(letter)
        except Exception as error:  # whatever it is: the others must have their turn, and it is told
            return Retried(letter, f"{type(error).__name__}: {error}")
        return Retried(letter, "")
