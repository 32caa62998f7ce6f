"""Knows which runners ask for work and what they have, so that a plan can say what is missing before anything is begun."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_playbook.playbook import Kind, Playbook
from tocsin_playbook.shape import COMMANDS, Problem
from tocsin_response.playbook import runner_store
from tocsin_response.playbook.equipment import Equipment, plain, problems

# A runner asks every few seconds; its row is written as rarely as this.
NOTED_EVERY = timedelta(seconds=30)
# One that was started again is not missed.
GONE_AFTER = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(days=1)


class Runners:
    """The runners."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._noted: dict[str, tuple[tuple[str, ...], datetime]] = {}

    async def note(self, name: str, capabilities: Sequence[str], connectors: Mapping[str, Sequence[str]]) -> None:
        """A runner asks for work, and says what it has and what its connectors can do."""
        now, has = self._clock.now(), tuple(capabilities)
        known = self._noted.get(name)
        if not connectors and known is not None and known[0] == has and now - known[1] < NOTED_EVERY:
            return
        async with self._database.transaction() as tx:
            await runner_store.note(tx, name, has, connectors, now)
        self._noted[name] = (has, now)

    async def gone(self, name: str) -> None:
        """A runner stops."""
        self._noted.pop(name, None)
        async with self._database.transaction() as tx:
            await runner_store.gone(tx, name, self._clock.now() - GONE_AFTER - NOTED_EVERY)

    async def missing(self, tx: Tx, playbook: Playbook) -> list[str]:
        """What a playbook needs and no runner has, for people."""
        has = set(await runner_store.capabilities(tx, self._clock.now() - GONE_AFTER))
        wanted = dict.fromkeys(_needs(playbook))
        if not has and wanted:
            return ["no runner is at work"]
        return [_told(name, is_connector) for name, is_connector in wanted if name not in has]

    async def problems(self, tx: Tx, playbook: Playbook) -> list[Problem]:
        """What a playbook asks of runners and none can do."""
        return list(problems(playbook, await self._equipment(tx)))

    async def _equipment(self, tx: Tx) -> Equipment:
        since, told, at_work = self._clock.now() - GONE_AFTER, dict[str, set[str]](), set[str]()
        for row in await runner_store.remembered(tx):
            has = {plain(name) for name in row.capabilities if name not in COMMANDS}
            for name in has:
                told.setdefault(name, set()).update(row.connectors.get(name, ()))
            at_work |= has if row.seen_at >= since else set()
        return Equipment(told, at_work)

    async def forget(self) -> None:
        """Forget runners that are gone for long."""
        now = self._clock.now()
        self._noted = {name: noted for name, noted in self._noted.items() if now - noted[1] < FORGOTTEN_AFTER}
        async with self._database.transaction() as tx:
            await runner_store.forget(tx, now - FORGOTTEN_AFTER)


def _needs(playbook: Playbook) -> Iterator[tuple[str, bool]]:
    """What runners must have for it: connectors (True) and types of commands."""
    for step in playbook.steps.values():
        if step.kind is not Kind.ACTION:
            continue
        for command in step.commands:
            if command["type"] == ACTION_TYPE:
                yield str(command["connector"]), True
            elif command["type"] != "manual":
                yield str(command["type"]), False


def _told(name: str, is_connector: bool) -> str:
    if is_connector:
        return f"no runner has the connector {name} set up: write a connection {name} into a runner's connections file"
    return f"no runner carries out commands of type {name}"
