"""What criteria look at, gathered from the command itself and from other nouns by their use cases."""

from tocsin_chassis.postgres.database import Tx
from tocsin_response.command import store
from tocsin_response.command.phases import Situation
from tocsin_response.command.plan import Phase
from tocsin_response.command.room import Room
from tocsin_response.command.task import State
from tocsin_response.containment.measure import Measure
from tocsin_response.containment.measure import State as MeasureState
from tocsin_response.containment.measures import Measures
from tocsin_response.evidence.custody import Custody
from tocsin_response.obligation.obligations import Obligations
from tocsin_response.playbook.runs import Runs

SUCCEEDED, UNDER_WAY = "SUCCEEDED", ("RUNNING", "PAUSED")


class Situations:
    """Looks around for one incident, inside the caller's transaction."""

    def __init__(self, measures: Measures, custody: Custody, obligations: Obligations, runs: Runs) -> None:
        self._measures = measures
        self._custody = custody
        self._obligations = obligations
        self._runs = runs

    async def of(self, tx: Tx, room: Room) -> Situation:
        incident_id = room.incident.id
        open_tasks: dict[Phase, tuple[str, ...]] = {}
        for task in await store.tasks_of(tx, incident_id):
            if task.state is State.OPEN:
                open_tasks[task.phase] = (*open_tasks.get(task.phase, ()), task.title)
        runs = await self._runs.of_incident(tx, incident_id)
        measures = await self._measures.of_incident(tx, incident_id)
        return Situation(
            ticked={key for key, row in (await store.ticks(tx, incident_id)).items() if row.ticked},
            answered=set(await store.answers(tx, incident_id)),
            holders={each.role: each.responder for each in await store.holdings(tx, incident_id) if each.until is None},
            open_tasks=open_tasks,
            severity_set_by=room.row.severity_set_by,
            measures=tuple(_said(each) for each in measures if each.state is not MeasureState.LIFTED),
            undecided=tuple(_said(each) for each in measures if each.is_undecided),
            evidence=(await self._custody.gathered(tx, incident_id)).count,
            obligations=tuple(f"{each.regime.name} {each.duty.name}" for each in await self._obligations.running(tx, incident_id)),
            runs=tuple(each.playbook for each in runs if each.state == SUCCEEDED and not each.simulated),
            simulated=tuple(each.playbook for each in runs if each.state == SUCCEEDED and each.simulated),
            running=tuple(each.playbook for each in runs if each.state in UNDER_WAY),
        )


def _said(measure: Measure) -> str:
    return f"{measure.action} {measure.target}"
