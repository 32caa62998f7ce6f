"""The facts of detection and response, as triage hears them."""

from collections.abc import Sequence
from datetime import UTC
from functools import partial
from itertools import groupby
from typing import Any

from tocsin.detection.v1.alert_pb2 import Asked, Party
from tocsin.detection.v1.events_pb2 import AlertAcknowledged, AlertChanged, AlertOpened, AlertResolved, AlertResponseAsked
from tocsin.response.v1.command_events_pb2 import RoleAssigned
from tocsin.response.v1.events_pb2 import AcknowledgementExpired, ResponderSummoned

from tocsin_chassis.events.consumer import Handlers, Together, handling
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.postgres.database import Tx
from tocsin_triage.incidents import Incidents, Involved
from tocsin_triage.placements import Opening, Placements
from tocsin_triage.wire import alert_of

# Whoever is asked to respond, or has a role, may know of the incident.
INVOLVING = (ResponderSummoned, RoleAssigned)


class AlertFacts:
    """Facts become calls of the use cases."""

    def __init__(self, placements: Placements) -> None:
        self._placements = placements
        self._others: Handlers = {
            AlertChanged: self.on_changed,
            AlertAcknowledged: self.on_changed,
            AlertResolved: self.on_resolved,
            AlertResponseAsked: self.on_asked,
        }

    @property
    def handlers(self) -> Together:
        return Together((AlertOpened, *self._others), self.on_facts, own_trace=False)

    async def on_facts(self, tx: Tx, facts: Sequence[Fact[Any]]) -> None:
        """In their order; openings that follow one another are placed together, so that a flood of them holds up nobody for long."""
        for opening, group in groupby(facts, key=lambda fact: isinstance(fact.message, AlertOpened)):
            if opening:
                await self._on_opened(tx, list(group))
                continue
            for fact in group:
                with handling(fact):
                    await self._others[type(fact.message)](tx, fact)

    async def _on_opened(self, tx: Tx, facts: Sequence[Fact[AlertOpened]]) -> None:
        new = await self._placements.open(tx, [Opening(alert_of(fact.message.alert), partial(handling, fact)) for fact in facts])
        for fact in facts:
            alert = fact.message.alert
            # A team is not a person: routes say what becomes of its alerts.
            asked = [party for party in alert.responders if party.kind != Party.KIND_TEAM]
            if not asked or alert.id not in new:
                continue
            new.discard(alert.id)
            with handling(fact):
                for party in asked:
                    wanted = Asked(how=Asked.HOW_ADD, party=party, by=alert.integration, at=alert.opened_at)
                    await self._placements.ask(tx, alert.id, wanted)

    async def on_asked(self, tx: Tx, fact: Fact[AlertResponseAsked]) -> None:
        await self._placements.ask(tx, fact.message.alert.id, fact.message.asked)

    async def on_changed(self, tx: Tx, fact: Fact[AlertChanged | AlertAcknowledged]) -> None:
        alert = fact.message.alert
        by = fact.message.put_aside_by if isinstance(fact.message, AlertChanged) else ""
        await self._placements.follow(tx, alert_of(alert, put_aside_by=by), alert)

    async def on_resolved(self, tx: Tx, fact: Fact[AlertResolved]) -> None:
        alert = fact.message.alert
        await self._placements.follow(tx, alert_of(alert, fact.message.reason), alert)


class ResponseFacts:
    """What response decided about the incidents of triage."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents

    @property
    def handlers(self) -> Together:
        return Together((AcknowledgementExpired, *INVOLVING), self.on_facts, own_trace=False)

    async def on_facts(self, tx: Tx, facts: Sequence[Fact[Any]]) -> None:
        """In their order; who is involved is noted together where nothing else comes between."""
        for involving, group in groupby(facts, key=lambda fact: isinstance(fact.message, INVOLVING)):
            if involving:
                await self._incidents.involve(tx, [each for fact in group if (each := _involved(fact)).responder])
                continue
            for fact in group:
                with handling(fact):
                    await self.on_expired(tx, fact)

    async def on_expired(self, tx: Tx, fact: Fact[AcknowledgementExpired]) -> None:
        """Somebody took the incident and nothing followed: it waits for somebody again."""
        expired = fact.message
        await self._incidents.unacknowledge(tx, expired.incident_id, expired.acknowledged_by, expired.reason, expired.at.ToDatetime(UTC))


def _involved(fact: Fact[ResponderSummoned | RoleAssigned]) -> Involved:
    """Nobody's name is empty: that of a role that was left, and of a contact that is nobody's own."""
    told, traced = fact.message, partial(handling, fact)
    if isinstance(told, ResponderSummoned):
        return Involved(told.incident.id, told.summons.responder, "was summoned", traced)
    return Involved(told.incident_id, told.holding.responder, f"has the role {told.holding.role}", traced)
