"""Who may know of which incident: the copy that every service keeps of it, and the one question that is asked of it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import LiteralString, Protocol

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


@dataclass(frozen=True, slots=True)
class Belonging:
    """A thing, and the incident that it belongs to."""

    id: str
    incident_id: str


async def hidden_things(tx: Tx, source: LiteralString, reader: str, ids: Collection[str]) -> dict[str, str]:
    """Those of these things that belong to incidents which the reader may not know of, and which these are.

    `source` is the table with `id` and `incident_id`, or a query for them; never what somebody sent.
    """
    found = await tx.many(
        Belonging,
        # `source` is written in the program.
        f"""SELECT thing.id::text, thing.incident_id::text FROM {source} AS thing JOIN incident_privacy AS known USING (incident_id)
            WHERE thing.id = ANY(%s::uuid[]) AND known.private AND NOT %s = ANY(known.members)""",  # noqa: S608
        (list(ids), reader),
    )
    return {each.id: each.incident_id for each in found}


async def all_private(tx: Tx) -> list[Private]:
    """All that are, or were, private."""
    return await tx.many(
        Private, "SELECT incident_id::text, private, members, version FROM incident_privacy ORDER BY incident_privacy.incident_id"
    )
