"""What an edited schedule takes over from the one before: whose turn it is."""

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from typing import Any

from tocsin_oncall.plain import NOTHING_KNOWN, ONLY_LAYER, Known, Plain, read
from tocsin_oncall.ring import carried
from tocsin_oncall.schedule import Rotation, Schedule


def with_positions(old: Plain, new: Plain, at: datetime, known: Known = NOTHING_KNOWN) -> dict[str, Any]:
    """The new schedule with the positions that keep on call whoever is so now, wherever it gives none itself.

    A layer is the same as before by its name, and only as long as its turns begin when they did. A new rhythm begins with its first
    participant.
    """
    made: dict[str, Any] = deepcopy(dict(new))
    before, _ = read(old, known)
    after, _ = read(new, known)
    for name, position in _kept(before, after, at).items():
        part = _rotation_of(made, name)
        if part is not None and not part.get("position"):
            part["position"] = position
    return made


def _kept(before: Schedule, after: Schedule, at: datetime) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    earlier = {layer.name: layer.source for layer in before.layers}
    for layer in after.layers:
        old, new = earlier.get(layer.name), layer.source
        if not isinstance(old, Rotation) or not isinstance(new, Rotation) or old.rhythm != new.rhythm:
            continue
        if old.ring.participants == new.ring.participants:
            position = old.ring.position
        else:
            position = carried(old.ring, new.ring, at)
        if position is not None:
            found[layer.name] = {"turn_start": new.rhythm.wall(position.turn).isoformat(), "participant": position.index}
    return found


def _rotation_of(plain: Mapping[str, Any], layer: str) -> dict[str, Any] | None:
    if layer == ONLY_LAYER and plain.get("rotation") is not None:
        found: dict[str, Any] = plain["rotation"]
        return found
    for each in plain.get("layers", ()):
        if each.get("name") == layer:
            part: dict[str, Any] | None = each.get("rotation", each.get("recurrence"))
            return part
    return None
