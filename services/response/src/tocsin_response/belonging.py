"""What belongs to incidents, by the field that names it in requests: whoever may not know of a private incident finds none of it."""

from collections.abc import Callable
from typing import LiteralString

from tocsin_kernel.errors import NotFound
from tocsin_response.automation.rule import ProposalNotFound
from tocsin_response.containment.measure import MeasureNotFound
from tocsin_response.escalation.by_hand import SummonsNotFound
from tocsin_response.escalation.store import SUMMONS_OF_INCIDENTS
from tocsin_response.evidence.item import EvidenceNotFound
from tocsin_response.obligation.obligation import ObligationNotFound
from tocsin_response.playbook.question import QuestionNotFound
from tocsin_response.playbook.runs import RunNotFound

# Tasks are named together with their incident.
BELONGING: dict[str, tuple[LiteralString, Callable[[str], NotFound]]] = {
    "evidence_id": ("evidence", lambda id: EvidenceNotFound(evidence=id)),
    "parent_id": ("evidence", lambda id: EvidenceNotFound(evidence=id)),
    "obligation_id": ("obligation", lambda id: ObligationNotFound(obligation=id)),
    "measure_id": ("measure", lambda id: MeasureNotFound(measure=id)),
    "proposal_id": ("proposal", lambda id: ProposalNotFound(proposal=id)),
    "run_id": ("run", lambda id: RunNotFound(run=id)),
    "question_id": ("question", lambda id: QuestionNotFound(question=id)),
    "summons_id": (SUMMONS_OF_INCIDENTS, lambda id: SummonsNotFound(summons=id)),
}
