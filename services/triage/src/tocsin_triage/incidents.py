"""What people do with incidents: declare, take, resolve, reopen, judge, look."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis import paging
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.privacy import note_privacy
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.errors import NotFound
from tocsin_kernel.ids import Ids
from tocsin_triage import store
from tocsin_triage.catalogue import Catalogue
from tocsin_triage.correlation import declared_place
from tocsin_triage.incident import AttachedAlert, Incident, IncidentType, Severity, State, opened
from tocsin_triage.store import Wanted
from tocsin_triage.wire import tell
from tocsin_triage.withholding import withhold

MOST_ALERTS = 500


class IncidentNotFound(NotFound):
    reason = "INCIDENT_NOT_FOUND"
    message = "there is no incident {incident}"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a person knows; `service` may be empty or unknown."""

    title: str
    summary: str
    service: str
    severity: Severity
    declared_by: str
    type: IncidentType = IncidentType.OPERATIONAL
    private: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Involved:
    """Somebody who was summoned, or got a role, and the trace in which that is gone on with."""

    incident_id: str
    responder: str
    reason: str
    traced: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True, slots=True)
class Listing:
    """One page; the token is empty on the last one."""

    incidents: list[Incident]
    next_page_token: str


class Incidents:
    """The commands take the caller's transaction, in which a repeat of the request is recognised; the queries open their own."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids

    async def declare(self, tx: Tx, said: Declaration) -> Incident:
        """Open an incident on a person's word. An unknown service goes to the default one."""
        catalogue = Catalogue({service.name: service for service in await store.services(tx)}, ())
        service, reason = declared_place(said.service, catalogue)
        decision = opened(
            Incident(
                id=self._ids.new(),
                number=await store.next_number(tx, service.name),
                title=said.title,
                summary=said.summary,
                state=State.OPEN,
                severity=said.severity,
                service=service.name,
                group_key=None,
                escalation_policy=service.escalation_policy,
                team=service.team,
                opened_at=self._clock.now(),
                declared_by=said.declared_by,
                placement_reason=f"{reason} Declared by {said.declared_by}.",
                severity_by_person=True,
                type=said.type,
                private=said.private,
                members=tuple(sorted({*said.members, said.declared_by})) if said.private else (),
            )
        )
        await store.insert_incident(tx, decision.state)
        await note_privacy(tx, [decision.state])
        tell(tx, decision.facts)
        name_incident(decision.state.id)
        return decision.state

    async def acknowledge(self, tx: Tx, incident_id: str, by: str) -> Incident:
        """Raises IncidentNotFound, NotAcknowledgeable."""
        return await self._change(tx, incident_id, lambda incident: incident.acknowledge(by, self._clock.now()))

    async def unacknowledge(self, tx: Tx, incident_id: str, by: str, reason: str, at: datetime) -> Incident:
        """Raises IncidentNotFound."""
        return await self._change(tx, incident_id, lambda incident: incident.unacknowledge(by, reason, at))

    async def resolve(self, tx: Tx, incident_id: str, by: str, reason: str) -> Incident:
        """Raises IncidentNotFound."""
        return await self._change(tx, incident_id, lambda incident: incident.resolve(by, reason or f"resolved by {by}", self._clock.now()))

    async def change_severity(self, tx: Tx, incident_id: str, severity: Severity, by: str, reason: str) -> Incident:
        """Raises IncidentNotFound, IsResolved."""
        return await self._change(tx, incident_id, lambda incident: incident.change_severity(severity, by, reason, self._clock.now()))

    async def change_type(self, tx: Tx, incident_id: str, to: IncidentType, by: str, reason: str) -> Incident:
        """Raises IncidentNotFound."""
        return await self._change(tx, incident_id, lambda incident: incident.change_type(to, by, reason, self._clock.now()))

    async def make_private(self, tx: Tx, incident_id: str, members: Iterable[str], by: str, reason: str) -> Incident:
        """Members are those given, the caller, and whoever has to do with it already. Raises IncidentNotFound."""
        incident = await _locked(tx, incident_id)
        at_it = {by, incident.declared_by, incident.acknowledged_by, *members, *await store.involved(tx, incident_id)} - {""}
        after = await _kept(tx, incident, incident.make_private(at_it, by, reason, self._clock.now()))
        if not incident.private:
            withhold(tx, after, await store.alert_ids_of(tx, incident_id))
        return after

    async def make_public(self, tx: Tx, incident_id: str, by: str, reason: str) -> Incident:
        """Raises IncidentNotFound."""
        return await self._change(tx, incident_id, lambda incident: incident.make_public(by, reason, self._clock.now()))

    async def admit(self, tx: Tx, incident_id: str, member: str, by: str, reason: str) -> Incident:
        """Raises IncidentNotFound, NotPrivate."""
        return await self._change(tx, incident_id, lambda incident: incident.admit(member, by, reason, self._clock.now()))

    async def dismiss(self, tx: Tx, incident_id: str, member: str, by: str, reason: str) -> Incident:
        """Raises IncidentNotFound, NotPrivate, LastMember."""
        return await self._change(tx, incident_id, lambda incident: incident.dismiss(member, by, reason, self._clock.now()))

    async def involve(self, tx: Tx, people: Sequence[Involved]) -> None:
        """They may know of the incident now, private or not. Many cost one statement; only in private ones there is more to do."""
        private = await store.note_involved(tx, [(each.incident_id, each.responder) for each in people])
        for each in people:
            if each.incident_id in private:
                with each.traced():
                    await self.admit(tx, each.incident_id, each.responder, "", each.reason)

    async def reopen(self, tx: Tx, incident_id: str, by: str, reason: str) -> Incident:
        """Raises IncidentNotFound, NotReopenable."""
        incident = await _locked(tx, incident_id)
        gathering = incident.group_key and await store.lock_incidents_of_groups(tx, [(incident.service, incident.group_key)])
        decision = incident.reopen(by, reason, self._clock.now(), keeps_group=not gathering)
        return await _kept(tx, incident, decision)

    async def get(self, incident_id: str | None, number: int | None) -> tuple[Incident, list[AttachedAlert]]:
        """One incident by id or number, and its newest alerts. Raises IncidentNotFound."""
        async with self._database.transaction() as tx:
            incident = await store.find_incident(tx, incident_id, number)
            if incident is None:
                raise IncidentNotFound(incident=incident_id or number)
            name_incident(incident.id)
            return incident, await store.alerts_of(tx, incident.id, MOST_ALERTS)

    async def list(self, wanted: Wanted) -> Listing:
        """Newest first."""
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_incidents(tx, wanted)
        return Listing(found, page_token(found[-1]) if len(found) == wanted.limit else "")

    async def _change(self, tx: Tx, incident_id: str, decide: Callable[[Incident], Decision[Incident]]) -> Incident:
        incident = await _locked(tx, incident_id)
        return await _kept(tx, incident, decide(incident))


async def _locked(tx: Tx, incident_id: str) -> Incident:
    incident = await store.lock_incident(tx, incident_id)
    if incident is None:
        raise IncidentNotFound(incident=incident_id)
    name_incident(incident.id)
    return incident


async def _kept(tx: Tx, before: Incident, decision: Decision[Incident]) -> Incident:
    if decision.state != before:
        await store.update_incident(tx, decision.state)
        if (decision.state.private, decision.state.members) != (before.private, before.members):
            await note_privacy(tx, [decision.state])
    tell(tx, decision.facts)
    return decision.state


def page_token(last: Incident) -> str:
    """The token of the page after this incident."""
    return paging.encode(str(last.number))


def page_start(token: str) -> int | None:
    """The number below which a page starts. Raises PageTokenInvalid."""
    if not token:
        return None
    (number,) = paging.decode(token, 1)
    digits = number.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise paging.refused()
    return int(number)
