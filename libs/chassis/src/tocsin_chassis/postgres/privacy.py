"""Who may know of which incident: the copy that every service keeps of it, and the one question that is asked of it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tocsin_chassis.postgres.database import Tx


class Known(Protocol):
    """An incident as far as privacy goes: triage's own, or the message in its facts."""

    @property
    def id(self) -> str: ...

    @property
    def private(self) -> bool: ...

    @property
    def members(self) -> Sequence[str]: ...

    @property
    def version(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Private:
    """An incident that is, or was, private."""

    incident_id: str
    private: bool
    members: list[str]
    version: int


async def note_privacy(tx: Tx, incidents: Iterable[Known]) -> None:
    """Keep who may know of these, if that is newer than what is known. Most incidents never were private and cost nothing."""
    newest: dict[str, Known] = {}
    for incident in incidents:
        if incident.members and (incident.id not in newest or newest[incident.id].version < incident.version):
            newest[incident.id] = incident
    for incident in (newest[key] for key in sorted(newest)):
        await tx.execute(
            """INSERT INTO incident_privacy AS known (incident_id, private, members, version) VALUES (%s, %s, %s::text[], %s)
               ON CONFLICT (incident_id) DO UPDATE SET private = excluded.private, members = excluded.members, version = excluded.version
               WHERE known.version < excluded.version""",
            (incident.id, incident.private, list(incident.members), incident.version),
        )


async def hidden_from(tx: Tx, reader: str, incidents: Collection[str]) -> set[str]:
    """Those of these incidents which the reader may not know of."""
    return set(
        await tx.values(
            str,
            """SELECT incident_id::text FROM incident_privacy
               WHERE incident_id = ANY(%s::uuid[]) AND private AND NOT %s = ANY(members)""",
            (list(incidents), reader),
        )
    )


async def all_private(tx: Tx) -> list[Private]:
    """All that are, or were, private."""
    return await tx.many(Private, "SELECT incident_id::text, private, members, version FROM incident_privacy ORDER BY incident_id")
