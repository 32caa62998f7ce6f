"""The part of the configuration that holds alerts back: inhibitions, maintenance windows and noise rules, as files hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from tocsin.configuration.v1.change_pb2 import Change
from tocsin.detection.v1.integration_pb2 import Configuration
from tocsin.detection.v1.noise_pb2 import Inhibition, MaintenanceWindow, NoiseRule

from tocsin_chassis.configuration import changes
from tocsin_chassis.postgres.database import Tx
from tocsin_detection import store as alerts
from tocsin_detection.noise import store, wire
from tocsin_detection.noise.inhibition import Inhibition as InhibitionRule
from tocsin_detection.noise.matcher import labels_of
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.rules import NoiseRule as Rule
from tocsin_detection.noise.rules import Rules
from tocsin_detection.noise.window import Window
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid

Named = TypeVar("Named", Inhibition, MaintenanceWindow, NoiseRule)
AT_ONCE = 2_000
MADE = (Change.ACTION_CREATED, Change.ACTION_UPDATED)


@dataclass(frozen=True, slots=True)
class Given:
    """The rules of a configuration, by name; each can be read."""

    inhibitions: Mapping[str, InhibitionRule]
    windows: Mapping[str, Window]
    noise_rules: Mapping[str, Rule]


def given_rules(configuration: Configuration, now: datetime) -> Given:
    """Raises Invalid, which names the first field that is wrong."""
    inhibitions = _by_name(configuration.inhibitions, "inhibitions")
    windows = _by_name(configuration.maintenance_windows, "maintenance_windows")
    noise_rules = _by_name(configuration.noise_rules, "noise_rules")
    return Given(
        {name: wire.inhibition_of(message, field) for field, name, message in inhibitions},
        {name: wire.window_of(message, field, now) for field, name, message in windows},
        {name: wire.noise_rule_of(message, field) for field, name, message in noise_rules},
    )


class NoiseConfiguration:
    """Makes the stored rules like given ones."""

    def __init__(self, rulebook: Rulebook, clock: Clock) -> None:
        self._rulebook = rulebook
        self._clock = clock

    async def apply(self, tx: Tx, configuration: Configuration, *, dry_run: bool, prune: bool) -> list[Change]:
        """What changed, or with `dry_run` only what would. Windows that were made by hand stay. Raises Invalid."""
        now = self._clock.now()
        given = given_rules(configuration, now)
        await self._rulebook.changes(tx)
        stored = await store.windows(tx)
        _refuse_taken(given.windows, stored, configuration)
        windows = {window.name: window for window in stored if window.kept_in_files}
        definitions = await store.definitions(tx)
        planned = [
            *changes(wire.INHIBITION, _inhibitions(definitions), {each.name: each for each in configuration.inhibitions}, prune),
            *changes(wire.WINDOW, _messages(windows), _messages(given.windows), prune),
            *changes(wire.NOISE_RULE, _noise_rules(definitions), {each.name: each for each in configuration.noise_rules}, prune),
        ]
        if not dry_run:
            for change in planned:
                await self._carry_out(tx, change, configuration, given, windows)
            await self._after(tx, planned, now)
        return planned

    async def exported(self, tx: Tx) -> Configuration:
        """What files hold of it, by name."""
        definitions = await store.definitions(tx)
        windows = [wire.window_message(window) for window in await store.windows(tx) if window.kept_in_files]
        return Configuration(
            inhibitions=_inhibitions(definitions).values(), maintenance_windows=windows, noise_rules=_noise_rules(definitions).values()
        )

    async def _carry_out(self, tx: Tx, change: Change, configuration: Configuration, given: Given, stored: Mapping[str, Window]) -> None:
        made, deleted = change.action in MADE, change.action == Change.ACTION_DELETED
        if change.kind == wire.WINDOW and made:
            before = stored.get(change.name)
            window = given.windows[change.name]
            await store.save_window(tx, replace(window, created_at=before.created_at) if before is not None else window)
        elif change.kind == wire.WINDOW and deleted:
            await store.delete_window(tx, change.name)
        elif made:
            messages = configuration.inhibitions if change.kind == wire.INHIBITION else configuration.noise_rules
            message = next(each for each in messages if each.name == change.name)
            await store.save_definition(tx, store.Definition(change.kind, change.name, wire.definition_of(message)))
        elif deleted:
            await store.delete_definition(tx, change.kind, change.name)

    async def _after(self, tx: Tx, planned: Sequence[Change], now: datetime) -> None:
        """What changed rules held is judged again, and which alerts explain others is found anew."""
        other = [change for change in planned if change.action != Change.ACTION_UNCHANGED]
        inhibitions = [change.name for change in other if change.kind == wire.INHIBITION]
        # What an inhibition holds names the alert that explains it.
        explaining = await store.source_ids(tx, inhibitions) if inhibitions else []
        await alerts.reconsider(tx, [*(change.name for change in other), *explaining], now)
        if inhibitions:
            await store.forget_sources(tx)
            rules = [wire.inhibition_of(message, name) for name, message in _inhibitions(await store.definitions(tx)).items()]
            await find_sources(tx, Rules(inhibitions=rules))


async def find_sources(tx: Tx, rules: Rules) -> None:
    """Note which open alerts may hold others back."""
    after = ""
    while rules.inhibitions:
        page = await store.open_alerts(tx, after, AT_ONCE)
        seen = [(alert.id, labels_of(alert)) for alert in page]
        found = [(rule, rule.key(labels), alert_id) for alert_id, labels in seen for rule in rules.explains(labels)]
        if found:
            await store.note_sources(tx, found)
        if len(page) < AT_ONCE:
            return
        after = page[-1].id


def _by_name(given: Sequence[Named], section: str) -> list[tuple[str, str, Named]]:
    """The field, name and message of each resource. Raises Invalid for a name that is given twice."""
    seen: set[str] = set()
    found: list[tuple[str, str, Named]] = []
    for index, message in enumerate(given):
        field = f"configuration.{section}[{index}]"
        if message.name in seen:
            raise Invalid(field=f"{field}.name", detail=f"{message.name!r} is given twice; names are unique")
        seen.add(message.name)
        found.append((field, message.name, message))
    return found


def _refuse_taken(given: Mapping[str, Window], stored: Sequence[Window], configuration: Configuration) -> None:
    """Somebody's window is not replaced by one from a file. Raises Invalid."""
    taken = {window.name: window.created_by for window in stored if not window.kept_in_files}
    for index, message in enumerate(configuration.maintenance_windows):
        if message.name in given and message.name in taken:
            detail = f"{taken[message.name]} made a window {message.name!r} by hand; choose another name, or remove that one"
            raise Invalid(field=f"configuration.maintenance_windows[{index}].name", detail=detail)


def _inhibitions(definitions: Sequence[store.Definition]) -> dict[str, Inhibition]:
    return {each.name: wire.inhibition_message(each.definition) for each in definitions if each.kind == wire.INHIBITION}


def _noise_rules(definitions: Sequence[store.Definition]) -> dict[str, NoiseRule]:
    return {each.name: wire.noise_rule_message(each.definition) for each in definitions if each.kind == wire.NOISE_RULE}


def _messages(windows: Mapping[str, Window]) -> dict[str, MaintenanceWindow]:
    return {name: wire.window_message(window) for name, window in windows.items()}
