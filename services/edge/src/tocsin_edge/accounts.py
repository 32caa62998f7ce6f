"""Who may come in: accounts, sign-in links, sessions and API keys."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tocsin.access.v1.access_pb2 import Role

from tocsin_chassis.postgres.database import Database
from tocsin_edge import store
from tocsin_edge.visitor import LINK_LASTS, SESSION_LASTS, Visitor, api_key, hashed, is_api_key, is_plausible
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import AlreadyExists, Invalid, Unauthenticated
from tocsin_kernel.ids import Ids

REMEMBERED = 4096
# How long another process's revocation may go unnoticed here; within this process it works at once.
BELIEVED = timedelta(seconds=3)
ADMIN = "admin"


class SignInLinkInvalid(Unauthenticated):
    reason = "SIGN_IN_LINK_INVALID"
    message = "this sign-in link is unknown, was used already, or is too old; ask for another one"


class CredentialInvalid(Unauthenticated):
    reason = "CREDENTIAL_INVALID"
    message = "the session or API key is unknown, revoked, or at its end; sign in again or use another key"


class ApiKeyExists(AlreadyExists):
    reason = "API_KEY_EXISTS"
    message = "there is an API key named {name} already; revoke it first or choose another name"


@dataclass(frozen=True, slots=True)
class Session:
    """A session that was just made; `token` is its secret."""

    visitor: Visitor
    token: str
    expires_at: datetime


class Accounts:
    """Every secret comes in here once and is stored as a hash. Who was let in is remembered for a few seconds."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._remembered: OrderedDict[bytes, tuple[Visitor, datetime]] = OrderedDict()

    async def register_first_key(self, file: Path) -> None:
        """Register the key in `file` as key `admin`, unless there is one by that name. Raises Invalid for a file without a key."""
        key = file.read_text().strip()
        if not is_api_key(key):
            raise Invalid(field="TOCSIN_BOOTSTRAP_API_KEY_FILE", detail="the file does not hold a key like tocsin_0123abcd.<secret>")
        async with self._database.transaction() as tx:
            await store.save_api_key(tx, ADMIN, hashed(key), Role.ROLE_ADMIN, self._clock.now(), None)

    async def admit(self, secret: str) -> Visitor:
        """Who shows this secret. Raises CredentialInvalid, or Unavailable where nobody knows at present."""
        if not is_plausible(secret):
            raise CredentialInvalid()
        return await self.readmit(hashed(secret))

    async def readmit(self, credential: bytes) -> Visitor:
        """Whose secret has this hash. Raises CredentialInvalid once it is revoked or over."""
        now = self._clock.now()
        remembered = self._remembered.get(credential)
        if remembered is None or not timedelta() <= now - remembered[1] < BELIEVED:
            visitor = await self._look_up(credential, now)
        else:
            visitor = remembered[0]
        if visitor is None or not visitor.admitted(now):
            self._remembered.pop(credential, None)
            raise CredentialInvalid()
        return visitor

    async def _look_up(self, credential: bytes, now: datetime) -> Visitor | None:
        async with self._database.transaction() as tx:
            visitor = await store.visitor_of(tx, credential)
            if visitor is None:
                return None
            if visitor.api_key and visitor.admitted(now):
                await store.touch_api_key(tx, credential, now)
        self._remembered[credential] = (visitor, now)
        self._remembered.move_to_end(credential)
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)
        return visitor

    async def create_link(self, account: str, role: int) -> tuple[str, datetime]:
        """A one-time link's secret and its end, for an account that is made if it does not exist."""
        now, token = self._clock.now(), self._ids.secret()
        async with self._database.transaction() as tx:
            await store.make_account(tx, account, role or Role.ROLE_RESPONDER, now)
            await store.save_link(tx, hashed(token), account, now + LINK_LASTS)
        return token, now + LINK_LASTS

    async def sign_in(self, link: str) -> Session:
        """Turn a link into a session; the link is used up. Raises SignInLinkInvalid."""
        now, token = self._clock.now(), self._ids.secret()
        expires_at = now + SESSION_LASTS
        async with self._database.transaction() as tx:
            account = await store.use_link(tx, hashed(link), now)
            if account is None:
                raise SignInLinkInvalid()
            await store.save_session(tx, hashed(token), account.name, now, expires_at)
        return Session(Visitor(account.name, account.role, False, hashed(token), expires_at), token, expires_at)

    async def sign_out(self, visitor: Visitor | None) -> None:
        """End a session. An API key, or nobody, has none."""
        if visitor is None or visitor.api_key:
            return
        async with self._database.transaction() as tx:
            await store.delete_session(tx, visitor.credential)
        self._remembered.pop(visitor.credential, None)

    async def create_api_key(self, name: str, role: int, expires_at: datetime | None) -> tuple[str, datetime]:
        """A new key, shown this once, and when it was made. Raises ApiKeyExists, or Invalid for an end that is past."""
        now = self._clock.now()
        if expires_at is not None and expires_at <= now:
            raise Invalid(field="api_key.expires_at", detail="must lie in the future")
        key = api_key(self._ids.new().replace("-", "")[-8:], self._ids.secret())
        async with self._database.transaction() as tx:
            if not await store.save_api_key(tx, name, hashed(key), role, now, expires_at):
                raise ApiKeyExists(name=name)
        return key, now

    async def api_keys(self) -> list[store.ApiKeyRow]:
        """All keys by name."""
        async with self._database.transaction() as tx:
            return await store.api_keys(tx)

    async def revoke_api_key(self, name: str) -> None:
        """End a key at once."""
        async with self._database.transaction() as tx:
            await store.delete_api_key(tx, name)
        for credential in [found for found, (visitor, _) in self._remembered.items() if visitor.api_key and visitor.name == name]:
            del self._remembered[credential]

    async def forget_expired(self) -> None:
        """Delete what can no longer be used."""
        async with self._database.transaction() as tx:
            await store.forget_expired(tx, self._clock.now())
