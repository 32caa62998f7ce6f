"""Which message the others about an incident hang from, the same for all processes and after a restart."""

import asyncio
from collections.abc import Iterable

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication.channels.chat import is_url
from tocsin_communication.channels.registry import kind_of
from tocsin_communication.pages.page import Page
from tocsin_communication.pages.receipt import Receipt
from tocsin_communication.sending import store
from tocsin_kernel.errors import DomainError

LOOK_SECONDS = 1.0


class Threads:
    """Looks threads up, and keeps those that begin. Not knowing one costs a thread, never a page."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, page: Page) -> str:
        """What a page is to hang from; empty: nothing, or nobody knows for the moment."""
        kind = kind_of(page.channel)
        if not page.incident_id or kind is None or not kind.threads or is_url(page.address):
            return ""
        try:
            async with asyncio.timeout(LOOK_SECONDS), self._database.transaction() as tx:
                return await store.thread(tx, page)
        except (TimeoutError, DomainError):
            return ""

    @staticmethod
    async def keep(tx: Tx, sent: Iterable[tuple[Page, Receipt]]) -> None:
        """Keep what began with these."""
        begun = [(page, receipt.thread) for page, receipt in sent if receipt.thread is not None]
        if begun:
            await store.keep_threads(tx, begun)
