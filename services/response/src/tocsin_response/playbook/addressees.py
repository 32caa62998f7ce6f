"""Whom to tell that a run waits for people, and why them."""

from dataclasses import dataclass

from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_response.command.plan import COMMANDER
from tocsin_response.escalation.on_call import on_call_for
from tocsin_response.playbook.people import People
from tocsin_response.playbook.question import Kind, Question


@dataclass(frozen=True, slots=True)
class Told:
    """Responders by name, and why they are told."""

    responders: tuple[str, ...]
    why: str


class Addressees:
    """A question that names nobody may be answered by anybody; then it is told to whom the incident is anyway."""

    def __init__(self, clock: Clock, people: People) -> None:
        self._clock = clock
        self._people = people

    async def of(self, tx: Tx, question: Question, incident: Incident | None) -> Told:
        """Whoever is asked, but for the one who may not answer; where nobody is named the commander, else who is on call."""
        asked = await self._people.asked(tx, question.incident_id, question.roles)
        if asked is not None:
            return Told(_sorted(question, asked), f"the playbook {question.playbook} asks {', '.join(question.roles)}")
        commander = await self._people.holders(tx, question.incident_id, [COMMANDER]) if question.incident_id else set()
        if found := _sorted(question, commander):
            return Told(found, f"the playbook {question.playbook} names nobody to ask; you command the incident")
        on_call = await on_call_for(tx, incident, self._clock.now())
        members = set(incident.members) if incident is not None and incident.private else None
        names = {each.responder for each in on_call if members is None or each.responder in members}
        why = f"the playbook {question.playbook} names nobody to ask, and nobody else commands the incident; "
        if found := _sorted(question, names):
            whom = {each.responder: each.why for each in on_call}
            return Told(found, why + "; ".join(dict.fromkeys(whom[name] for name in found)))
        return Told(_sorted(question, members or set()), f"{why}you may know of it")


def _sorted(question: Question, names: set[str]) -> tuple[str, ...]:
    """Without whoever started the run, if their own approval does not count."""
    barred = {question.requester} if question.kind is Kind.APPROVAL and not question.requester_counts else set()
    return tuple(sorted(names - barred))
