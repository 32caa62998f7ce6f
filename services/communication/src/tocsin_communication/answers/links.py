"""Reply links: derived from the page's id and one secret, so that a page can be sent again with the same link and nobody stores it."""

import base64
import hashlib
import hmac

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication.answers import store
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages.page import Kind, Page
from tocsin_kernel.ids import Ids


def token(secret: str, page_id: str) -> str:
    """The secret part of a page's link."""
    digest = hmac.new(secret.encode(), page_id.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def fingerprint(link_token: str) -> bytes:
    """What is stored of a link."""
    return hashlib.sha256(link_token.encode()).digest()


class Links:
    """Makes the links of pages."""

    def __init__(self, database: Database, ids: Ids, public_url: str) -> None:
        self._database = database
        self._ids = ids
        self._public_url = public_url.rstrip("/")
        self._secret = ""

    async def hash_of(self, tx: Tx, page_id: str) -> bytes:
        """What to store of the link of a new page."""
        secret = self._secret or await store.reply_secret(tx, self._ids.secret())
        return fingerprint(token(secret, page_id))

    async def load(self) -> None:
        """Read the secret, making it at the very first start."""
        if not self._secret:
            async with self._database.transaction() as tx:
                secret = await store.reply_secret(tx, self._ids.secret())
            self._secret = secret

    def acknowledge_url(self, page: Page) -> str:
        """The link in a page; empty for a page that asks for nothing. Needs the secret to be loaded."""
        return f"{self._public_url}/a/{token(self._secret, page.id)}" if page.token_hash is not None else ""

    def escalate_url(self, page: Page) -> str:
        """The link by which a responder passes a summons on, or denies an approval; empty for any other page."""
        passes = page.token_hash is not None and page.kind in (Kind.SUMMONS, Kind.APPROVAL)
        return f"{self.acknowledge_url(page)}/escalate" if passes else ""

    def incident_url(self, page: Page, incident: Incident | None) -> str:
        """Where the console shows the incident; empty if the page is about none."""
        return f"{self._public_url}/incidents/{page.incident_id}" if incident is not None else ""
