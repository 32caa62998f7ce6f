"""What alerts do to incidents: open one, join one, make it worse, end it."""

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
from tocsin_triage.correlation import Alert, Place, place
from tocsin_triage.incident import AttachedAlert, Incident, State, opened
from tocsin_triage.wire import alert_of, incident_message, tell

# The streams forget facts sooner: an opening that has not come by then never will.
EARLY_KEPT = timedelta(days=8)
CHECKS_KEPT = timedelta(hours=1)
RACES = 5


class Placements:
    """Places every alert once, whatever the order in which its facts come. Runs inside the consumer's transaction."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._catalogues: WeakKeyDictionary[Tx, Catalogue] = WeakKeyDictionary()

    async def open(self, tx: Tx, alert: Alert) -> bool:
        """An alert opened: it joins the open incident of its group, or opens one. An alert that has its place keeps it.

        One that was put aside is told again when that has ended. Returns whether it has just got its place.
        """
        await store.serialize_alert(tx, alert.id)
        heard_of = await store.heard_of(tx, alert.id)
        if heard_of.placed:
            await self._take_up(tx, alert)
            return False
        await self._place(tx, alert)
        early = await store.take_early(tx, alert.id) if heard_of.early else None
        if early is not None:
            heard = AlertMessage.FromString(early)
            await self._follow(tx, alert_of(heard, put_aside_by=heard.integration if heard.HasField("snoozed_until") else ""))
        return True

    async def ask(self, tx: Tx, alert_id: str, asked: Asked) -> None:
        """Somebody at the sender wants something of those who respond. Nobody does to an alert that woke nobody, or has ended."""
        await store.serialize_alert(tx, alert_id)
        placement = await store.placement_of(tx, alert_id)
        incident = await store.lock_incident(tx, placement.incident_id) if placement is not None else None
        if incident is None or incident.state is State.RESOLVED:
            return
        name_incident(incident.id)
        told = ResponseAsked(incident=incident_message(incident), alert_id=alert_id, asked=asked)
        tx.emit(told, aggregate=incident.id, version=incident.version)

    async def follow(self, tx: Tx, alert: Alert, message: AlertMessage) -> None:
        """An alert changed or ended. Heard before its opening, it is remembered until that comes."""
        await store.serialize_alert(tx, alert.id)
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

    async def _place(self, tx: Tx, alert: Alert) -> None:
        found = place(alert, await self._catalogue(tx))
        attached = AttachedAlert(alert.id, alert.title, True, self._clock.now(), found.reason, alert.source_url, alert.version)
        for _ in range(RACES):
            incident = await store.lock_incident_of_group(tx, found.service.name, found.group_key)
            if incident is not None:
                await self._attach(tx, incident, attached, found)
                return
            if await self._open_incident(tx, alert, attached, found):
                return
        raise Contended()

    async def _attach(self, tx: Tx, incident: Incident, attached: AttachedAlert, found: Place) -> None:
        joined = incident.attach(attached)
        worse = joined.state.worsen(found.severity, f"the alert “{attached.title}” is worse. {found.severity_reason}", attached.attached_at)
        await store.update_incident(tx, worse.state)
        await store.attach_alert(tx, incident.id, attached)
        tell(tx, (*joined.facts, *worse.facts))
        name_incident(incident.id)

    async def _open_incident(self, tx: Tx, alert: Alert, attached: AttachedAlert, found: Place) -> bool:
        """False if another transaction was faster: its incident is there to join now."""
        service = found.service
        decision = opened(
            Incident(
                id=self._ids.new(),
                number=await store.next_number(tx, service.name),
                title=alert.title,
                summary=alert.description,
                state=State.OPEN,
                severity=found.severity,
                service=service.name,
                group_key=found.group_key,
                escalation_policy=service.escalation_policy,
                team=service.team,
                opened_at=attached.attached_at,
                placement_reason=found.reason,
                type=found.incident_type,
            ),
            attached,
        )
        if not await store.insert_gathering(tx, decision.state, attached):
            return False
        tell(tx, decision.facts)
        name_incident(decision.state.id)
        return True

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
            services = {service.name: service for service in await store.services(tx)}
            known = self._catalogues[tx] = Catalogue(services, await store.routes(tx))
        return known
