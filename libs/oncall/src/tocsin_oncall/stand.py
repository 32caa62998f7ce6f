"""Who is asked where an escalation policy has a slot of a schedule, and why."""

from collections.abc import Iterable
from typing import NamedTuple

# A schedule by itself knows no incident: what a policy does for some severities only, it is taken to do as for the worst.
WORST = 1
CONTACT = "contact "


class Stand(NamedTuple):
    """Somebody who is asked, and why. `turn`: of all with this key only one, whose turn it is. `gap`: what has nobody, so that they are."""

    name: str
    why: str
    turn: str = ""
    gap: str = ""

    @property
    def weakness(self) -> int:
        """The least counts: who is asked in any case goes before one of those who take turns, who is on duty before a fallback."""
        return bool(self.turn) + bool(self.gap)


class Asked(NamedTuple):
    """Who is asked at an instant, and by which steps; or why nobody is."""

    stands: tuple[Stand, ...]
    why: str


def contact_of(name: str) -> str:
    """The name of the contact, where a policy names one: a chat room or a webhook, and no person."""
    return name.removeprefix(CONTACT) if name.startswith(CONTACT) else ""


def once(stands: Iterable[Stand]) -> tuple[Stand, ...]:
    """Each once, for the best reason."""
    found: dict[str, Stand] = {}
    for each in stands:
        if each.name not in found or each.weakness < found[each.name].weakness:
            found[each.name] = each
    return tuple(found.values())
