"""What files hold of contact methods, personal rules and limits, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contacts.contact import ContactMethod
from tocsin_communication.contacts.methods_store import MethodRow
from tocsin_communication.rules.limits import Allowance


@dataclass(frozen=True, slots=True)
class LimitRow:
    """How much may be sent over one kind of channel."""

    name: str
    counts: list[int]
    spans: list[timedelta]

    def to_domain(self) -> tuple[Allowance, ...]:
        return tuple(Allowance(count, span) for count, span in zip(self.counts, self.spans, strict=True))


@dataclass(frozen=True, slots=True)
class RulesRow:
    """The personal rules of a responder, packed."""

    responder: str
    rules: bytes


async def all_methods(tx: Tx) -> list[ContactMethod]:
    """Every contact method that files hold, by name."""
    rows = await tx.many(MethodRow, "SELECT name, responder, channel, address, delay FROM contact_method WHERE added_by = '' ORDER BY name")
    return [row.to_domain() for row in rows]


async def lock_methods(tx: Tx) -> None:
    """One configuration at a time; pages go on being made meanwhile."""
    await tx.execute("LOCK TABLE contact_method IN SHARE ROW EXCLUSIVE MODE")


async def save_methods(tx: Tx, methods: Sequence[ContactMethod]) -> None:
    """Make or replace these: files hold them from now on."""
    await tx.execute_many(
        """INSERT INTO contact_method (name, responder, channel, address, delay) VALUES (%s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET responder = excluded.responder, channel = excluded.channel, address = excluded.address,
               delay = excluded.delay, added_by = ''""",
        [(method.name, method.responder, method.channel.value, method.address, method.delay) for method in methods],
    )


async def delete_methods(tx: Tx, names: Sequence[str]) -> None:
    """Remove these."""
    await tx.execute("DELETE FROM contact_method WHERE name = ANY(%s)", (list(names),))


async def all_rules(tx: Tx) -> list[RulesRow]:
    """The personal rules that files hold, by name."""
    return await tx.many(RulesRow, "SELECT responder, rules FROM personal_rules ORDER BY responder")


async def save_rules(tx: Tx, rules: Sequence[tuple[str, bytes]]) -> None:
    """Make or replace these."""
    await tx.execute_many(
        """INSERT INTO personal_rules (responder, rules) VALUES (%s, %s)
           ON CONFLICT (responder) DO UPDATE SET rules = excluded.rules""",
        list(rules),
    )


async def delete_rules(tx: Tx, responders: Sequence[str]) -> None:
    """Remove these."""
    await tx.execute("DELETE FROM personal_rules WHERE responder = ANY(%s)", (list(responders),))


async def limits(tx: Tx) -> dict[str, tuple[Allowance, ...]]:
    """The limits that were given, by kind of channel."""
    rows = await tx.many(LimitRow, "SELECT name, counts, spans FROM page_limit ORDER BY name")
    return {row.name: row.to_domain() for row in rows}


async def save_limits(tx: Tx, given: Sequence[tuple[str, tuple[Allowance, ...]]]) -> None:
    """Make or replace these."""
    await tx.execute_many(
        """INSERT INTO page_limit (name, counts, spans) VALUES (%s, %s::integer[], %s::interval[])
           ON CONFLICT (name) DO UPDATE SET counts = excluded.counts, spans = excluded.spans""",
        [(name, [each.count for each in allowances], [each.within for each in allowances]) for name, allowances in given],
    )


async def delete_limits(tx: Tx, names: Sequence[str]) -> None:
    """Remove these."""
    await tx.execute("DELETE FROM page_limit WHERE name = ANY(%s)", (list(names),))
