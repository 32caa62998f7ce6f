"""What providers tell of: answers, receipts, opt-outs, registrations. Each may come twice, late, or before our own record."""

import asyncio
from datetime import timedelta
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from google.rpc import code_pb2
from prometheus_client import Counter

from tocsin_chassis.grpc.errors import to_status
from tocsin_chassis.postgres import inbox
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication.answers import store
from tocsin_communication.answers.answerer import answerer, refusal
from tocsin_communication.answers.answers import Answers, reply_code
from tocsin_communication.answers.links import fingerprint
from tocsin_communication.answers.spoken import Open, Spoken, Verb, choose, understand
from tocsin_communication.channels.inbound import (
    Acknowledge,
    Delivered,
    Escalate,
    InboundEvent,
    OptOut,
    Registered,
    Resolve,
    Result,
    Said,
    Seen,
    Undelivered,
)
from tocsin_communication.contacts import store as contacts_store
from tocsin_communication.contacts.confirmation import hashed
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import IncidentState
from tocsin_communication.pages.page import Kind, Page, State
from tocsin_communication.sending.receipts import Receipts
from tocsin_kernel.clock import Clock

# A callback may come before the attempt that it is about is recorded.
PATIENCE_SECONDS = (0.1, 0.3, 0.6)
ANSWERABLE_FOR = timedelta(days=7)
MOST_OPEN = 200
# What asking again would not change.
REFUSED = (code_pb2.FAILED_PRECONDITION, code_pb2.NOT_FOUND, code_pb2.INVALID_ARGUMENT)
NOT_UNDERSTOOD = "Not understood. Reply with the number and a: 7a takes #7, 7e passes it on, 7r resolves it."
NO_APPROVAL = "That message asks for no approval; nothing was done."
UNKNOWN = "This message is not known here any more."

answers_total = Counter("tocsin_answers_total", "answers of responders, by channel and what became of them", ["channel", "verb", "done"])

Answer = Acknowledge | Escalate | Resolve
_VERBS = {Acknowledge: Verb.ACKNOWLEDGE, Escalate: Verb.ESCALATE, Resolve: Verb.RESOLVE}


class Events:
    """Does what an event asks for. What a person did wrong is a sentence for them; what we could not do is raised, so that the provider
    comes again."""

    def __init__(self, database: Database, clock: Clock, answers: Answers, receipts: Receipts) -> None:
        self._database = database
        self._clock = clock
        self._answers = answers
        self._receipts = receipts

    async def take(self, channel: Channel, event: InboundEvent) -> Result:
        """One event. Raises Unavailable."""
        match event:
            case Acknowledge() | Escalate() | Resolve():
                return await self._answer(channel, event)
            case Said():
                return await self._said(channel, event)
            case Delivered() | Undelivered() | Seen():
                return await self._receipt(channel, event)
            case OptOut():
                async with self._database.transaction() as tx:
                    await self._receipts.opted_out(tx, channel, event.address, event.again)
                return Result(event, True, "")
            case Registered():
                return await self._registered(channel, event)

    async def _answer(self, channel: Channel, event: Answer) -> Result:
        async with self._database.transaction() as tx:
            page = await self._page_of(tx, channel, event.page_id, event.token)
            by = await store.responders_at(tx, channel, event.address) if event.address else []
        verb = _VERBS[type(event)]
        if page is not None:
            return await self._of_page(channel, event, page, verb, by)
        if event.page_id or event.token or not by:
            return Result(event, False, UNKNOWN)
        spoken = Spoken(verb, (event.reply_code,) if event.reply_code else ())
        found, codes = await self._open(by, spoken)
        meant = choose(spoken, codes)
        if meant.say:
            return Result(event, False, meant.say)
        return await self._do(channel, event, [found[each.page_id] for each in meant.pages], verb, by[0])

    async def _said(self, channel: Channel, event: Said) -> Result:
        spoken = understand(event.text)
        async with self._database.transaction() as tx:
            page = await self._page_of(tx, channel, event.page_id, event.token)
            by = await store.responders_at(tx, channel, event.address)
        if spoken is None:
            return Result(event, False, NOT_UNDERSTOOD if by or page is not None else "")
        if page is not None and not spoken.codes and not spoken.everything:
            if spoken.grants and page.kind is not Kind.APPROVAL:
                return Result(event, False, NO_APPROVAL)
            return await self._of_page(channel, event, page, spoken.verb, by)
        if not by:
            return Result(event, False, UNKNOWN if page is not None else "")
        found, opened = await self._open(by, spoken)
        chosen = choose(spoken, opened)
        if chosen.say:
            return Result(event, False, chosen.say)
        return await self._do(channel, event, [found[each.page_id] for each in chosen.pages], spoken.verb, "")

    async def _of_page(self, channel: Channel, event: Answer | Said, page: Page, verb: Verb, known: list[str]) -> Result:
        """The answer to one page. Whom nobody knows cannot answer in a place that others read too."""
        by = answerer(page, "" if event.token else event.address, known)
        if by is None:
            answers_total.labels(channel.value.lower(), verb.value.lower(), "false").inc()
            return Result(event, False, refusal(channel, event.address, known))
        return await self._do(channel, event, [page], verb, by)

    async def _do(self, channel: Channel, event: InboundEvent, pages: list[Page], verb: Verb, by: str) -> Result:
        """The answer, page by page; the responder of each page gives it unless somebody else is named."""
        said, done = [], True
        for page in pages:
            try:
                said.append((await self._answers.answer(page, verb, by or page.responder)).effect)
            except Exception as error:
                status = to_status(error)
                if status.code not in REFUSED:
                    raise
                done = False
                said.append(f"{status.message[:1].upper()}{status.message[1:]}.")
        answers_total.labels(channel.value.lower(), verb.value.lower(), str(done).lower()).inc()
        return Result(event, done, " ".join(said))

    async def _open(self, responders: list[str], spoken: Spoken) -> tuple[dict[str, Page], list[Open]]:
        """What is open for these responders: one page for each request, by the code that it shows. What is taken can still be resolved.

        Approvals are meant only by their codes, or in words that are for them: nothing is approved by an "ok" to something else.
        """
        resolving = spoken.verb is Verb.RESOLVE
        oldest = str(UUID(int=int((self._clock.now() - ANSWERABLE_FOR).timestamp() * 1000) << 80))
        async with self._database.transaction() as tx:
            pages = await store.asking(tx, responders, oldest, MOST_OPEN, answered=resolving)
            incidents = await incident_store.incidents(tx, list({page.incident_id for page in pages if page.incident_id}))
        opened: dict[str, Open] = {}
        for page in pages:
            incident = incidents.get(page.incident_id)
            if page.kind is Kind.APPROVAL:
                code = reply_code(page, incident)
                if not resolving and (code in spoken.codes or (spoken.grants and not spoken.everything)):
                    opened.setdefault(code, Open(page.id, code, page.subject))
                continue
            if spoken.grants:
                continue
            taken = incident is not None and incident.state is IncidentState.ACKNOWLEDGED
            if incident is None or incident.state is IncidentState.OPEN or (taken and (page.stands or resolving)):
                code = reply_code(page, incident)
                opened.setdefault(code, Open(page.id, code, incident.title if incident else page.subject))
        return {page.id: page for page in pages}, list(opened.values())

    async def _receipt(self, channel: Channel, event: Delivered | Undelivered | Seen) -> Result:
        for wait in (*PATIENCE_SECONDS, 0.0):
            async with self._database.transaction() as tx:
                page = await self._message(tx, channel, event.page_id, event.provider_id)
                if page is not None and page.state is not State.SENDING:
                    await self._once(tx, channel, event, page)
                    return Result(event, True, "")
            await asyncio.sleep(wait)
        # Nobody here sent it, or the record was lost: its lease will find it.
        return Result(event, False, "")

    async def _once(self, tx: Tx, channel: Channel, event: Delivered | Undelivered | Seen, page: Page) -> None:
        async def work() -> Empty:
            match event:
                case Delivered():
                    await self._receipts.delivered(tx, page, event.at)
                case Undelivered():
                    await self._receipts.undelivered(tx, page, event.provider_id, event.why, event.outcome)
                case Seen():
                    await store.mark_seen(tx, page.id, event.at)
            return Empty()

        await inbox.once(tx, f"channel {channel.value.lower()}", event.dedup_id[:200], Empty, work)

    async def _message(self, tx: Tx, channel: Channel, page_id: str, provider_id: str) -> Page | None:
        """The page that a receipt is about, locked. One that tells of an earlier message of the page is not about it any more."""
        page = await store.lock_page(tx, page_id) if _is_id(page_id) else await store.page_of_message(tx, channel, provider_id)
        if page is None or page.channel is not channel:
            return None
        return page

    async def _page_of(self, tx: Tx, channel: Channel, page_id: str, token: str) -> Page | None:
        """The page that an answer names. A provider can vouch for its own messages only; the secret of a link speaks for itself."""
        if token:
            return await store.page_by_link(tx, fingerprint(token))
        page = await store.page(tx, page_id) if _is_id(page_id) else None
        return page if page is not None and page.channel is channel else None

    async def _registered(self, channel: Channel, event: Registered) -> Result:
        name, _, code = event.code.rpartition("_")
        now = self._clock.now()
        async with self._database.transaction() as tx:
            tried = await contacts_store.try_code(tx, name)
            good = tried is not None and tried.fits(hashed(name, code), now)
            good = good and await contacts_store.register(tx, channel, name, event.address, now)
        if not good:
            return Result(event, False, "This code is not good any more; start the confirmation again.")
        return Result(event, True, f"{name} is confirmed: pages for it come here.")


def _is_id(page_id: str) -> bool:
    try:
        UUID(page_id)
    except ValueError:
        return False
    return True
