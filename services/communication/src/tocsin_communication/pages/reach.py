"""How responders are reached: their contact methods and rules, delegations followed to their end."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_communication import wire
from tocsin_communication.contacts import methods_store
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.rules.delegation import LONGEST_CHAIN
from tocsin_communication.rules.personal import Matter, PersonalRules, Planned, plan
from tocsin_kernel.errors import Conflict

UNREACHABLE = "{responder} has no contact method"


class Unreachable(Conflict):
    reason = "RESPONDER_UNREACHABLE"
    message = "{responder} has no contact method"


@dataclass(frozen=True, slots=True)
class Reach:
    """How somebody is reached: who gets the pages in the end, how, and why it is not the one who was asked (empty if it is)."""

    responder: str
    methods: tuple[ContactMethod, ...]
    rules: PersonalRules | None
    delegated_from: str = ""
    why: str = ""


async def reach_of(tx: Tx, responders: Sequence[str], at: datetime) -> dict[str, Reach]:
    """How these responders are reached at this instant, delegations followed to their end."""
    ends: dict[str, str] = {name: name for name in responders}
    whys: dict[str, list[str]] = {name: [] for name in responders}
    rows: dict[str, list[methods_store.ReachRow]] = {}
    for _ in range(LONGEST_CHAIN):
        wanted = sorted({end for end in ends.values() if end not in rows})
        if not wanted:
            break
        rows |= await methods_store.reach_of(tx, wanted, at)
        for name, end in ends.items():
            to = rows[end][0].delegated_to if end in wanted else None
            if to is not None:
                why = f": {rows[end][0].delegation_reason}" if rows[end][0].delegation_reason else ""
                whys[name].append(f"{end}'s pages go to {to}{why}")
                ends[name] = to
    return {name: _reach(name, ends[name], rows.get(ends[name], []), whys[name]) for name in responders}


async def reach_of_contact(tx: Tx, name: str) -> Reach:
    """One contact method that was asked for by its name: a room, a program."""
    method = await methods_store.method(tx, name)
    return Reach(method.responder, (replace(method, delay=None),), None) if method is not None else Reach(name, (), None)


def planned_pages(reach: Reach, matter: Matter, at: datetime, *, every_channel: bool = False) -> list[Planned]:
    """The pages of a summons: by the responder's rules, or at once over everything there is."""
    if every_channel:
        return [Planned(method, at, "on every channel at once") for method in reach.methods]
    return plan(reach.methods, reach.rules, matter, at)


def nowhere(reach: Reach, at: datetime) -> Planned:
    return Planned(ContactMethod("", reach.responder, Channel.NONE, ""), at, "")


def _reach(asked: str, responder: str, rows: Sequence[methods_store.ReachRow], whys: Sequence[str]) -> Reach:
    methods = tuple(
        ContactMethod(row.name, responder, Channel(row.channel), row.address, row.delay)
        for row in rows
        if row.name is not None and row.channel is not None and row.address is not None
    )
    rules = wire.to_rules(rows[0].rules) if rows and rows[0].rules is not None else None
    return Reach(responder, methods, rules, asked if asked != responder else "", "; ".join(whys))
