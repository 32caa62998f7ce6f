"""Starts or proposes the playbooks that the plan of an incident has for a phase, when that phase is entered the first time."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids
from tocsin_response.automation import expressions, wire
from tocsin_response.automation.automations import Automations
from tocsin_response.automation.expressions import Unusable
from tocsin_response.automation.rule import Proposal, State
from tocsin_response.command.plan import Phase, PlannedRun


@dataclass(frozen=True, slots=True)
class PhaseBegun:
    """An incident is in a phase now; `runs` is what its plan has for that. `version` counts the changes of its command."""

    incident: Incident
    plan: str
    plan_version: int
    phase: Phase
    runs: Sequence[PlannedRun]
    version: int


class PlannedRuns:
    """The playbooks of phases: proposals like those of automations, only that they name the plan."""

    def __init__(self, automations: Automations, clock: Clock, ids: Ids) -> None:
        self._automations = automations
        self._clock = clock
        self._ids = ids

    async def entered(self, tx: Tx, begun: PhaseBegun) -> None:
        """A phase was entered: what the plan has for it, once however often, and what automations want."""
        await self.planned(tx, begun)
        await self._automations.on_phase(tx, begun.incident, begun.phase.words, begun.version)

    async def planned(self, tx: Tx, begun: PhaseBegun) -> None:
        """What the plan has for a phase, once for each incident."""
        for run in begun.runs if begun.incident.number >= 0 else ():
            await self._automations.keep(tx, self._proposal(begun, run))

    def _proposal(self, begun: PhaseBegun, run: PlannedRun) -> Proposal:
        why = f"plan {begun.plan} (version {begun.plan_version}): {begun.phase.words} was entered"
        state, variables = State.STARTED if run.starts else State.OPEN, dict[str, str]()
        known = wire.known_to_expressions(begun.incident, None, begun.phase.words)
        try:
            variables = {name: expressions.text(expression, known) for name, expression in run.variables.items()}
        except Unusable as error:
            state, why = State.FAILED, f"{why}; {error}"
        return Proposal(
            id=self._ids.new(),
            automation="",
            automation_version=0,
            incident_id=begun.incident.id,
            fact_id=str(uuid5(NAMESPACE_OID, f"{begun.incident.id}/{begun.plan}/{begun.phase.name}/{run.playbook}")),
            playbook=run.playbook,
            variables=variables,
            state=state,
            reason=why,
            proposed_at=self._clock.now(),
            plan=begun.plan,
            plan_version=begun.plan_version,
            phase=int(begun.phase),
        )
