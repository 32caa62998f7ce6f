"""Whom names of responders and teams stand for, in the database."""

from collections.abc import Sequence

from tocsin_chassis.postgres.database import Tx


async def meant(tx: Tx, names: Sequence[str]) -> set[str]:
    """The responders with these names, and the members of the teams with these names."""
    found = await tx.values(
        str,
        """SELECT name FROM responder WHERE name = ANY(%(names)s::text[])
           UNION SELECT unnest(members) FROM team WHERE name = ANY(%(names)s::text[])""",
        {"names": list(names)},
    )
    return set(found)


async def teams(tx: Tx, responder: str) -> set[str]:
    """The teams that a responder belongs to."""
    return set(await tx.values(str, "SELECT name FROM team WHERE %s = ANY(members)", (responder,)))


async def fallback(tx: Tx) -> set[str]:
    """Whom the platform asks when there is nobody else."""
    return set(await tx.values(str, "SELECT unnest(responders) FROM platform_fallback"))
