"""What runs wait for people for, in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tocsin_chassis.postgres.database import Tx
from tocsin_response.playbook.question import Kind, Question, State, Vote

SELECT = """SELECT id::text, run_id::text, coalesce(incident_id::text, '') AS incident_id, playbook, path, step_name, kind, text, roles,
               quorum, requester, requester_counts, out_args, asked_at, expires_at, approved_on_timeout, state, ended_at, explanation,
               version, (SELECT run.simulated FROM run WHERE run.id = question.run_id) AS simulated,
               (SELECT json_agg(json_build_array(v.by, v.approves, v.reason, v.at, v.in_place_of) ORDER BY v.at, v.by)
                FROM question_vote AS v WHERE v.question_id = question.id) AS votes FROM question """


@dataclass(frozen=True, slots=True)
class _QuestionRow:
    id: str
    run_id: str
    incident_id: str
    playbook: str
    path: str
    step_name: str
    kind: str
    text: str
    roles: list[str]
    quorum: int
    requester: str
    requester_counts: bool
    out_args: list[str]
    asked_at: datetime
    expires_at: datetime | None
    approved_on_timeout: bool
    state: str
    ended_at: datetime | None
    explanation: str
    version: int
    simulated: bool
    votes: list[list[Any]] | None

    def to_domain(self) -> Question:
        votes = tuple(Vote(by, approves, reason, datetime.fromisoformat(at), place) for by, approves, reason, at, place in self.votes or ())
        return Question(
            id=self.id,
            run_id=self.run_id,
            incident_id=self.incident_id,
            playbook=self.playbook,
            path=self.path,
            step_name=self.step_name,
            kind=Kind[self.kind],
            text=self.text,
            asked_at=self.asked_at,
            roles=tuple(self.roles),
            quorum=self.quorum,
            requester=self.requester,
            requester_counts=self.requester_counts,
            out_args=tuple(self.out_args),
            expires_at=self.expires_at,
            approved_on_timeout=self.approved_on_timeout,
            state=State[self.state],
            votes=votes,
            ended_at=self.ended_at,
            explanation=self.explanation,
            simulated=self.simulated,
            version=self.version,
        )


async def load(tx: Tx, question_id: str) -> Question | None:
    """One question, as it stands."""
    row = await tx.maybe(_QuestionRow, SELECT + "WHERE id = %s", (question_id,))
    return row.to_domain() if row else None


async def open_of_run(tx: Tx, run_id: str) -> list[Question]:
    """The open ones of a run, which is locked."""
    rows = await tx.many(_QuestionRow, SELECT + "WHERE run_id = %s AND state = 'OPEN' ORDER BY question.id", (run_id,))
    return [row.to_domain() for row in rows]


async def of_run(tx: Tx, run_id: str) -> list[Question]:
    """All of a run, oldest first."""
    return [row.to_domain() for row in await tx.many(_QuestionRow, SELECT + "WHERE run_id = %s ORDER BY question.id", (run_id,))]


async def list_open(tx: Tx, incident_id: str | None, after: str, limit: int) -> list[Question]:
    """A page of the open ones, oldest first; `incident_id` None: of all and of none."""
    rows = await tx.many(
        _QuestionRow,
        SELECT
        + """WHERE state = 'OPEN' AND id > %(after)s AND (%(incident)s::uuid IS NULL OR incident_id = %(incident)s::uuid)
             ORDER BY question.id LIMIT %(limit)s""",
        {"incident": incident_id, "after": after, "limit": limit},
    )
    return [row.to_domain() for row in rows]


async def list_open_for(tx: Tx, names: Sequence[str], incident_id: str | None, after: str, limit: int) -> list[Question]:
    """A page of the open ones that ask nobody in particular, or somebody who is called one of these names."""
    rows = await tx.many(
        _QuestionRow,
        SELECT
        + """WHERE state = 'OPEN' AND id > %(after)s AND (roles = '{}' OR roles && %(names)s::text[])
             AND (%(incident)s::uuid IS NULL OR incident_id = %(incident)s::uuid) ORDER BY question.id LIMIT %(limit)s""",
        {"names": list(names), "incident": incident_id, "after": after, "limit": limit},
    )
    return [row.to_domain() for row in rows]


async def list_all(tx: Tx, incident_id: str | None, after: str, limit: int) -> list[Question]:
    """A page of all, oldest first."""
    rows = await tx.many(
        _QuestionRow,
        SELECT
        + """WHERE id > %(after)s AND (%(incident)s::uuid IS NULL OR incident_id = %(incident)s::uuid)
             ORDER BY question.id LIMIT %(limit)s""",
        {"incident": incident_id, "after": after, "limit": limit},
    )
    return [row.to_domain() for row in rows]


async def insert(tx: Tx, questions: Sequence[Question]) -> None:
    """Keep new ones."""
    await tx.execute_many(
        """INSERT INTO question (id, run_id, incident_id, playbook, path, step_name, kind, text, roles, quorum, requester, requester_counts,
               out_args, asked_at, expires_at, approved_on_timeout, state, explanation, version)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s::text[], %s, %s, %s, %s::text[], %s, %s, %s, %s, %s, %s)""",
        [
            (
                each.id,
                each.run_id,
                each.incident_id or None,
                each.playbook,
                each.path,
                each.step_name,
                each.kind.name,
                each.text,
                list(each.roles),
                each.quorum,
                each.requester,
                each.requester_counts,
                list(each.out_args),
                each.asked_at,
                each.expires_at,
                each.approved_on_timeout,
                each.state.name,
                each.explanation,
                each.version,
            )
            for each in questions
        ],
    )


async def save(tx: Tx, question: Question) -> None:
    """Keep its state and its votes. Its run is locked."""
    await tx.execute(
        "UPDATE question SET state = %s, ended_at = %s, explanation = %s, version = %s WHERE id = %s",
        (question.state.name, question.ended_at, question.explanation, question.version, question.id),
    )
    # What a stand-in said does not count any more once whoever was asked says it themselves.
    await tx.execute(
        "DELETE FROM question_vote WHERE question_id = %s AND NOT by = ANY(%s::text[])",
        (question.id, [vote.by for vote in question.votes]),
    )
    await tx.execute_set(
        """INSERT INTO question_vote (question_id, by, approves, reason, at, in_place_of)
           SELECT * FROM unnest(%s::uuid[], %s::text[], %s::boolean[], %s::text[], %s::timestamptz[], %s::text[])
           ON CONFLICT (question_id, by)
               DO UPDATE SET approves = excluded.approves, reason = excluded.reason, at = excluded.at,
                   in_place_of = excluded.in_place_of""",
        [(question.id, vote.by, vote.approves, vote.reason, vote.at, vote.in_place_of) for vote in question.votes],
    )
