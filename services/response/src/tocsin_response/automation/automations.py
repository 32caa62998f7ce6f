"""Looks at facts about incidents, and starts or proposes the playbooks of the automations that they fulfil."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import NAMESPACE_OID, uuid5

from google.protobuf.message import Message
from tocsin.response.v1 import containment_events_pb2 as events
from tocsin.triage.v1.events_pb2 import AlertAttached, IncidentOpened, IncidentReopened, IncidentResolved, SeverityChanged
from tocsin.triage.v1.incident_pb2 import AttachedAlert, Incident

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.paging import decode, encode, page_size
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import DomainError, Unavailable
from tocsin_kernel.ids import Ids
from tocsin_response.automation import expressions, store, wire
from tocsin_response.automation.expressions import Unusable
from tocsin_response.automation.rule import Proposal, ProposalNotFound, Rule, State, Trigger
from tocsin_response.escalation.store import lock_copy
from tocsin_response.glance.store import glance
from tocsin_response.oncall.requests import id_of

log = logging.getLogger(__name__)

TRIGGERS: Mapping[type[Message], Trigger] = {
    IncidentOpened: Trigger.INCIDENT_OPENED,
    IncidentReopened: Trigger.INCIDENT_OPENED,
    SeverityChanged: Trigger.SEVERITY_CHANGED,
    AlertAttached: Trigger.ALERT_ATTACHED,
    IncidentResolved: Trigger.INCIDENT_RESOLVED,
}


class PlaybooksUnavailable(Unavailable):
    reason = "PLAYBOOKS_UNAVAILABLE"
    message = "playbooks cannot be started here"


@dataclass(frozen=True, slots=True)
class RunWish:
    """A playbook to start."""

    playbook: str
    incident_id: str
    variables: Mapping[str, str]
    by: str
    reason: str


class Starter(Protocol):
    """What starts playbooks."""

    async def start_playbook(self, tx: Tx, wish: RunWish) -> str:
        """Returns the run's id. Raises DomainError."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """What happened to an incident; `id` is the fact's."""

    id: str
    trigger: Trigger
    incident: Incident
    alert: AttachedAlert | None = None
    phase: str = ""


class Automations:
    """The automations of the installation. Until `starter` is set nothing is started."""

    def __init__(self, database: Database, clock: Clock, ids: Ids) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self.starter: Starter | None = None

    async def on_fact(self, tx: Tx, fact: Fact[Any]) -> None:
        """A fact of triage. The newest that is known of the incident decides, so what comes late about one that is over starts nothing."""
        if not (await glance(tx, self._clock.now())).automations:
            return
        trigger, incident = TRIGGERS[type(fact.message)], fact.message.incident
        copy = await lock_copy(tx, incident.id)
        newest = Incident.FromString(copy.incident) if copy is not None and copy.version > fact.version else incident
        if newest.state == Incident.STATE_RESOLVED and trigger is not Trigger.INCIDENT_RESOLVED:
            return
        alert = fact.message.alert if isinstance(fact.message, IncidentOpened | AlertAttached) else None
        await self.consider(tx, Seen(str(fact.id), trigger, newest, alert))

    async def on_phase(self, tx: Tx, incident: Incident, phase: str, version: int) -> None:
        """A phase was entered, as the plan's words name it ("containment")."""
        if await tx.read_once("automations", lambda: store.load_automations(tx)):
            fact_id = str(uuid5(NAMESPACE_OID, f"{incident.id}/{phase}/{version}"))
            await self.consider(tx, Seen(fact_id, Trigger.PHASE_ENTERED, incident, phase=phase))

    async def consider(self, tx: Tx, seen: Seen) -> None:
        """Start or propose what its automations want. One that cannot be evaluated is told, and holds up no other."""
        if seen.incident.number < 0:
            return
        definitions = await tx.read_once("automations", lambda: store.load_automations(tx))
        for rule in (wire.rule_of(each) for each in definitions):
            if not rule.disabled and seen.trigger in rule.triggers:
                await self._consider(tx, rule, seen)

    async def _consider(self, tx: Tx, rule: Rule, seen: Seen) -> None:
        known = wire.known_to_expressions(seen.incident, seen.alert, seen.phase)
        try:
            if not expressions.holds(rule.condition, known):
                return
            variables = {name: expressions.text(expression, known) for name, expression in rule.variables.items()}
        except Unusable as error:
            await self.keep(tx, self._proposal(rule, seen, {}, State.FAILED, str(error)))
            return
        why = f"automation {rule.name} (version {rule.version}): {rule.condition or 'always'}"
        await self.keep(tx, self._proposal(rule, seen, variables, State.STARTED if rule.starts else State.OPEN, why))

    async def keep(self, tx: Tx, proposal: Proposal) -> None:
        """Keep and tell it; what starts by itself is started in the same transaction, once for each fact."""
        if not await store.insert_proposal(tx, proposal):
            return
        if proposal.state is State.STARTED:
            proposal = await self._started(tx, proposal)
            await store.save_proposal(tx, proposal)
        message = events.ActionProposed(proposal=wire.proposal_to_proto(proposal))
        tx.emit(message, aggregate=proposal.incident_id, version=0)

    async def _started(self, tx: Tx, proposal: Proposal) -> Proposal:
        try:
            async with tx.savepoint():
                return wire.with_run(proposal, await self._start(tx, proposal, proposal.author))
        except DomainError as error:
            log.warning("%s cannot start playbook %s: %s", proposal.author, proposal.playbook, error)
            return wire.failed(proposal, str(error))

    async def _start(self, tx: Tx, proposal: Proposal, by: str) -> str:
        if self.starter is None:
            raise PlaybooksUnavailable()
        return await self.starter.start_playbook(
            tx, RunWish(proposal.playbook, proposal.incident_id, proposal.variables, by, proposal.reason)
        )

    async def answer(self, proposal_id: str, *, accept: bool, by: str, reason: str) -> Proposal:
        """Accept or decline. Raises ProposalNotFound, ProposalDecided, and what keeps a playbook from starting."""
        async with self._database.transaction() as tx:
            before = await store.load_proposal(tx, proposal_id)
            if before is None:
                raise ProposalNotFound(proposal=proposal_id)
            if accept and before.state is State.ACCEPTED:
                return before
            now = self._clock.now()
            if accept:
                before.require_open()
                decision = before.accept(by, await self._start(tx, before, by), now)
            else:
                decision = before.decline(by, reason, now)
            if decision.facts:
                await store.save_proposal(tx, decision.state)
                message = events.ProposalAnswered(proposal=wire.proposal_to_proto(decision.state))
                tx.emit(message, aggregate=before.incident_id, version=0)
        return decision.state

    async def listed(self, incident_id: str, open_only: bool, size: int, token: str) -> tuple[list[Proposal], str]:
        """A page, newest first, and the token of the next one."""
        limit = page_size(size)
        before = id_of(decode(token, 1)[0]) if token else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_proposals(tx, incident_id or None, open_only, before, limit + 1)
        return found[:limit], encode(found[limit - 1].id) if len(found) > limit else ""

    def _proposal(self, rule: Rule, seen: Seen, variables: Mapping[str, str], state: State, reason: str) -> Proposal:
        return Proposal(
            self._ids.new(),
            rule.name,
            rule.version,
            seen.incident.id,
            seen.id,
            rule.playbook,
            variables,
            state,
            reason,
            self._clock.now(),
        )
