"""The policies, hours and teams that escalations are begun by, in the database."""

from dataclasses import dataclass
from typing import Any

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class Definition:
    """The JSON of one resource."""

    name: str
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Team:
    """What steps and conditions want to know of a team, beside its members."""

    name: str
    managers: list[str]
    time_zone: str


async def load_policies(tx: Tx) -> list[Definition]:
    return await tx.many(Definition, "SELECT name, definition FROM escalation_policy")


async def load_hours(tx: Tx) -> list[Definition]:
    return await tx.many(Definition, "SELECT name, definition FROM business_hours")


async def load_teams(tx: Tx) -> list[Team]:
    return await tx.many(Team, "SELECT name, managers, time_zone FROM team")


async def load_fallback(tx: Tx) -> list[str]:
    """The responders of the platform's fallback; none if it is not set."""
    return await tx.values(str, "SELECT unnest(responders) FROM platform_fallback")
