"""Questions of runs: who is asked, and that nobody needs to answer any more."""

from collections.abc import Sequence
from dataclasses import replace

from tocsin_chassis.postgres.database import Tx
from tocsin_communication.answers import store as answers
from tocsin_communication.incidents.incident import Incident
from tocsin_communication.incidents.incidents import Incidents
from tocsin_communication.pages import message
from tocsin_communication.pages.follow_ups import FollowUps
from tocsin_communication.pages.page import Kind, Page
from tocsin_communication.pages.pages import Pages, judged
from tocsin_communication.pages.reach import nowhere, planned_pages, reach_of
from tocsin_communication.pages.telling import tell
from tocsin_communication.rules.personal import Matter
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids


class Questions:
    """Asks responders what a run of a playbook waits for."""

    def __init__(self, clock: Clock, ids: Ids, pages: Pages, incidents: Incidents, follow_ups: FollowUps) -> None:
        self._clock = clock
        self._ids = ids
        self._pages = pages
        self._incidents = incidents
        self._follow_ups = follow_ups

    async def seek(self, tx: Tx, question: message.Question, responders: Sequence[str], heard: Incident | None) -> None:
        """Ask responders what a run waits for, as urgently as for an incident. One who answers is not asked again on other channels."""
        now = self._clock.now()
        incident = await self._incidents.hear(tx, heard) if heard is not None else None
        reaches = await reach_of(tx, list(responders), now)
        kind = Kind.APPROVAL if question.approval else Kind.MANUAL
        pages: list[Page] = []
        for name in responders:
            reach = reaches[name]
            text = message.approval(question, incident.as_told_to(reach.responder) if incident is not None else None)
            matter = Matter(service=incident.service, severity=incident.severity) if incident is not None else Matter()
            ask_id = self._ids.new()
            for planned in planned_pages(reach, matter, now) or [nowhere(reach, now)]:
                made = self._pages.page(
                    kind, planned, text, "; ".join(filter(None, [question.why, reach.why])) or "a run of a playbook asks", incident
                )
                page = replace(made, ask_id=ask_id, summons_id=question.id, delegated_from=reach.delegated_from)
                pages.append(await self._pages.linked(tx, page) if question.approval else page)
        await self._pages.keep(tx, [judged(page, incident) for page in pages])

    async def over(self, tx: Tx, question_id: str, how: str) -> None:
        """Nobody needs to answer any more: what has not left does not leave, links say so, and messages are edited where they can be."""
        for page in await answers.close_question(tx, question_id, how, self._clock.now()):
            await tell(tx, page.cancel(how), self._clock.now())
        await self._follow_ups.decided(tx, question_id)
