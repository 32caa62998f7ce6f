"""How responders are reached, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contacts.contact import Channel, ContactMethod


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A contact method as it is stored."""

    name: str
    responder: str
    channel: str
    address: str
    delay: timedelta | None

    def to_domain(self) -> ContactMethod:
        return ContactMethod(self.name, self.responder, Channel(self.channel), self.address, self.delay)


@dataclass(frozen=True, slots=True)
class ReachRow:
    """A contact method of a responder, or none of it, with their rules and where their pages go instead."""

    responder: str
    rules: bytes | None
    delegated_to: str | None
    delegation_reason: str | None
    name: str | None
    channel: str | None
    address: str | None
    delay: timedelta | None


async def reach_of(tx: Tx, responders: Sequence[str], at: datetime) -> dict[str, list[ReachRow]]:
    """How to reach these responders, by name of the contact method: for each one row at least, whose fields are empty where there is
    nothing."""
    rows = await tx.many(
        ReachRow,
        """SELECT asked.name AS responder, coalesce(by_hand.rules, personal.rules) AS rules, away.to_responder AS delegated_to,
                  away.reason AS delegation_reason,
                  method.name, method.channel, method.address, method.delay
           FROM unnest(%(responders)s::text[]) AS asked (name)
           LEFT JOIN personal_rules AS personal ON personal.responder = asked.name
           LEFT JOIN rules_by_hand AS by_hand ON by_hand.responder = asked.name
           LEFT JOIN LATERAL (
               SELECT to_responder, reason FROM delegation
               WHERE from_responder = asked.name AND ends_at > %(at)s AND starts_at <= %(at)s AND (ended_at IS NULL OR ended_at > %(at)s)
               ORDER BY id DESC LIMIT 1
           ) AS away ON true
           LEFT JOIN contact_method AS method ON method.responder = asked.name
           ORDER BY asked.name, method.name""",
        {"responders": list(responders), "at": at},
    )
    found: dict[str, list[ReachRow]] = {}
    for row in rows:
        found.setdefault(row.responder, []).append(row)
    return found


async def method(tx: Tx, name: str) -> ContactMethod | None:
    """One contact method."""
    row = await tx.maybe(MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method WHERE name = %s", (name,))
    return row.to_domain() if row else None


async def methods_of(tx: Tx, responder: str) -> list[ContactMethod]:
    """How to reach a responder, by name."""
    rows = await tx.many(
        MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method WHERE responder = %s ORDER BY name", (responder,)
    )
    return [row.to_domain() for row in rows]
