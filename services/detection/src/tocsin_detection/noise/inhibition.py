"""Inhibition: an alert that explains others holds them back while it fires. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise.matcher import Matchers, all_match
from tocsin_detection.signal import hashed


@dataclass(frozen=True, slots=True)
class Inhibition:
    """One rule: while something that the source matchers match fires, what the target matchers match and has equal labels is held."""

    name: str
    description: str
    sources: Matchers
    targets: Matchers
    equal: tuple[str, ...]

    def key(self, labels: Mapping[str, str]) -> str:
        """The same for alerts whose equal labels are equal; a label that is missing counts as an empty one."""
        return hashed(self.name, *(labels.get(name, "") for name in self.equal), labels={})

    def explains(self, source: Mapping[str, str], target: Mapping[str, str]) -> bool:
        """Whether the alert with the labels `source` holds back the one with the labels `target`.

        An alert that both sides match is not held back by another one that both match, nor ever by itself.
        """
        if not all_match(self.sources, source) or not all_match(self.targets, target) or self.key(source) != self.key(target):
            return False
        return not (all_match(self.targets, source) and all_match(self.sources, target))


def hold(rule: Inhibition, source_id: str, source_title: str, now: datetime) -> Hold:
    """What holds back an alert that another one explains. It lasts as long as that one fires."""
    same = f" with the same {', '.join(rule.equal)}" if rule.equal else ""
    why = f": {rule.description}" if rule.description else ""
    return Hold(HoldKind.INHIBITION, source_id, "", f"{source_title!r} fires{same} (inhibition {rule.name}{why})", now, named=rule.name)
