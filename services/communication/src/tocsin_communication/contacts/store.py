"""What is known of contact methods, and what is set by hand, as rows."""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.contacts.knowledge import Contact

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
