"""Pages that leave, their attempts, and the threads that they hang from, as rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.pages.page import Page
from tocsin_communication.pages.receipt import Thread
from tocsin_communication.pages.store import SELECT_PAGE, PageRow


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What is being sent: by provider, and by queue at a provider; and how many places each of them has."""

    by_provider: Mapping[str, int]
    by_queue: Mapping[tuple[str, str], int]
    each_provider: int
    each_queue: int


@dataclass(frozen=True, slots=True)
class SentRow:
    """When a page went to a responder over a kind of channel, or is just going."""

    responder: str
    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """What an attempt came to."""

    number: int
    at: datetime
    account: str
    outcome: str
    detail: str
    provider_id: str


PAGES_DUE = """SELECT (SELECT min(attempt_at) FROM page WHERE state = 'PENDING') <= %(now)s
    OR (SELECT min(lease_until) FROM page WHERE state = 'SENDING') <= now()"""

OTHER_SENDERS = """SELECT array_agg(DISTINCT sender) FROM page WHERE state = 'SENDING' AND sender NOT IN (0, %(own)s)"""


async def claim(tx: Tx, now: datetime, under_way: UnderWay, most: int) -> list[Page]:
    """Pages whose time has come, or whose attempt was left unfinished, locked. Whoever asks for an answer comes first, then what is
    urgent, then whose turn it is: queues take turns, so that the first page of another service does not wait for a storm to end.

    At most `most`, and no more for one provider, and for one queue at it, than there are places, those `under_way` counted. None while
    paging is stopped.
    """
    rows = await tx.many(
        PageRow,
        SELECT_PAGE  # noqa: S608 - both parts are literals
        + """
            JOIN (
                SELECT waiting.id, rank, turn, low, coalesce(busy.under_way, 0)
                    + row_number() OVER (PARTITION BY waiting.provider ORDER BY rank, low, turn, attempt_at, id) AS place
                FROM (
                    SELECT due.id, due.provider, due.attempt_at, due.rank, due.low, coalesce(held.under_way, 0)
                        + row_number() OVER (PARTITION BY due.provider, due.queue ORDER BY rank, low, attempt_at, id) AS turn
                    FROM (
                        SELECT id, provider, queue, attempt_at, urgency = 'LOW' AS low,
                            CASE WHEN kind IN ('TAKEN', 'RESOLVED') THEN 1 ELSE 0 END AS rank
                        FROM page WHERE state = 'PENDING' AND attempt_at <= %(now)s OR state = 'SENDING' AND lease_until <= now()
                    ) AS due
                    LEFT JOIN unnest(%(queue_providers)s::text[], %(queues)s::text[], %(queue_counts)s::int[])
                        AS held (provider, queue, under_way) ON held.provider = due.provider AND held.queue = due.queue
                ) AS waiting
                LEFT JOIN unnest(%(providers)s::text[], %(counts)s::int[]) AS busy (provider, under_way)
                    ON busy.provider = waiting.provider
                WHERE turn <= %(each_queue)s
            ) AS next ON next.id = page.id
            WHERE place <= %(each)s AND NOT EXISTS (SELECT FROM paging_stop)
                AND (state = 'PENDING' AND attempt_at <= %(now)s OR state = 'SENDING' AND lease_until <= now())
            ORDER BY rank, low, turn, attempt_at, page.id LIMIT %(most)s FOR UPDATE OF page SKIP LOCKED""",
        {
            "providers": list(under_way.by_provider),
            "counts": list(under_way.by_provider.values()),
            "queue_providers": [provider for provider, _ in under_way.by_queue],
            "queues": [queue for _, queue in under_way.by_queue],
            "queue_counts": list(under_way.by_queue.values()),
            "each": under_way.each_provider,
            "each_queue": under_way.each_queue,
            "now": now,
            "most": most,
        },
    )
    return [row.to_domain() for row in rows]


async def begin(tx: Tx, pages: Sequence[Page], lease: timedelta) -> None:
    """Note that these are being handed over. The lease is technical time, by the database's own clock."""
    await tx.execute(
        """UPDATE page SET state = 'SENDING', state_reason = '', attempts = attempts + 1, fence = page.fence + 1, version = version + 1,
               outcome_unknown = begun.unknown, resent_after_unknown = begun.unknown, account = begun.account,
               provider = begun.provider, sender = begun.sender, lease_until = clock_timestamp() + %s
           FROM unnest(%s::uuid[], %s::boolean[], %s::text[], %s::text[], %s::bigint[]) AS begun (id, unknown, account, provider, sender)
           WHERE page.id = begun.id""",
        (lease, *([getattr(page, name) for page in pages] for name in ("id", "outcome_unknown", "account", "provider", "sender"))),
    )


async def end_leases(tx: Tx, senders: Sequence[int]) -> int:
    """What these are sending is anybody's from now on; how many pages that are."""
    return await tx.execute(
        "UPDATE page SET lease_until = clock_timestamp(), sender = 0 WHERE state = 'SENDING' AND sender = ANY(%s::bigint[])",
        (list(senders),),
    )


async def sent_to(tx: Tx, responders: Sequence[str], oldest: str, since: datetime, without: Sequence[str]) -> list[SentRow]:
    """What went to these responders since then or is just going, in the order of time; `oldest` is the least id that such a page can
    have. `without` these pages."""
    return await tx.many(
        SentRow,
        """SELECT responder, channel, coalesce(sent_at, attempt_at) AS at FROM page
           WHERE responder = ANY(%s) AND id > %s::uuid AND (sent_at > %s OR state = 'SENDING') AND channel <> 'NONE'
               AND id <> ALL(%s::uuid[])
           ORDER BY 3""",
        (list(responders), oldest, since, list(without)),
    )


async def lock_due_of(tx: Tx, responder: str, contact_method: str, oldest: str, now: datetime, limit: int) -> list[Page]:
    """The summonses to a responder over one contact method that wait and are due, locked, the oldest first."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE
        + """ WHERE responder = %s AND id > %s::uuid AND contact_method = %s AND kind = 'SUMMONS' AND state = 'PENDING' AND attempt_at <= %s
              ORDER BY page.id LIMIT %s FOR UPDATE SKIP LOCKED""",
        (responder, oldest, contact_method, now, limit),
    )
    return [row.to_domain() for row in rows]


async def postpone(tx: Tx, ids: Sequence[str], until: datetime, reason: str) -> None:
    """These wait until then."""
    await tx.execute(
        "UPDATE page SET attempt_at = %s, state_reason = %s, version = version + 1 WHERE id = ANY(%s::uuid[]) AND state = 'PENDING'",
        (until, reason, list(ids)),
    )


async def told_together(tx: Tx, bundle_id: str, ids: Sequence[str]) -> None:
    """These are told by that bundle."""
    await tx.execute("UPDATE page SET bundle_id = %s::uuid WHERE id = ANY(%s::uuid[])", (bundle_id, list(ids)))


async def members(tx: Tx, bundle_ids: Sequence[str]) -> list[Page]:
    """The pages that these bundles tell together."""
    rows = await tx.many(PageRow, SELECT_PAGE + " WHERE bundle_id = ANY(%s::uuid[]) ORDER BY page.id", (list(bundle_ids),))
    return [row.to_domain() for row in rows]


async def pull_forward(tx: Tx, page: Page, now: datetime) -> int:
    """The next page of the same request to the same responder leaves now; how many did."""
    return await tx.execute(
        """UPDATE page SET attempt_at = %(now)s, state_reason = 'at once: another contact method failed', version = version + 1
           WHERE incident_id = %(incident)s AND responder = %(responder)s AND ask_id = %(ask)s AND state = 'PENDING' AND attempts = 0
               AND urgency = 'HIGH' AND attempt_at = (
                   SELECT min(attempt_at) FROM page WHERE incident_id = %(incident)s AND responder = %(responder)s AND ask_id = %(ask)s
                       AND state = 'PENDING' AND attempts = 0 AND attempt_at > %(now)s)""",
        {"now": now, "incident": page.incident_id, "responder": page.responder, "ask": page.ask_id},
    )


async def lock_unreceipted(tx: Tx, now: datetime, limit: int) -> list[Page]:
    """Pages whose receipt should have come, locked."""
    rows = await tx.many(
        PageRow,
        SELECT_PAGE + """ WHERE receipt_due_at <= %s AND state = 'SENT' ORDER BY receipt_due_at LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, limit),
    )
    return [row.to_domain() for row in rows]


async def receipt_not_awaited(tx: Tx, page_id: str) -> None:
    """No receipt is waited for any more."""
    await tx.execute("UPDATE page SET receipt_due_at = NULL WHERE id = %s::uuid", (page_id,))


async def note_attempts(tx: Tx, attempts: Sequence[tuple[str, int, datetime, str, str, str, str]]) -> None:
    """Keep what attempts came to: (page, number, at, account, outcome, detail, provider's id)."""
    await tx.execute_many(
        """INSERT INTO page_attempt (page_id, number, at, account, outcome, detail, provider_id)
           VALUES (%s::uuid, %s, %s, %s, %s, %s, %s)""",
        list(attempts),
    )


async def attempts_of(tx: Tx, page_id: str) -> list[AttemptRow]:
    """What the attempts of a page came to, the first one first."""
    return await tx.many(
        AttemptRow,
        """SELECT number, at, account, outcome, detail, provider_id FROM page_attempt WHERE page_id = %s::uuid ORDER BY id LIMIT 200""",
        (page_id,),
    )


async def thread(tx: Tx, page: Page) -> str:
    """The message that those about the page's incident hang from at its address; empty if none is known."""
    return (
        await tx.value(
            str,
            "SELECT root FROM thread WHERE incident_id = %s AND channel = %s AND address = %s",
            (page.incident_id, page.channel.value, page.address),
        )
        or ""
    )


async def keep_threads(tx: Tx, begun: Iterable[tuple[Page, Thread]]) -> None:
    """Keep what threads hang from. Of two that began at once the first counts; one that is gone gives way to what came instead of it."""
    await tx.execute_many(
        """INSERT INTO thread (incident_id, channel, address, root) VALUES (%s, %s, %s, %s)
           ON CONFLICT (incident_id, channel, address) DO UPDATE SET root = excluded.root WHERE thread.root = %s""",
        # Always in the same order: two processes that keep the same ones do not wait for each other.
        sorted((page.incident_id, page.channel.value, page.address, thread.root, thread.instead_of) for page, thread in begun),
    )
