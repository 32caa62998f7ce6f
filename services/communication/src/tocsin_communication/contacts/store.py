"""What is known of contact methods, who has delegated to whom, and what the weekly check found, as rows."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contact import Channel, ContactMethod
from tocsin_communication.contacts.knowledge import Contact
from tocsin_communication.rules.delegation import Delegation

CODE_LASTS = timedelta(hours=1)
MOST_TRIES = 5


@dataclass(frozen=True, slots=True)
class ContactRow:
    """A contact method with what is known of it."""

    name: str
    responder: str
    channel: str
    address: str
    delay: timedelta | None
    confirmed_at: datetime | None
    failing_since: datetime | None
    failing_reason: str | None
    opted_out_at: datetime | None
    last_reached_at: datetime | None
    added_by: str

    def to_domain(self, off: str) -> Contact:
        method = ContactMethod(self.name, self.responder, Channel(self.channel), self.address, self.delay)
        return Contact(
            method,
            self.confirmed_at,
            self.failing_since,
            self.failing_reason or "",
            self.opted_out_at,
            self.last_reached_at,
            off,
            self.added_by,
        )


@dataclass(frozen=True, slots=True)
class DelegationRow:
    """A delegation."""

    id: str
    from_responder: str
    to_responder: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    made_by: str
    ended_at: datetime | None

    def to_domain(self) -> Delegation:
        return Delegation(
            self.id, self.from_responder, self.to_responder, self.starts_at, self.ends_at, self.reason, self.made_by, self.ended_at
        )


@dataclass(frozen=True, slots=True)
class CodeRow:
    """The confirmation that is under way."""

    code_hash: bytes | None
    code_expires_at: datetime | None
    code_tries: int

    def fits(self, code_hash: bytes, now: datetime) -> bool:
        """This is the code, in time, and not one of too many guesses."""
        if self.code_hash is None or self.code_expires_at is None or self.code_tries > MOST_TRIES or now >= self.code_expires_at:
            return False
        return hmac.compare_digest(self.code_hash, code_hash)


@dataclass(frozen=True, slots=True)
class RulesRow:
    """The rules of a responder: packed, set by hand and in files."""

    by_hand: bytes | None
    set_by: str | None
    set_at: datetime | None
    in_files: bytes | None


# Contacts


async def contacts(tx: Tx, responder: str, after: tuple[str, str], limit: int) -> list[ContactRow]:
    """Contact methods after this (responder, name), in that order; an empty responder admits all."""
    return await tx.many(
        ContactRow,
        """SELECT method.name, method.responder, method.channel, method.address, method.delay, known.confirmed_at, known.failing_since,
                  known.failing_reason, known.opted_out_at, reached.at AS last_reached_at, method.added_by
           FROM contact_method AS method
           LEFT JOIN contact_state AS known ON known.contact_method = method.name AND known.address = method.address
           LEFT JOIN LATERAL (
               SELECT coalesce(page.used_at, page.delivered_at) AS at FROM page
               WHERE page.responder = method.responder AND page.contact_method = method.name
                   AND (page.used_at IS NOT NULL OR page.delivered_at IS NOT NULL)
               ORDER BY page.id DESC LIMIT 1
           ) AS reached ON true
           WHERE (%(responder)s = '' OR method.responder = %(responder)s)
               AND (method.responder, method.name) > (%(after_responder)s, %(after_name)s)
           ORDER BY method.responder, method.name LIMIT %(limit)s""",
        {"responder": responder, "after_responder": after[0], "after_name": after[1], "limit": limit},
    )


async def contact(tx: Tx, name: str) -> ContactRow | None:
    """One contact method."""
    return await tx.maybe(
        ContactRow,
        """SELECT method.name, method.responder, method.channel, method.address, method.delay, known.confirmed_at, known.failing_since,
                  known.failing_reason, known.opted_out_at, NULL::timestamptz AS last_reached_at,
                  method.added_by
           FROM contact_method AS method
           LEFT JOIN contact_state AS known ON known.contact_method = method.name AND known.address = method.address
           WHERE method.name = %s""",
        (name,),
    )


async def confirm(tx: Tx, name: str, address: str, at: datetime) -> bool:
    """It reaches its responder at this address. What was held against it is forgotten; False if it was confirmed and good already."""
    return (
        await tx.execute(
            """INSERT INTO contact_state (contact_method, address, confirmed_at) VALUES (%(name)s, %(address)s, %(at)s)
               ON CONFLICT (contact_method) DO UPDATE SET address = excluded.address, confirmed_at = excluded.confirmed_at,
                   failing_since = NULL, failing_reason = '', opted_out_at = NULL, code_hash = NULL, code_expires_at = NULL
               WHERE contact_state.address <> excluded.address OR contact_state.confirmed_at IS NULL
                   OR contact_state.failing_since IS NOT NULL OR contact_state.code_hash IS NOT NULL""",
            {"name": name, "address": address, "at": at},
        )
        > 0
    )


async def expect_code(tx: Tx, name: str, address: str, code_hash: bytes, expires_at: datetime) -> None:
    """A code was sent; an older one is not good any more."""
    await tx.execute(
        """INSERT INTO contact_state (contact_method, address, code_hash, code_expires_at) VALUES (%s, %s, %s, %s)
           ON CONFLICT (contact_method) DO UPDATE SET code_hash = excluded.code_hash, code_expires_at = excluded.code_expires_at,
               code_tries = 0,
               confirmed_at = CASE WHEN contact_state.address = excluded.address THEN contact_state.confirmed_at END,
               address = excluded.address""",
        (name, address, code_hash, expires_at),
    )


async def try_code(tx: Tx, name: str) -> CodeRow | None:
    """Count a try; what it is to be compared with."""
    return await tx.maybe(
        CodeRow,
        """UPDATE contact_state SET code_tries = code_tries + 1 WHERE contact_method = %s
           RETURNING code_hash, code_expires_at, code_tries""",
        (name,),
    )


async def register(tx: Tx, channel: Channel, name: str, address: str, at: datetime) -> bool:
    """Whoever is at this address has the contact method, and pages go there from now on; False if there is none of this channel."""
    if await tx.execute("UPDATE contact_method SET address = %s WHERE name = %s AND channel = %s", (address, name, channel.value)) == 0:
        return False
    await confirm(tx, name, address, at)
    return True


async def note_failing(tx: Tx, name: str, address: str, reason: str, at: datetime) -> bool:
    """A page could not be delivered; True if that is news."""
    return (
        await tx.execute(
            """INSERT INTO contact_state (contact_method, address, failing_since, failing_reason)
               SELECT name, address, %(at)s, %(reason)s FROM contact_method WHERE name = %(name)s AND address = %(address)s
               ON CONFLICT (contact_method) DO UPDATE SET
                   confirmed_at = CASE WHEN contact_state.address = excluded.address THEN contact_state.confirmed_at END,
                   address = excluded.address, failing_since = excluded.failing_since, failing_reason = excluded.failing_reason
               WHERE contact_state.failing_since IS NULL OR contact_state.address <> excluded.address""",
            {"name": name, "address": address, "reason": reason, "at": at},
        )
        > 0
    )


async def healed(tx: Tx) -> list[str]:
    """The failing contact methods by which a page has arrived since; they count as good again."""
    return await tx.values(
        str,
        """UPDATE contact_state SET failing_since = NULL, failing_reason = ''
           FROM contact_method AS method
           WHERE method.name = contact_state.contact_method AND failing_since IS NOT NULL AND EXISTS (
               SELECT FROM page WHERE page.responder = method.responder AND page.contact_method = method.name
                   AND page.state IN ('SENT', 'DELIVERED') AND page.sent_at > contact_state.failing_since
                   AND page.created_at > contact_state.failing_since - interval '1 day'
           ) RETURNING contact_state.contact_method""",
    )


async def opt_out(tx: Tx, channel: Channel, address: str, at: datetime | None) -> list[str]:
    """Whoever is at this address wants no messages from now on, or (None) wants them again; the contact methods for which that is news."""
    return await tx.values(
        str,
        """INSERT INTO contact_state (contact_method, address, opted_out_at)
           SELECT name, address, %(at)s::timestamptz FROM contact_method WHERE channel = %(channel)s AND address = %(address)s
           ON CONFLICT (contact_method) DO UPDATE SET opted_out_at = excluded.opted_out_at, address = excluded.address
           WHERE (contact_state.opted_out_at IS NULL) <> (excluded.opted_out_at IS NULL)
           RETURNING contact_method""",
        {"channel": channel.value, "address": address, "at": at},
    )


async def count_tests(tx: Tx, name: str, responder: str, since: datetime) -> int:
    """How many tests and confirmations went out over a contact method since then."""
    return (
        await tx.value(
            int,
            """SELECT count(*)::int FROM page WHERE responder = %s AND contact_method = %s AND kind IN ('TEST', 'CONFIRMATION')
                   AND created_at > %s""",
            (responder, name, since),
        )
        or 0
    )


# By hand


async def add(tx: Tx, method: ContactMethod, added_by: str) -> bool:
    """Add a contact method by hand; False if there is one of this name."""
    return (
        await tx.execute(
            """INSERT INTO contact_method (name, responder, channel, address, delay, added_by) VALUES (%s, %s, %s, %s, %s, %s)
               ON CONFLICT (name) DO NOTHING""",
            (method.name, method.responder, method.channel.value, method.address, method.delay, added_by),
        )
        > 0
    )


async def remove(tx: Tx, name: str) -> None:
    """Remove one that was added by hand, and what is known of it."""
    await tx.execute(
        """WITH removed AS (DELETE FROM contact_method WHERE name = %s AND added_by <> '' RETURNING name)
           DELETE FROM contact_state USING removed WHERE contact_method = removed.name""",
        (name,),
    )


async def rules(tx: Tx, responder: str) -> RulesRow:
    """The rules of a responder."""
    return await tx.one(
        RulesRow,
        """SELECT by_hand.rules AS by_hand, by_hand.set_by, by_hand.set_at, personal.rules AS in_files
           FROM (SELECT %s::text AS responder) AS asked
           LEFT JOIN rules_by_hand AS by_hand USING (responder) LEFT JOIN personal_rules AS personal USING (responder)""",
        (responder,),
    )


async def set_rules(tx: Tx, responder: str, packed: bytes, set_by: str, at: datetime) -> None:
    """Set rules by hand."""
    await tx.execute(
        """INSERT INTO rules_by_hand (responder, rules, set_by, set_at) VALUES (%s, %s, %s, %s)
           ON CONFLICT (responder) DO UPDATE SET rules = excluded.rules, set_by = excluded.set_by, set_at = excluded.set_at""",
        (responder, packed, set_by, at),
    )


async def reset_rules(tx: Tx, responder: str) -> None:
    """Forget what was set by hand."""
    await tx.execute("DELETE FROM rules_by_hand WHERE responder = %s", (responder,))


# Responders


async def responders(tx: Tx, after: str, limit: int) -> list[str]:
    """Everybody who has a contact method, by name."""
    return await tx.values(
        str, "SELECT DISTINCT responder FROM contact_method WHERE responder > %s ORDER BY responder LIMIT %s", (after, limit)
    )


async def on_duty(tx: Tx, at: datetime) -> set[str]:
    """Who is on call, as far as response said."""
    return set(await tx.values(str, "SELECT responder FROM duty WHERE until > %s", (at,)))


async def note_duty(tx: Tx, responder: str, until: datetime) -> None:
    """Response says that somebody is on call until then."""
    await tx.execute(
        """INSERT INTO duty (responder, until) VALUES (%s, %s)
           ON CONFLICT (responder) DO UPDATE SET until = greatest(duty.until, excluded.until)""",
        (responder, until),
    )


async def check_again(tx: Tx, responders: Sequence[str]) -> None:
    """Their duty begins soon: they are looked at now, not when the week is over."""
    await tx.execute("DELETE FROM reachability WHERE responder = ANY(%s)", (list(responders),))


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What the last check of a responder found."""

    responder: str
    checked_at: datetime
    problem: str


async def checks(tx: Tx, names: Sequence[str]) -> dict[str, CheckRow]:
    """The last checks of these responders."""
    rows = await tx.many(CheckRow, "SELECT responder, checked_at, problem FROM reachability WHERE responder = ANY(%s)", (list(names),))
    return {row.responder: row for row in rows}


async def to_check(tx: Tx, checked_before: datetime, limit: int) -> list[str]:
    """Who has a contact method or is on call, and was not looked at since then."""
    return await tx.values(
        str,
        """SELECT somebody.responder FROM (SELECT responder FROM contact_method UNION SELECT responder FROM duty) AS somebody
           LEFT JOIN reachability ON reachability.responder = somebody.responder
           WHERE reachability.checked_at IS NULL OR reachability.checked_at <= %s ORDER BY somebody.responder LIMIT %s""",
        (checked_before, limit),
    )


async def note_check(tx: Tx, responder: str, at: datetime, problem: str) -> None:
    """Keep what a check found."""
    await tx.execute(
        """INSERT INTO reachability (responder, checked_at, problem) VALUES (%s, %s, %s)
           ON CONFLICT (responder) DO UPDATE SET checked_at = excluded.checked_at, problem = excluded.problem""",
        (responder, at, problem),
    )


# Delegations


async def lock_delegations(tx: Tx) -> None:
    """One change at a time, so that two together cannot close a circle."""
    await tx.execute("LOCK TABLE delegation IN SHARE ROW EXCLUSIVE MODE")


async def delegations_between(tx: Tx, starts_at: datetime, ends_at: datetime) -> list[Delegation]:
    """Those that hold at some instant in this time."""
    rows = await tx.many(
        DelegationRow,
        """SELECT id::text, from_responder, to_responder, starts_at, ends_at, reason, made_by, ended_at FROM delegation
           WHERE starts_at < %s AND least(ends_at, ended_at) > %s""",
        (ends_at, starts_at),
    )
    return [row.to_domain() for row in rows]


async def add_delegation(tx: Tx, new: Delegation) -> None:
    """Keep it."""
    await tx.execute(
        """INSERT INTO delegation (id, from_responder, to_responder, starts_at, ends_at, reason, made_by)
           VALUES (%s::uuid, %s, %s, %s, %s, %s, %s)""",
        (new.id, new.from_responder, new.to_responder, new.starts_at, new.ends_at, new.reason, new.made_by),
    )


async def end_delegation(tx: Tx, delegation_id: str, at: datetime) -> Delegation | None:
    """End it now, if it has not ended; None if there is none."""
    row = await tx.maybe(
        DelegationRow,
        """UPDATE delegation SET ended_at = CASE WHEN ended_at IS NULL AND ends_at > %(at)s THEN %(at)s ELSE ended_at END
           WHERE id = %(id)s::uuid
           RETURNING id::text, from_responder, to_responder, starts_at, ends_at, reason, made_by, ended_at""",
        {"id": delegation_id, "at": at},
    )
    return row.to_domain() if row else None


async def delegations(tx: Tx, responder: str, current_at: datetime | None, before: UUID | None, limit: int) -> list[Delegation]:
    """Newest first; an empty responder admits all, `current_at` only those that are not over then."""
    rows = await tx.many(
        DelegationRow,
        """SELECT id::text, from_responder, to_responder, starts_at, ends_at, reason, made_by, ended_at FROM delegation
           WHERE (%(before)s::uuid IS NULL OR id < %(before)s)
               AND (%(responder)s = '' OR from_responder = %(responder)s OR to_responder = %(responder)s)
               AND (%(at)s::timestamptz IS NULL OR least(ends_at, ended_at) > %(at)s)
           ORDER BY id DESC LIMIT %(limit)s""",
        {"before": before, "responder": responder, "at": current_at, "limit": limit},
    )
    return [row.to_domain() for row in rows]
