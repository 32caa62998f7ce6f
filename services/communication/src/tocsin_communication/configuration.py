"""The contact methods as configuration."""

from collections.abc import Iterable

from tocsin.communication.v1 import page_pb2 as pb
from tocsin.configuration.v1.change_pb2 import Change

from tocsin_chassis.configuration import changes
from tocsin_chassis.postgres.database import Database
from tocsin_communication import store, wire
from tocsin_communication.channels.registry import flaw
from tocsin_kernel.errors import Invalid


class ConfigurationStore:
    """Stores what is given and says what changed."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def apply(self, given: pb.Configuration, *, dry_run: bool, prune: bool) -> list[Change]:
        """Make the stored contact methods like the given ones, in one transaction. Raises Invalid naming the field."""
        wanted = _checked(given.contact_methods)
        async with self._database.transaction() as tx:
            await store.lock_methods(tx)
            stored = {method.name: wire.method_to_proto(method) for method in await store.all_methods(tx)}
            listed = changes("ContactMethod", stored, wanted, prune)
            if not dry_run:
                touched = {change.name for change in listed if change.action in (Change.ACTION_CREATED, Change.ACTION_UPDATED)}
                await store.save_methods(tx, [wire.to_method(wanted[name]) for name in sorted(touched)])
                await store.delete_methods(tx, [change.name for change in listed if change.action == Change.ACTION_DELETED])
        return listed

    async def export(self) -> pb.Configuration:
        """Everything that is stored."""
        async with self._database.transaction() as tx:
            return pb.Configuration(contact_methods=[wire.method_to_proto(method) for method in await store.all_methods(tx)])


def _checked(methods: Iterable[pb.ContactMethod]) -> dict[str, pb.ContactMethod]:
    """The methods by name, as they would be stored."""
    named: dict[str, pb.ContactMethod] = {}
    for index, message in enumerate(methods):
        field = f"configuration.contact_methods[{index}]"
        method = wire.to_method(message)
        if problem := flaw(method.channel, method.address):
            raise Invalid(field=f"{field}.address", detail=problem)
        if message.name in named:
            raise Invalid(field=f"{field}.name", detail=f"{message.name} is given twice")
        named[message.name] = wire.method_to_proto(method)
    return named
