"""The playbooks that runs go by: read once from their texts, which never change."""

from collections import OrderedDict
from collections.abc import Callable

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.errors import Conflict, NotFound
from tocsin_playbook.playbook import Playbook
from tocsin_response.playbook import library_store
from tocsin_response.playbook.library_store import Version

REMEMBERED = 200


class PlaybookNotFound(NotFound):
    reason = "PLAYBOOK_NOT_FOUND"
    message = "there is no playbook {playbook}"


class PlaybookRetired(Conflict):
    reason = "PLAYBOOK_RETIRED"
    message = "playbook {playbook} is retired: it was deleted from the configuration; put it again to run it"


class Book:
    """Playbooks by name and version."""

    def __init__(self, read: Callable[[str], Playbook]) -> None:
        self._read = read
        self._known: OrderedDict[tuple[str, int], Playbook] = OrderedDict()

    async def of(self, tx: Tx, name: str, version: int) -> Playbook:
        """A version. Raises PlaybookNotFound."""
        found = self._known.get((name, version))
        if found is None:
            kept = await library_store.load(tx, name, version)
            if kept is None:
                raise PlaybookNotFound(playbook=name)
            found = self.read(kept)
        self._known.move_to_end((name, version))
        return found

    async def newest(self, tx: Tx, name: str) -> tuple[Version, Playbook]:
        """The version that runs begin by. Raises PlaybookNotFound, PlaybookRetired."""
        kept = await library_store.load(tx, name)
        if kept is None:
            raise PlaybookNotFound(playbook=name)
        if kept.retired:
            raise PlaybookRetired(playbook=name)
        return kept, self._known.get((name, kept.version)) or self.read(kept)

    def read(self, version: Version) -> Playbook:
        """What stands in a version."""
        found = self._read(version.content)
        self._known[version.playbook, version.version] = found
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found
