"""Slots of schedules that escalation policies have: those that cannot be kept become turns of nobody, aloud."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from tocsin_client.importing.model import Imported, Plain
from tocsin_oncall import chains, plain
from tocsin_oncall.standing import graph


def known_of(imported: Imported) -> plain.Known:
    """What the names in imported schedules stand for."""
    specs: dict[str, dict[str, Plain]] = {"Team": {}, "EscalationPolicy": {}, "BusinessHours": {}}
    for each in imported.documents:
        specs.setdefault(each.kind, {})[each.name] = each.spec
    members, managers = ({name: spec.get(field, []) for name, spec in specs["Team"].items()} for field in ("members", "managers"))
    return plain.Known(members, specs["EscalationPolicy"], hours=specs["BusinessHours"], managers=managers)


def mend(imported: Imported) -> None:
    """A policy that was not imported, or that leads back to the schedule, can have no slot: nothing here would take such a file."""
    known = known_of(imported)
    cuts = chains.cuts(graph(known, [plain.read(schedule, known)[0] for schedule in imported.replayed.values()]))

    def wrong(schedule: str, layer: str, policy: str) -> str:
        if policy not in known.policies:
            return "which was not imported"
        cut = cuts.get((chains.schedule(schedule, layer), chains.policy(policy)))
        return f"but {cut}" if cut else ""

    for number, document in enumerate(imported.documents):
        if document.kind == "Schedule":
            spec = deepcopy(dict(document.spec))
            for layer, slots, index, policy in _slots(spec):
                if said := wrong(document.name, layer, policy):
                    imported.lose(
                        f"schedules/{document.name}/{layer}", f"escalation policy {policy} has a turn, {said}", "a turn of nobody"
                    )
                    slots[index] = {"nobody": True}
            imported.documents[number] = type(document)(document.kind, document.name, spec)
    for name, schedule in imported.replayed.items():
        replayed = deepcopy(dict(schedule))
        for layer, slots, index, policy in _slots(replayed):
            if wrong(name, layer, policy):
                slots[index] = {"nobody": True}
        imported.replayed[name] = replayed


def leads_on(schedule: Mapping[str, Any]) -> bool:
    """Whether a policy has a slot of it."""
    return any(True for _ in _slots(schedule))


def _slots(schedule: Mapping[str, Any]) -> Iterator[tuple[str, list[Any], int, str]]:
    for layer in schedule.get("layers", ()):
        slots = layer.get("rotation", {}).get("participants", [])
        for index, each in enumerate(slots):
            if each.get("escalation_policy"):
                yield layer["name"], slots, index, each["escalation_policy"]
