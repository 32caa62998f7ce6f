"""Automations and what they proposed, in the database."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_response.automation.rule import Proposal, State


@dataclass(frozen=True, slots=True)
class Definition:
    """The JSON of one automation, and how often it was changed."""

    name: str
    version: int
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _ProposalRow:
    id: str
    automation: str
    automation_version: int
    incident_id: str
    fact_id: str
    playbook: str
    variables: dict[str, str]
    state: str
    reason: str
    proposed_at: datetime
    decided_by: str
    decided_at: datetime | None
    run_id: str
    plan: str
    plan_version: int
    phase: int

    def to_domain(self) -> Proposal:
        return Proposal(
            self.id,
            self.automation,
            self.automation_version,
            self.incident_id,
            self.fact_id,
            self.playbook,
            self.variables,
            State[self.state],
            self.reason,
            self.proposed_at,
            self.decided_by,
            self.decided_at,
            self.run_id,
            self.plan,
            self.plan_version,
            self.phase,
        )


async def load_automations(tx: Tx) -> list[Definition]:
    return await tx.many(Definition, "SELECT name, version, definition FROM automation ORDER BY name")


async def insert_proposal(tx: Tx, proposal: Proposal) -> bool:
    """Keep it; False if the automation, or the plan, has acted on this fact already."""
    return bool(
        await tx.execute(
            """INSERT INTO proposal (id, automation, automation_version, incident_id, fact_id, playbook, variables, state, reason,
                   proposed_at, decided_by, decided_at, run_id, plan, plan_version, phase)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
               ON CONFLICT DO NOTHING""",
            (
                proposal.id,
                proposal.automation,
                proposal.automation_version,
                proposal.incident_id,
                proposal.fact_id,
                proposal.playbook,
                Jsonb(dict(proposal.variables)),
                proposal.state.name,
                proposal.reason,
                proposal.proposed_at,
                proposal.decided_by,
                proposal.decided_at,
                proposal.run_id or None,
                proposal.plan,
                proposal.plan_version,
                proposal.phase,
            ),
        )
    )


async def save_proposal(tx: Tx, proposal: Proposal) -> None:
    await tx.execute(
        "UPDATE proposal SET state = %s, reason = %s, decided_by = %s, decided_at = %s, run_id = %s WHERE id = %s",
        (proposal.state.name, proposal.reason, proposal.decided_by, proposal.decided_at, proposal.run_id or None, proposal.id),
    )


async def load_proposal(tx: Tx, proposal_id: str) -> Proposal | None:
    """Lock the proposal for the rest of the transaction."""
    row = await tx.maybe(
        _ProposalRow,
        """SELECT id::text, automation, automation_version, incident_id::text, fact_id::text, playbook, variables, state, reason,
               proposed_at, decided_by, decided_at, coalesce(run_id::text, '') AS run_id,
               plan, plan_version, phase
           FROM proposal WHERE id = %s FOR UPDATE""",
        (proposal_id,),
    )
    return row.to_domain() if row is not None else None


async def list_proposals(tx: Tx, incident_id: str | None, open_only: bool, before: str | None, limit: int) -> list[Proposal]:
    """Newest first, those of one incident (None: of all), before an id."""
    rows = await tx.many(
        _ProposalRow,
        """SELECT id::text, automation, automation_version, incident_id::text, fact_id::text, playbook, variables, state, reason,
               proposed_at, decided_by, decided_at, coalesce(run_id::text, '') AS run_id,
               plan, plan_version, phase
           FROM proposal
           WHERE (%(incident)s::uuid IS NULL OR incident_id = %(incident)s) AND (%(before)s::uuid IS NULL OR id < %(before)s)
               AND (NOT %(open)s OR state = 'OPEN')
           ORDER BY proposal.id DESC LIMIT %(limit)s""",
        {"incident": incident_id, "before": before, "open": open_only, "limit": limit},
    )
    return [row.to_domain() for row in rows]
