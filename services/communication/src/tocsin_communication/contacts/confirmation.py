"""Proves that contact methods reach their responders: test pages, codes, links."""

import hashlib
from datetime import datetime, timedelta

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.contacts import methods_store, store
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.contacts.knowledge import Contact
from tocsin_communication.pages import message
from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.pages.pages import Pages
from tocsin_communication.pages.reach import Unreachable
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict, Invalid, NotFound, Overloaded
from tocsin_kernel.ids import Ids

MOST_TESTS = 10
TESTS_WITHIN = timedelta(hours=1)
DIGITS = 6


class ContactMethodNotFound(NotFound):
    reason = "CONTACT_METHOD_NOT_FOUND"
    message = "there is no contact method {name}"


class TestedTooOften(Overloaded):
    reason = "TESTED_TOO_OFTEN"
    message = "{name} was tested ten times within an hour; try again later"


class WrongCode(Conflict):
    reason = "WRONG_CODE"
    message = "this code does not confirm {name}: it is wrong, too old, or was tried too often; start the confirmation again"


class Confirmation:
    """Sends tests and codes, and takes codes back."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, pages: Pages, channels: Channels) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._pages = pages
        self._channels = channels

    async def test(self, tx: Tx, responder: str, name: str, by: str) -> list[Page]:
        """Send a test over one contact method, or all of a responder. Raises Unreachable, ContactMethodNotFound, TestedTooOften."""
        if name:
            methods = [await self._method(tx, name)]
        elif responder:
            methods = await methods_store.methods_of(tx, responder)
        else:
            raise Invalid(field="responder", detail="name a responder or a contact method")
        if not methods:
            raise Unreachable(responder=responder)
        return [await self._alone(tx, Kind.TEST, method, message.test(method.name), f"test asked for by {by}") for method in methods]

    async def start(self, tx: Tx, name: str, by: str) -> tuple[Page, datetime]:
        """Send a code over a contact method; the page, and until when the code is good. Raises as `test`."""
        method = await self._method(tx, name)
        code = f"{int(hashlib.sha256(self._ids.secret().encode()).hexdigest(), 16) % 10**DIGITS:0{DIGITS}}"
        until = self._clock.now() + store.CODE_LASTS
        await store.expect_code(tx, name, method.address, hashed(name, code), until)
        page = await self._alone(tx, Kind.CONFIRMATION, method, message.confirmation(name, code), f"confirmation asked for by {by}")
        return page, until

    async def confirm(self, name: str, code: str) -> Contact:
        """Take a code. Tries count though they fail. Raises ContactMethodNotFound, WrongCode."""
        now = self._clock.now()
        async with self._database.transaction() as tx:
            known = await self._known(tx, name)
            if known.proven:
                return known
            tried = await store.try_code(tx, name)
        if tried is None or not tried.fits(hashed(name, "".join(code.split())), now):
            raise WrongCode(name=name)
        async with self._database.transaction() as tx:
            await store.confirm(tx, name, known.method.address, now)
            return await self._known(tx, name)

    async def _alone(self, tx: Tx, kind: Kind, method: ContactMethod, text: message.Text, reason: str) -> Page:
        if await store.count_tests(tx, method.name, method.responder, self._clock.now() - TESTS_WITHIN) >= MOST_TESTS:
            raise TestedTooOften(name=method.name)
        return await self._pages.alone(tx, kind, method, text, reason)

    async def _method(self, tx: Tx, name: str) -> ContactMethod:
        method = await methods_store.method(tx, name)
        if method is None:
            raise ContactMethodNotFound(name=name)
        return method

    async def _known(self, tx: Tx, name: str) -> Contact:
        row = await store.contact(tx, name)
        if row is None:
            raise ContactMethodNotFound(name=name)
        return row.to_domain(self._channels.off(Channel(row.channel)))


def hashed(name: str, code: str) -> bytes:
    """What is stored of a code."""
    return hashlib.sha256(f"{name}:{code}".encode()).digest()
