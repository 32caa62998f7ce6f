"""The rules as they are stored, remembered by each process and read again when somebody changes them."""

from datetime import datetime

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_detection.noise import store, wire
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.rules import NoiseRule, Rules
from tocsin_kernel.clock import Clock


class Rulebook:
    """Gives the rules without a statement, as long as nobody changes them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._rules: Rules | None = None
        self._version = 0
        self._generation = 0

    async def rules(self, tx: Tx, now: datetime) -> Rules:
        """All that may hold something back now or later."""
        if self._rules is not None:
            return self._rules
        generation = self._generation
        # The version before the rules: what changes between them is read again.
        version = await store.version(tx)
        rules = await load(tx, now)
        if generation == self._generation:
            self._rules, self._version = rules, version
        return rules

    async def changes(self, tx: Tx) -> None:
        """Rules change with this transaction: every process reads them again, this one at once."""
        await store.count_change(tx)
        tx.after_commit(self.forget)

    def forget(self) -> None:
        self._generation += 1
        self._rules = None

    async def follow(self) -> None:
        """Notice what other processes changed."""
        async with self._database.transaction() as tx:
            if self._rules is not None and await store.version(tx) != self._version:
                self.forget()
            await self.rules(tx, self._clock.now())


async def load(tx: Tx, ending_after: datetime) -> Rules:
    """All rules, and the silences that had not ended then."""
    inhibitions: list[Inhibition] = []
    noise_rules: list[NoiseRule] = []
    for found in await store.definitions(tx):
        if found.kind == wire.INHIBITION:
            inhibitions.append(wire.inhibition_of(wire.inhibition_message(found.definition), found.name))
        else:
            noise_rules.append(wire.noise_rule_of(wire.noise_rule_message(found.definition), found.name))
    return Rules(await store.silences(tx, ending_after), await store.windows(tx), inhibitions, noise_rules)
