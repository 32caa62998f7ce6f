"""The escalation policies in memory, as long as nothing has changed: every incident needs one."""

from collections.abc import Mapping

from tocsin_chassis.postgres.database import Tx
from tocsin_response.escalation import store, wire
from tocsin_response.escalation.policy import Policy
from tocsin_response.oncall.store import Revision

# Several installations share a process in tests only.
MOST_INSTALLATIONS = 4

_held: dict[str, tuple[int, Mapping[str, Policy]]] = {}


async def policies(tx: Tx, current: Revision) -> Mapping[str, Policy]:
    """All policies by name, as of this revision or later."""
    held = _held.get(current.installation)
    if held is not None and held[0] == current.revision:
        return held[1]
    read = {name: wire.policy_of(definition) for name, definition in (await store.load_policies(tx)).items()}
    _held.pop(current.installation, None)
    _held[current.installation] = (current.revision, read)
    while len(_held) > MOST_INSTALLATIONS:
        _held.pop(next(iter(_held)))
    return read
