"""Makes the stored configuration like a given one, and says what changed."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from google.protobuf import json_format
from google.protobuf.message import Message
from tocsin.configuration.v1.change_pb2 import Change
from tocsin.response.v1.command_pb2 import IncidentPlan
from tocsin.response.v1.oncall_pb2 import Schedule
from tocsin.response.v1.playbook_pb2 import Playbook
from tocsin.response.v1.response_service_pb2 import Configuration

from tocsin_chassis.configuration import changes
from tocsin_chassis.grpc.errors import ManyInvalid
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_oncall.carry import with_positions
from tocsin_oncall.plain import Known
from tocsin_response.command.templates import in_force, templates
from tocsin_response.configuration import store, wire
from tocsin_response.configuration.checks import Reference, problems_of_references
from tocsin_response.configuration.circles import problems_of_circles
from tocsin_response.configuration.wire import Resources
from tocsin_response.oncall.rota import rota
from tocsin_response.oncall.store import load_coming_overrides
from tocsin_response.playbook.library import Library

CHANGED = (Change.ACTION_CREATED, Change.ACTION_UPDATED)


class Configurations:
    """The configuration of response."""

    def __init__(self, database: Database, clock: Clock, library: Library) -> None:
        self._database = database
        self._clock = clock
        self._library = library

    async def apply(self, configuration: Configuration, by: str, *, dry_run: bool, prune: bool) -> list[Change]:
        """All of it or nothing. Raises Invalid that names every field that is wrong."""
        _refuse(wire.problems(configuration))
        given = wire.resources(configuration)
        async with self._database.transaction() as tx:
            await store.lock(tx)
            stored = _with_shipped(await self._stored(tx), given)
            given["Schedule"] = await self._standing(tx, stored["Schedule"], given["Schedule"])
            made = [change for kind in given for change in changes(kind, stored[kind], given[kind], prune)]
            overridden = await _override_references(tx, self._clock.now())
            _refuse(_broken([*wire.references(configuration), *overridden], stored, given, made))
            _refuse(await self._unknown(tx, given, made))
            schedules, policies = ({**stored[kind], **given[kind]} for kind in ("Schedule", "EscalationPolicy"))
            _refuse(problems_of_circles(configuration, schedules.values(), policies))
            if not dry_run:
                await self._carry_out(tx, given, made, by)
        return made

    async def _unknown(self, tx: Tx, given: Resources, made: list[Change]) -> list[tuple[str, str]]:
        """What new and changed playbooks ask of runners and none of them knows."""
        changed = [change.name for change in made if change.kind == "Playbook" and change.action in CHANGED]
        playbooks = [each for name in changed if isinstance(each := given["Playbook"][name], Playbook)]
        return [problem for each in playbooks for problem in await self._library.unknown(tx, each.name, each.content)]

    async def _stored(self, tx: Tx) -> Resources:
        return {**await store.load(tx), "Playbook": {each.name: each for each in await self._library.everything(tx)}}

    async def _carry_out(self, tx: Tx, given: Resources, made: list[Change], by: str) -> None:
        for change in made:
            if change.action in CHANGED:
                resource = given[change.kind][change.name]
                if isinstance(resource, Playbook):
                    await self._library.put(tx, resource.name, resource.content, by)
                else:
                    await store.save(tx, resource)
            elif change.action == Change.ACTION_DELETED and change.kind == "Playbook":
                await self._library.retire(tx, change.name)
            elif change.action == Change.ACTION_DELETED:
                await store.delete(tx, change.kind, change.name)

    async def _standing(self, tx: Tx, stored: Mapping[str, Message], given: Mapping[str, Message]) -> dict[str, Message]:
        """The given schedules with the positions that keep on call whoever is so now."""
        if not any(name in stored for name in given):
            return dict(given)
        now = self._clock.now()
        known = (await rota(tx, now)).known
        return {name: carried_over(stored[name], each, now, known) if name in stored else each for name, each in given.items()}

    async def export(self) -> Configuration:
        """Everything that is in force, the shipped plans too; applying it changes nothing."""
        async with self._database.transaction() as tx:
            stored = await self._stored(tx)
        own = {name: each for name, each in stored["IncidentPlan"].items() if isinstance(each, IncidentPlan)}
        return wire.configuration_of({**stored, "IncidentPlan": dict(in_force(own))})


def carried_over(stored: Message, given: Message, now: datetime, known: Known) -> Message:
    """The given schedule, standing where the stored one stands."""
    plain = with_positions(wire.plain(stored), wire.plain(given), now, known)
    return json_format.ParseDict(plain, Schedule())


def _with_shipped(stored: Resources, given: Resources) -> Resources:
    """A shipped plan that is given as it is shipped changes nothing; one that is not given is not deleted either."""
    shipped = {name: plan for name, plan in templates().items() if name in given["IncidentPlan"]}
    return {**stored, "IncidentPlan": {**shipped, **stored["IncidentPlan"]}}


def _refuse(problems: list[tuple[str, str]]) -> None:
    if problems:
        raise ManyInvalid(problems)


def _broken(references: Iterable[Reference], stored: Resources, given: Resources, made: list[Change]) -> list[tuple[str, str]]:
    deleted: dict[str, set[str]] = {kind: set() for kind in given}
    for change in made:
        if change.action == Change.ACTION_DELETED:
            deleted[change.kind].add(change.name)
    kept = {kind: stored[kind].keys() | given[kind].keys() for kind in given}
    return problems_of_references(references, kept, deleted)


async def _override_references(tx: Tx, now: datetime) -> list[Reference]:
    """Overrides that have not ended name responders too."""
    overrides = await load_coming_overrides(tx, "", now)
    return [
        Reference("configuration.responders", f"an override of Schedule {override.schedule}", "Responder", name)
        for override in overrides
        for name in (override.responder, override.instead_of)
        if name
    ]
