"""Keeps to the limits of what one responder gets: what is more waits, and is told together."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.contacts.contact import ContactMethod
from tocsin_communication.incidents import store as incident_store
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages import message
from tocsin_communication.pages import store as page_store
from tocsin_communication.pages.delivery import Continue, Stop, verdict
from tocsin_communication.pages.page import LEASE, Kind, Page, State
from tocsin_communication.pages.pages import Pages
from tocsin_communication.pages.telling import tell
from tocsin_communication.rules.limits import UNCOUNTED, Limits, Room, room
from tocsin_communication.rules.personal import Planned, Urgency
from tocsin_communication.rules.sharing import share
from tocsin_communication.rules.tallies import UNLIMITED, Tallies
from tocsin_communication.sending import store
from tocsin_kernel.clock import Clock

# A summons that waited for longer is looked at by what its incident is now, alone.
OLDEST = timedelta(days=2)
MOST_TOGETHER = 500
Sent = dict[str, list[datetime]]


class Bundler:
    """Looks at what responders got before another page leaves."""

    def __init__(self, clock: Clock, pages: Pages, tallies: Tallies) -> None:
        self._clock = clock
        self._pages = pages
        self._tallies = tallies

    async def admit(self, tx: Tx, pages: Sequence[Page]) -> list[Page]:
        """Those of these locked pages that may leave now, alone or as bundles that are made here. The others are postponed."""
        limits = self._tallies.limits
        counted = [page for page in pages if page.kind not in UNLIMITED and limits.limited(page.channel)]
        if not counted:
            return list(pages)
        ids = {page.id for page in counted}
        sent = await self._sent(tx, counted, limits)
        admitted = [page for page in pages if page.id not in ids]
        for (responder, _), group in groupby(sorted(counted, key=_method), key=_method):
            admitted += await self._share(tx, list(group), sent.setdefault(responder, {}), limits)
        return admitted

    async def refreshed(self, tx: Tx, pages: Sequence[Page]) -> list[Page]:
        """These pages; bundles among them say what is still open. One that has nothing left to say is cancelled by the caller: its body
        is empty."""
        bundles = [page.id for page in pages if page.kind is Kind.BUNDLE]
        if not bundles:
            return list(pages)
        members = await store.members(tx, bundles)
        incidents = await incident_store.incidents(tx, list({member.incident_id for member in members}))
        return [_still_open(page, members, incidents) if page.kind is Kind.BUNDLE else page for page in pages]

    async def _sent(self, tx: Tx, pages: Sequence[Page], limits: Limits) -> dict[str, Sent]:
        """By responder and channel, when something went to them."""
        since = self._clock.now() - limits.longest
        rows = await store.sent_to(
            tx, sorted({page.responder for page in pages}), page_store.least_id(since - OLDEST), since, [page.id for page in pages]
        )
        sent: dict[str, Sent] = {}
        for row in rows:
            sent.setdefault(row.responder, {}).setdefault(row.channel, []).append(row.at)
        return sent

    async def _share(self, tx: Tx, pages: list[Page], sent: Sent, limits: Limits) -> list[Page]:
        """What leaves now over one contact method. What is let go counts for the next contact method."""
        now, first = self._clock.now(), pages[0]
        free = _room(first, sent, limits, now)
        if len(pages) > free.free:
            oldest = page_store.least_id(now - OLDEST)
            due = await store.lock_due_of(tx, first.responder, first.contact_method, oldest, now, MOST_TOGETHER)
            known = {page.id for page in pages}
            pages = [*pages, *(page for page in due if page.id not in known)]
        shared = share(pages, free.free)
        if shared.wait:
            until = free.next_at or now + timedelta(seconds=1)
            await store.postpone(
                tx, [page.id for page in shared.wait], until, f"waits: {first.responder} gets {free.why} over this channel"
            )
        leaving = list(shared.alone)
        if shared.together:
            incidents = await incident_store.incidents(tx, list({page.incident_id for page in shared.together}))
            told = [page for page in shared.together if verdict(page, incidents.get(page.incident_id)) == Continue()]
            if told:
                leaving.append(
                    await self._together(tx, told, [incidents[page.incident_id] for page in told if page.incident_id in incidents])
                )
        sent.setdefault(first.channel.value, []).extend([now] * len(leaving))
        return leaving

    async def _together(self, tx: Tx, members: Sequence[Page], incidents: Sequence[Incident]) -> Page:
        """One page that tells several which wait for the same contact method. They end here; the bundle is kept as waiting."""
        first = members[0]
        method = ContactMethod(first.contact_method, first.responder, first.channel, first.address)
        text = message.bundle([incident.as_told_to(first.responder) for incident in incidents])
        reason = f"{len(members)} pages told together: {first.responder} gets no more one by one"
        made = self._pages.page(Kind.BUNDLE, Planned(method, self._clock.now(), ""), text, reason, None)
        urgent = any(member.urgency is Urgency.HIGH for member in members)
        page = await self._pages.linked(tx, replace(made, queue=first.queue, urgency=Urgency.HIGH if urgent else Urgency.LOW))
        await page_store.insert_pages(tx, [page], LEASE)
        for member in members:
            await tell(tx, member.cancel(f"told together with {len(members) - 1} others"), self._clock.now())
        await store.told_together(tx, page.id, [member.id for member in members])
        return page


def _method(page: Page) -> tuple[str, str]:
    return page.responder, page.contact_method


def _room(page: Page, sent: Mapping[str, list[datetime]], limits: Limits, now: datetime) -> Room:
    """The smaller of what the kind of channel and all kinds together leave."""
    own = room(sent.get(page.channel.value, []), limits.of(page.channel), now)
    if page.channel in UNCOUNTED:
        return own
    uncounted = {channel.value for channel in UNCOUNTED}
    everything = sorted(at for channel, times in sent.items() if channel not in uncounted for at in times)
    together = room(everything, limits.of_all, now)
    if own.free or together.free:
        return min(own, together, key=lambda each: each.free)
    return max(own, together, key=lambda each: each.next_at or now)


def _still_open(page: Page, members: Sequence[Page], incidents: Mapping[str, Incident]) -> Page:
    waiting = [replace(member, state=State.PENDING) for member in members if member.bundle_id == page.id]
    asked = [
        incidents[member.incident_id]
        for member in waiting
        if member.incident_id in incidents and not isinstance(verdict(member, incidents[member.incident_id]), Stop)
    ]
    if not asked:
        return replace(page, body="")
    text = message.bundle(list({incident.id: incident for incident in asked}.values()))
    return replace(page, subject=text.subject, body=text.body)
