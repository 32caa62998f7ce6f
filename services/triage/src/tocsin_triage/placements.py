"""What alerts do to incidents: open one, join one, make it worse, end it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakKeyDictionary

from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage
from tocsin.detection.v1.alert_pb2 import Asked
from tocsin.triage.v1.events_pb2 import ResponseAsked

from tocsin_chassis.postgres.database import Contended, Database, Tx
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.clock import Clock
from tocsin_kernel.decision import Decision
from tocsin_kernel.ids import Ids
from tocsin_triage import store
from tocsin_triage.catalogue import Catalogue
from tocsin_triage.correlation import Alert, place
from tocsin_triage.gathering import Arrival, Group, first_of_groups, gather
from tocsin_triage.incident import AttachedAlert, Incident, State
from tocsin_triage.wire import alert_of, incident_message, tell
from tocsin_triage.withholding import withhold

# The streams forget facts sooner: an opening that has not come by then never will.
EARLY_KEPT = timedelta(days=8)
CHECKS_KEPT = timedelta(hours=1)
RACES = 5
Traced = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Opening:
    """An alert that opened, and the trace in which that is gone on with."""

    alert: Alert
    traced: Traced


class Placements:
    """Places every alert once, whatever the order in which its facts come. Runs inside the consumer's transaction."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._catalogues: WeakKeyDictionary[Tx, Catalogue] = WeakKeyDictionary()

    async def open(self, tx: Tx, openings: Sequence[Opening]) -> set[str]:
        """Alerts opened: each joins the open incident of its group, or opens one. An alert that has its place keeps it.

        One that was put aside is told again when that has ended. Returns which have just got their place. Many cost few statements.
        """
        await store.serialize_alerts(tx, [opening.alert.id for opening in openings])
        heard_of = await store.heard_of(tx, list({opening.alert.id for opening in openings}))
        new: dict[str, Opening] = {}
        again: list[Opening] = []
        for opening in openings:
            known = heard_of.get(opening.alert.id)
            if opening.alert.id in new or (known is not None and known.placed):
                again.append(opening)
            else:
                new[opening.alert.id] = opening
        await self._place(tx, list(new.values()))
        for opening in new.values():
            if opening.alert.id in heard_of:
                with opening.traced():
                    await self._catch_up(tx, opening.alert.id)
        for opening in again:
            with opening.traced():
                await self._take_up(tx, opening.alert)
        return set(new)

    async def ask(self, tx: Tx, alert_id: str, asked: Asked) -> None:
        """Somebody at the sender wants something of those who respond. Nobody does to an alert that woke nobody, or has ended."""
        await store.serialize_alerts(tx, [alert_id])
        placement = await store.placement_of(tx, alert_id)
        incident = await store.lock_incident(tx, placement.incident_id) if placement is not None else None
        if incident is None or incident.state is State.RESOLVED:
            return
        name_incident(incident.id)
        told = ResponseAsked(incident=incident_message(incident), alert_id=alert_id, asked=asked)
        tx.emit(told, aggregate=incident.id, version=incident.version)

    async def follow(self, tx: Tx, alert: Alert, message: AlertMessage) -> None:
        """An alert changed or ended. Heard before its opening, it is remembered until that comes."""
        await store.serialize_alerts(tx, [alert.id])
        if not await self._follow(tx, alert):
            await store.remember_early(tx, alert.id, alert.version, message.SerializeToString(), self._clock.now())

    async def forget_early(self) -> None:
        """Forget what was heard of alerts whose opening never came."""
        async with self._database.transaction() as tx:
            await store.forget_early(tx, self._clock.now() - EARLY_KEPT)

    async def forget_checks(self) -> None:
        """Forget the platform's checks of itself, but for those of the last hour."""
        async with self._database.transaction() as tx:
            await store.forget_checks(tx, self._clock.now() - CHECKS_KEPT)

    async def _place(self, tx: Tx, openings: Sequence[Opening]) -> None:
        """Whose incident another transaction was faster to open: it is there to join now."""
        catalogue = await self._catalogue(tx)
        traces = {opening.alert.id: opening.traced for opening in openings}
        waiting = [self._arrival(opening.alert, catalogue) for opening in openings]
        for _ in range(RACES):
            if not waiting:
                return
            waiting = await self._gather(tx, waiting, traces)
        if waiting:
            raise Contended()

    def _arrival(self, alert: Alert, catalogue: Catalogue) -> Arrival:
        found = place(alert, catalogue)
        attached = AttachedAlert(alert.id, alert.title, True, self._clock.now(), found.reason, alert.source_url, alert.version)
        return Arrival(alert, found, attached)

    async def _gather(self, tx: Tx, arrivals: Sequence[Arrival], traces: Mapping[str, Traced]) -> list[Arrival]:
        """Let alerts join incidents, or open some; returns those for which another transaction was faster."""
        gathering = await store.lock_incidents_of_groups(tx, {arrival.group for arrival in arrivals})
        new = await self._incidents(tx, [first for group, first in first_of_groups(arrivals).items() if group not in gathering])
        decisions = list(zip(arrivals, gather(arrivals, gathering, new), strict=True))
        missed = await self._open_incidents(tx, [each for each in decisions if each[0].group in new])
        await self._join_incidents(tx, [each for each in decisions if each[0].group in gathering])
        for arrival, decision in decisions:
            if decision.state.id not in missed:
                with traces[arrival.alert.id]():
                    name_incident(decision.state.id)
                    tell(tx, decision.facts)
                    withhold(tx, decision.state, [arrival.alert.id])
        return [arrival for arrival, decision in decisions if decision.state.id in missed]

    async def _open_incidents(self, tx: Tx, decisions: Sequence[tuple[Arrival, Decision[Incident]]]) -> set[str]:
        """The ids of those that were not written."""
        if not decisions:
            return set()
        after = {decision.state.id: decision.state for _, decision in decisions}
        attached = [(decision.state.id, arrival.attached) for arrival, decision in decisions]
        return set(after) - await store.insert_gathering(tx, list(after.values()), attached)

    async def _join_incidents(self, tx: Tx, decisions: Sequence[tuple[Arrival, Decision[Incident]]]) -> None:
        after = {decision.state.id: decision.state for _, decision in decisions}
        await store.update_gathering(tx, list(after.values()))
        await store.attach_alerts(tx, [(decision.state.id, arrival.attached) for arrival, decision in decisions])

    async def _incidents(self, tx: Tx, firsts: Sequence[Arrival]) -> dict[Group, Incident]:
        """An incident for each of these alerts, the first of its group."""
        numbers = await store.next_numbers(tx, [arrival.place.service.name for arrival in firsts]) if firsts else []
        return {arrival.group: self._incident(arrival, number) for arrival, number in zip(firsts, numbers, strict=True)}

    def _incident(self, arrival: Arrival, number: int) -> Incident:
        found, service = arrival.place, arrival.place.service
        return Incident(
            id=self._ids.new(),
            number=number,
            title=arrival.alert.title,
            summary=arrival.alert.description,
            state=State.OPEN,
            severity=found.severity,
            service=service.name,
            group_key=found.group_key,
            escalation_policy=service.escalation_policy,
            team=service.team,
            opened_at=arrival.attached.attached_at,
            placement_reason=found.reason,
            type=found.incident_type,
        )

    async def _catch_up(self, tx: Tx, alert_id: str) -> None:
        """What was heard of an alert before its opening counts now."""
        early = await store.take_early(tx, alert_id)
        if early is not None:
            heard = AlertMessage.FromString(early)
            await self._follow(tx, alert_of(heard, put_aside_by=heard.integration if heard.HasField("snoozed_until") else ""))

    async def _follow(self, tx: Tx, alert: Alert) -> bool:
        """False if the alert has no place yet. What is older than what was heard changes nothing."""
        placement = await store.placement_of(tx, alert.id)
        if placement is None:
            return False
        if alert.version <= placement.version:
            return True
        incident = await store.lock_incident(tx, placement.incident_id)
        assert incident is not None
        name_incident(incident.id)
        found = place(alert, await self._catalogue(tx))
        worse = incident.worsen(found.severity, f"the alert “{alert.title}” got worse. {found.severity_reason}", self._clock.now())
        ended = Decision(worse.state)
        if placement.open and not alert.open:
            ended = worse.state.alert_ended(alert.ended_because, self._clock.now())
        elif alert.taken_by:
            ended = worse.state.alert_taken(alert.taken_by, self._clock.now())
        elif alert.put_aside_by:
            ended = worse.state.put_aside(alert.put_aside_by, self._clock.now())
        elif alert.open and not alert.aside:
            ended = worse.state.taken_up("what was put aside is not any more", self._clock.now())
        if ended.state != incident:
            await store.update_incident(tx, ended.state)
        await store.update_alert(tx, alert.id, alert.title, alert.source_url, placement.open and alert.open, alert.version)
        tell(tx, (*worse.facts, *ended.facts))
        return True

    async def _take_up(self, tx: Tx, alert: Alert) -> None:
        placement = await store.placement_of(tx, alert.id)
        if placement is None or not placement.open or alert.version < placement.version:
            return
        incident = await store.lock_incident(tx, placement.incident_id)
        assert incident is not None
        again = incident.taken_up(f"the alert “{alert.title}” was put aside until now", self._clock.now())
        if again.state != incident:
            name_incident(incident.id)
            await store.update_incident(tx, again.state)
            tell(tx, again.facts)

    async def _catalogue(self, tx: Tx) -> Catalogue:
        """The catalogue, read once for each transaction: a batch of alerts shares it."""
        known = self._catalogues.get(tx)
        if known is None:
            services, routes = await store.catalogue(tx)
            known = self._catalogues[tx] = Catalogue({service.name: service for service in services}, routes)
        return known
