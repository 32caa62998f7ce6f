"""The incidents of the demo, each told from outside: one that climbs the policy, one that ends by itself, one that stays open, and
ransomware."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_kernel.clock import Clock
from tocsin_standalone.demo.outsider import Outsider
from tocsin_standalone.demo.security import RANSOMWARE, SecurityIncident
from tocsin_standalone.mailbox import Mail, Mailbox

CHECKOUT = "Checkout fails for one order in ten"
SEARCH = "Search is slow"
DECLARED = "Customers report double charges"
TITLES = (CHECKOUT, SEARCH, DECLARED, RANSOMWARE)
MAIL_SECONDS = 60.0


@dataclass(frozen=True)
class Script:
    """The play and its stage. `pace` is what one second of a pause lasts, in seconds."""

    outsider: Outsider
    mailbox: Mailbox
    clock: Clock
    pace: float = 1.0

    async def still_on_stage(self) -> bool:
        """True if an incident of an earlier performance is still open."""
        return any(incident.title in TITLES for incident in await self.outsider.live_incidents())

    async def play(self) -> None:
        """All of them, side by side."""
        security = SecurityIncident(self.outsider, self.mailbox, self._pause)
        acts = (self.nobody_answers(), self.ends_by_itself(), self.somebody_declares(), security.play())
        # What goes wrong in one does not end the others.
        ended = await asyncio.gather(*acts, return_exceptions=True)
        if failed := [each for each in ended if isinstance(each, Exception)]:
            raise ExceptionGroup("the play", failed)

    async def nobody_answers(self) -> None:
        """An alert; the first person does not answer, the second one uses the link in the mail; then the alert resolves."""
        began = self.clock.now()
        await self.outsider.report("alertmanager", [_checkout_alert(began, began + timedelta(minutes=10))])
        first = await self._page_about(CHECKOUT, began)
        second = await self._page_about(CHECKOUT, began, besides=first)
        await self._pause(3)
        await self.outsider.follow(acknowledge_link(second))
        await self._pause(12)
        await self.outsider.report("alertmanager", [_checkout_alert(began, self.clock.now())])

    async def ends_by_itself(self) -> None:
        """An alert that is over before anybody has to do anything about it."""
        await self._pause(4)
        await self.outsider.report("webhook", _search_alert("firing"))
        await self._pause(20)
        await self.outsider.report("webhook", _search_alert("resolved"))

    async def somebody_declares(self) -> None:
        """A person declares an incident. It is left for the visitor to take."""
        await self._pause(8)
        await self.outsider.declare(DECLARED, "Three tickets within ten minutes, all from card payments.", "checkout")

    async def _page_about(self, title: str, since: datetime, besides: Mail | None = None) -> Mail:
        """The first page with this title since then; to somebody else than `besides` was sent to."""

        def wanted(mail: Mail) -> bool:
            new = mail.received_at >= since and (besides is None or mail.recipients != besides.recipients)
            return new and title in mail.subject and acknowledge_link(mail) != ""

        return await self.mailbox.wait_for(wanted, MAIL_SECONDS)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.pace)


def acknowledge_link(mail: Mail) -> str:
    """The link in a page that takes the incident; empty if it has none."""
    return next((link for link in mail.links if "/a/" in link), "")


def _checkout_alert(starts_at: datetime, ends_at: datetime) -> dict[str, object]:
    return {
        "labels": {"alertname": "CheckoutErrors", "job": "checkout", "severity": "critical", "region": "eu-west"},
        "annotations": {"summary": CHECKOUT, "description": "The payment provider answers every tenth call with an error."},
        "startsAt": starts_at.isoformat(),
        "endsAt": ends_at.isoformat(),
        "generatorURL": "http://prometheus.shop.example/graph",
    }


def _search_alert(status: str) -> dict[str, object]:
    return {
        "title": SEARCH,
        "key": "search-latency",
        "status": status,
        "severity": "warning",
        "description": "The slowest hundredth of the searches takes more than two seconds.",
        "labels": {"job": "search"},
    }
