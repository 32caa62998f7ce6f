"""Which incidents are private, as this process knows: read at the start, and heard with every fact that says so."""

from collections.abc import Collection
from uuid import UUID

from tocsin.triage.v1.events_pb2 import IncidentOpened, PrivacyChanged
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.events.consumer import Handlers
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.grpc.privacy import View
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.privacy import Private, all_private, hidden_from, note_privacy
from tocsin_edge.visitor import Visitor

# The facts by which who may know of an incident changes.
TELLING = {kind.DESCRIPTOR.name: kind for kind in (IncidentOpened, PrivacyChanged)}


class PrivateIncidents:
    """Kept in the database for the next start, and in memory because every happening asks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Private] = {}
        self._loaded = False

    @property
    def handlers(self) -> Handlers:
        return dict.fromkeys(TELLING.values(), self._keep)

    async def load(self) -> None:
        """What was known before this process began. Before the first question about it."""
        if self._loaded:
            return
        async with self._database.transaction() as tx:
            for each in await all_private(tx):
                self._note(each)
        self._loaded = True

    def hear(self, fact: str, payload: bytes) -> None:
        """A fact of triage, before anybody else hears of it."""
        if fact in TELLING:
            self._hear(TELLING[fact].FromString(payload).incident)

    def shown_to(self, reader: str, incident_id: str) -> bool:
        """Whether somebody may hear what happens to an incident."""
        known = self._known.get(incident_id)
        return known is None or not known.private or reader in known.members

    def view(self, visitor: Visitor) -> View:
        """What this visitor sees in one call."""
        return View(self._hidden, visitor.as_caller())

    async def _hidden(self, reader: str, incidents: Collection[str]) -> set[str]:
        async with self._database.transaction() as tx:
            stored = await hidden_from(tx, reader, incidents)
        return stored | {each for each in incidents if not self.shown_to(reader, str(UUID(each)))}

    async def _keep(self, tx: Tx, fact: Fact[IncidentOpened | PrivacyChanged]) -> None:
        await note_privacy(tx, [fact.message.incident])
        self._hear(fact.message.incident)

    def _hear(self, incident: Incident) -> None:
        if incident.members:
            self._note(Private(incident.id, incident.private, list(incident.members), incident.version))

    def _note(self, heard: Private) -> None:
        known = self._known.get(heard.incident_id)
        if known is None or known.version < heard.version:
            self._known[heard.incident_id] = heard
