"""The pages that an answer or a receipt is about, as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.page import Page
from tocsin_communication.pages.store import SELECT_PAGE, PageRow


async def page(tx: Tx, page_id: str) -> Page | None:
    """One page."""
    row = await tx.maybe(PageRow, SELECT_PAGE + " WHERE id = %s::uuid", (page_id,))
    return row.to_domain() if row else None


async def lock_page(tx: Tx, page_id: str) -> Page | None:
    """One page, locked for the rest of the transaction."""
    row = await tx.maybe(PageRow, SELECT_PAGE + " WHERE id = %s::uuid FOR UPDATE", (page_id,))
    return row.to_domain() if row else None


async def page_of_message(tx: Tx, channel: Channel, provider_id: str) -> Page | None:
    """The page whose message has this name at the provider; e-mail and webhooks are not looked up this way."""
    row = await tx.maybe(
        PageRow,
        SELECT_PAGE + " WHERE provider_id = %s AND provider_id <> '' AND channel NOT IN ('EMAIL', 'WEBHOOK') AND channel = %s LIMIT 1",
        (provider_id, channel.value),
    )
    return row.to_domain() if row else None


async def page_by_link(tx: Tx, token_hash: bytes) -> Page | None:
    """The page whose reply link it is."""
    row = await tx.maybe(PageRow, SELECT_PAGE + " WHERE token_hash = %s", (token_hash,))
    return row.to_domain() if row else None


async def responders_at(tx: Tx, channel: Channel, address: str) -> list[str]:
    """Whose contact methods have this address."""
    return await tx.values(
        str,
        "SELECT DISTINCT responder FROM contact_method WHERE channel = %s AND address = %s ORDER BY responder",
        (channel.value, address),
    )


async def asking(tx: Tx, responders: Sequence[str], oldest: str, limit: int, *, answered: bool = False) -> list[Page]:
    """The pages to these responders, made after the id `oldest` could be, that ask for an answer and have none, newest first; with
    `answered` those that have one too. Approvals whose question is over ask for none."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE
        + """ WHERE responder = ANY(%s) AND id > %s::uuid AND kind IN ('SUMMONS', 'DIRECT', 'APPROVAL')
                AND NOT (kind = 'APPROVAL' AND EXISTS (SELECT FROM question_closed WHERE question_id = page.summons_id))
                AND (used_at IS NULL OR %s)
                AND state IN ('PENDING', 'SENDING', 'SENT', 'DELIVERED') ORDER BY page.id DESC LIMIT %s""",
        (list(responders), oldest, answered, limit),
    )
    return [row.to_domain() for row in rows]


async def lock_waiting_about(tx: Tx, responder: str, incident_id: str) -> list[Page]:
    """The pages to a responder about an incident that wait for an answer and have not left yet, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE
        + """ WHERE incident_id = %s AND responder = %s AND state = 'PENDING' AND kind IN ('SUMMONS', 'DIRECT')
              ORDER BY page.id FOR UPDATE""",
        (incident_id, responder),
    )
    return [row.to_domain() for row in rows]


async def lock_waiting_of(tx: Tx, ask_id: str) -> list[Page]:
    """The pages of one direct request that have not left yet, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + " WHERE ask_id = %s AND kind = 'DIRECT' AND state = 'PENDING' ORDER BY page.id FOR UPDATE",
        (ask_id,),
    )
    return [row.to_domain() for row in rows]


@dataclass(frozen=True, slots=True)
class ClosedRow:
    """How a question ended."""

    question_id: str
    how: str


async def is_asked(tx: Tx, question_id: str, responder: str) -> bool:
    """Whether somebody was asked for an approval."""
    return bool(
        await tx.value(
            bool,
            "SELECT EXISTS (SELECT FROM page WHERE summons_id = %s AND kind = 'APPROVAL' AND responder = %s)",
            (question_id, responder),
        )
    )


async def lock_waiting_asked(tx: Tx, question_id: str, responder: str) -> list[Page]:
    """The pages that seek an approval of one responder and have not left yet, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + " WHERE summons_id = %s AND responder = %s AND kind = 'APPROVAL' AND state = 'PENDING' ORDER BY page.id FOR UPDATE",
        (question_id, responder),
    )
    return [row.to_domain() for row in rows]


async def mark_asked_answered(tx: Tx, question_id: str, responder: str, at: datetime) -> None:
    """Somebody who was asked for an approval has answered, whichever of the pages it was."""
    await tx.execute(
        "UPDATE page SET used_at = %s WHERE summons_id = %s AND responder = %s AND kind = 'APPROVAL' AND used_at IS NULL",
        (at, question_id, responder),
    )


async def close_question(tx: Tx, question_id: str, how: str, at: datetime) -> list[Page]:
    """Keep that a question needs no answer any more; gives the pages about it that have not left yet, locked."""
    await tx.execute(
        "INSERT INTO question_closed (question_id, how, at) VALUES (%s, %s, %s) ON CONFLICT (question_id) DO NOTHING",
        (question_id, how, at),
    )
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + " WHERE summons_id = %s AND kind = 'APPROVAL' AND state = 'PENDING' ORDER BY page.id FOR UPDATE",
        (question_id,),
    )
    return [row.to_domain() for row in rows]


async def hows_closed(tx: Tx, question_ids: Sequence[str]) -> dict[str, str]:
    """How questions ended, by their ids; without those that did not."""
    rows = await tx.many(ClosedRow, "SELECT question_id, how FROM question_closed WHERE question_id = ANY(%s)", (list(question_ids),))
    return {row.question_id: row.how for row in rows}


async def how_closed(tx: Tx, question_id: str) -> str:
    """How a question ended; empty if it did not."""
    return await tx.value(str, "SELECT how FROM question_closed WHERE question_id = %s", (question_id,)) or ""


async def bundled(tx: Tx, bundle_id: str) -> list[Page]:
    """The pages that a bundle tells together."""
    rows = await tx.many(PageRow, SELECT_PAGE + " WHERE bundle_id = %s::uuid ORDER BY page.id", (bundle_id,))
    return [row.to_domain() for row in rows]


async def mark_answered(tx: Tx, page: Page, at: datetime) -> bool:
    """Keep that it is answered; False if it was before."""
    return await tx.execute("UPDATE page SET used_at = %s WHERE id = %s::uuid AND used_at IS NULL", (at, page.id)) > 0


async def mark_others_answered(tx: Tx, page: Page, at: datetime) -> None:
    """An answer to one page of a request answers the others too."""
    if page.incident_id:
        await tx.execute(
            "UPDATE page SET used_at = %s WHERE incident_id = %s AND responder = %s AND ask_id = %s AND used_at IS NULL",
            (at, page.incident_id, page.responder, page.ask_id),
        )
    else:
        await tx.execute("UPDATE page SET used_at = %s WHERE ask_id = %s AND kind = 'DIRECT' AND used_at IS NULL", (at, page.ask_id))


async def mark_seen(tx: Tx, page_id: str, at: datetime) -> None:
    """A person has seen it."""
    await tx.execute("UPDATE page SET seen_at = coalesce(seen_at, %s) WHERE id = %s::uuid", (at, page_id))


async def note_attempt(tx: Tx, page: Page, at: datetime, outcome: str, detail: str) -> None:
    """What the provider said later of the last attempt."""
    await tx.execute(
        """INSERT INTO page_attempt (page_id, number, at, account, outcome, detail, provider_id)
           VALUES (%s::uuid, %s, %s, %s, %s, %s, %s)""",
        (page.id, page.attempts, at, page.account, outcome, detail, page.provider_id),
    )


async def reply_secret(tx: Tx, candidate: str) -> str:
    """The secret that all reply links come from; `candidate` becomes it if there is none yet."""
    found = await tx.value(str, "SELECT secret FROM reply_secret")
    if found is None:
        await tx.execute("INSERT INTO reply_secret (secret) VALUES (%s) ON CONFLICT DO NOTHING", (candidate,))
        found = await tx.value(str, "SELECT secret FROM reply_secret")
    assert found is not None
    return found
