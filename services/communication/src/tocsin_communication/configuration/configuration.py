"""Contact methods, personal rules and limits as configuration."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from tocsin.communication.v1 import page_pb2 as pb
from tocsin.communication.v1 import rules_pb2 as rules_pb
from tocsin.configuration.v1.change_pb2 import Change

from tocsin_chassis.configuration import changes
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication import wire
from tocsin_communication.channels.registry import flaw
from tocsin_communication.configuration import store
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.rules.limits import ALL
from tocsin_communication.rules.quiet import QuietHours
from tocsin_kernel.errors import Invalid

Given = TypeVar("Given", bound=Any)
TOUCHED = (Change.ACTION_CREATED, Change.ACTION_UPDATED)
KINDS = ("ContactMethod", "PersonalRules", "PageLimit")
LIMITED = frozenset({ALL, *(channel.value.lower() for channel in Channel if channel is not Channel.NONE)})


class ConfigurationStore:
    """Stores what is given and says what changed. `changed` makes this process read again what it keeps in memory."""

    def __init__(self, database: Database, changed: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._changed = changed

    async def apply(self, given: pb.Configuration, *, dry_run: bool, prune: bool) -> list[Change]:
        """Make what is stored like what is given, in one transaction. Raises Invalid naming the field."""
        wanted = _checked_methods(given.contact_methods)
        rules = _named("personal_rules", given.personal_rules)
        limits = _checked_limits(given.page_limits)
        async with self._database.transaction() as tx:
            await store.lock_methods(tx)
            stored = await _stored(tx)
            methods = changes("ContactMethod", _by_name(stored.contact_methods), wanted, prune)
            owners = _owners(stored, wanted, {change.name for change in methods if change.action == Change.ACTION_DELETED})
            for index, each in enumerate(given.personal_rules):
                check_rules(each, f"configuration.personal_rules[{index}]", owners)
            listed = [
                *methods,
                *changes("PersonalRules", _by_name(stored.personal_rules), rules, prune),
                *changes("PageLimit", _by_name(stored.page_limits), limits, prune),
            ]
            if not dry_run:
                await _store(tx, listed, wanted, rules, limits)
        if not dry_run and (limits or prune):
            await self._changed()
        return listed

    async def export(self) -> pb.Configuration:
        """Everything that is stored."""
        async with self._database.transaction() as tx:
            return await _stored(tx)


async def _stored(tx: Tx) -> pb.Configuration:
    return pb.Configuration(
        contact_methods=[wire.method_to_proto(method) for method in await store.all_methods(tx)],
        personal_rules=[rules_pb.PersonalRules.FromString(row.rules) for row in await store.all_rules(tx)],
        page_limits=[wire.limit_to_proto(name, allowances) for name, allowances in (await store.limits(tx)).items()],
    )


async def _store(
    tx: Tx,
    listed: Iterable[Change],
    methods: Mapping[str, pb.ContactMethod],
    rules: Mapping[str, rules_pb.PersonalRules],
    limits: Mapping[str, rules_pb.PageLimit],
) -> None:
    touched = {kind: sorted(change.name for change in listed if change.kind == kind and change.action in TOUCHED) for kind in KINDS}
    deleted = {kind: [change.name for change in listed if change.kind == kind and change.action == Change.ACTION_DELETED] for kind in KINDS}
    await store.save_methods(tx, [wire.to_method(methods[name]) for name in touched["ContactMethod"]])
    await store.delete_methods(tx, deleted["ContactMethod"])
    await store.save_rules(tx, [(name, rules[name].SerializeToString(deterministic=True)) for name in touched["PersonalRules"]])
    await store.delete_rules(tx, deleted["PersonalRules"])
    await store.save_limits(tx, [(name, wire.limit_of(limits[name])) for name in touched["PageLimit"]])
    await store.delete_limits(tx, deleted["PageLimit"])


def _by_name(messages: Iterable[Given]) -> dict[str, Given]:
    return {message.name: message for message in messages}


def _named(field: str, messages: Iterable[Given]) -> dict[str, Given]:
    named: dict[str, Given] = {}
    for index, message in enumerate(messages):
        if message.name in named:
            raise Invalid(field=f"configuration.{field}[{index}].name", detail=f"{message.name} is given twice")
        named[message.name] = message
    return named


def _checked_methods(methods: Iterable[pb.ContactMethod]) -> dict[str, pb.ContactMethod]:
    """The methods by name, as they would be stored."""
    checked: list[pb.ContactMethod] = []
    for index, message in enumerate(methods):
        method = wire.to_method(message)
        if problem := flaw(method.channel, method.address):
            raise Invalid(field=f"configuration.contact_methods[{index}].address", detail=problem)
        checked.append(wire.method_to_proto(method))
    return _named("contact_methods", checked)


def _checked_limits(limits: Iterable[rules_pb.PageLimit]) -> dict[str, rules_pb.PageLimit]:
    named = _named("page_limits", limits)
    for index, name in enumerate(named):
        if name not in LIMITED:
            raise Invalid(field=f"configuration.page_limits[{index}].name", detail=f"must be one of {', '.join(sorted(LIMITED))}")
    return named


def _owners(stored: pb.Configuration, wanted: Mapping[str, pb.ContactMethod], deleted: set[str]) -> dict[str, str]:
    """Whose each contact method is when this is applied."""
    kept = {method.name: method.responder for method in stored.contact_methods if method.name not in deleted}
    return {**kept, **{name: method.responder for name, method in wanted.items()}}


def check_rules(message: rules_pb.PersonalRules, field: str, owners: Mapping[str, str]) -> None:
    """`owners` are the responders by their contact methods. Raises Invalid for a step over somebody else's, and for quiet hours that
    cannot be."""
    for urgency in ("high", "low"):
        for number, step in enumerate(getattr(message, urgency)):
            if owners.get(step.contact_method) != message.name:
                detail = f"{message.name} has no contact method {step.contact_method}"
                raise Invalid(field=f"{field}.{urgency}[{number}].contact_method", detail=detail)
    if message.HasField("quiet_hours"):
        _check_quiet(message, f"{field}.quiet_hours")


def _check_quiet(message: rules_pb.PersonalRules, field: str) -> None:
    try:
        ZoneInfo(message.quiet_hours.zone)
    except (KeyError, ValueError, OSError) as error:
        raise Invalid(field=f"{field}.zone", detail="is not a time zone such as Europe/Berlin") from error
    quiet = wire.rules_of(message).quiet
    if quiet is not None and _never_ends(quiet):
        raise Invalid(field=f"{field}.windows", detail="leave no time that is not quiet: pages that can wait would wait for ever")


def _never_ends(quiet: QuietHours) -> bool:
    """Every minute of the week is in a window."""
    minutes = set[int]()
    for window in quiet.windows:
        begins, ends = window.begins.hour * 60 + window.begins.minute, window.ends.hour * 60 + window.ends.minute
        length = (ends - begins) % 1440 or 1440
        for day in window.days:
            minutes |= {(day * 1440 + begins + minute) % 10080 for minute in range(length)}
    return len(minutes) == 10080
