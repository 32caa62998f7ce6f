"""What runners can take, in the database: claimed with a lease and a fence."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx

LEASES_DUE = "SELECT min(lease_until) FROM assignment WHERE state = 'LEASED'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An assignment as it is made; `work` is the message that a runner gets, without its lease."""

    id: str
    run_id: str
    path: str
    slot: int
    command: str
    target: str
    verb: str
    attempt: int
    idempotency_key: str
    needs: str
    priority: int
    held: bool
    not_before: datetime
    look_first: bool
    work: bytes
    prior_state: bytes | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """An assignment as it is handed out."""

    id: str
    run_id: str
    fence: int
    priority: int
    not_before: datetime
    look_first: bool
    looks: int
    work: bytes
    prior_state: bytes | None
    undo_token: bytes | None


@dataclass(frozen=True, slots=True)
class Renewed:
    """A lease that was renewed."""

    id: str
    fence: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of an assignment, as it is kept."""

    id: str
    fence: int
    outcome: str
    explanation: str
    undo_token: bytes | None
    verified: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where an assignment belongs, and how it stands."""

    id: str
    run_id: str
    path: str
    slot: int
    attempt: int
    state: str
    fence: int
    lease_owner: str
    work: bytes
    prior_state: bytes | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Undoing:
    """What was there before, and what undoing needs."""

    prior_state: bytes | None
    undo_token: bytes | None


@dataclass(frozen=True, slots=True)
class Done:
    """An assignment that was carried out, as undoing it needs it."""

    run_id: str
    command: str
    target: str
    needs: str
    priority: int
    work: bytes
    prior_state: bytes | None
    undo_token: bytes | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """An assignment, for people."""

    id: str
    path: str
    slot: int
    command: str
    target: str
    attempt: int
    idempotency_key: str
    state: str
    fence: int
    lease_owner: str
    lease_until: datetime | None
    prior_state: bytes | None
    undo_token: bytes | None
    verified: bool
    outcome: str
    explanation: str
    looks: int
    not_before: datetime
    needs: str


async def insert(tx: Tx, made: Sequence[Made], now: datetime) -> None:
    """Keep new ones. Those of a paused run are held back."""
    await tx.execute_set(
        """INSERT INTO assignment (id, run_id, path, slot, command, target, verb, attempt, idempotency_key, needs, priority, state,
               not_before, look_first, work, prior_state, made_at)
           SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::integer[], %s::text[], %s::text[], %s::text[], %s::integer[],
               %s::text[], %s::text[], %s::smallint[], %s::text[], %s::timestamptz[], %s::boolean[], %s::bytea[], %s::bytea[],
               %s::timestamptz[])""",
        [
            (
                each.id,
                each.run_id,
                each.path,
                each.slot,
                each.command,
                each.target,
                each.verb,
                each.attempt,
                each.idempotency_key,
                each.needs,
                each.priority,
                "HELD" if each.held else "READY",
                each.not_before,
                each.look_first,
                each.work,
                each.prior_state,
                now,
            )
            for each in made
        ],
    )


async def claim(tx: Tx, owner: str, capabilities: Sequence[str], now: datetime, until: datetime, most: int) -> list[Claimed]:
    """Lease what is ready, the most urgent first; what another process is at is passed over."""
    found = await tx.many(
        Claimed,
        """UPDATE assignment AS a SET state = 'LEASED', fence = a.fence + 1, lease_owner = %s, lease_until = %s
           FROM (SELECT id FROM assignment WHERE state = 'READY' AND not_before <= %s AND needs = ANY(%s)
                 ORDER BY priority, not_before LIMIT %s FOR UPDATE SKIP LOCKED) AS picked
           WHERE a.id = picked.id
           RETURNING a.id::text, a.run_id::text, a.fence, a.priority, a.not_before, a.look_first, a.looks, a.work, a.prior_state,
               a.undo_token""",
        (owner, until, now, ["", *capabilities], most),
    )
    return sorted(found, key=lambda each: (each.priority, each.not_before, each.id))


async def expired(tx: Tx, now: datetime, most: int) -> list[Place]:
    """What runners were at that have not renewed their leases, the longest gone first."""
    return await tx.many(
        Place,
        """SELECT id::text, run_id::text, path, slot, attempt, state, fence, lease_owner, work, prior_state, outcome
           FROM assignment WHERE state = 'LEASED' AND lease_until <= %s ORDER BY lease_until LIMIT %s""",
        (now, most),
    )


async def take_back(tx: Tx, leases: Sequence[tuple[str, int]], now: datetime) -> set[str]:
    """End those of these leases (id, fence) that are over still: nobody knows what came of it. The runs are locked. Returns the ids."""
    taken = await tx.values(
        str,
        """UPDATE assignment AS a SET state = 'DONE', outcome = 'UNKNOWN', explanation = 'runner ' || a.lease_owner || ' is gone',
               lease_until = NULL, ended_at = %s
           FROM unnest(%s::uuid[], %s::bigint[]) AS given (id, fence)
           WHERE a.id = given.id AND a.fence = given.fence AND a.state = 'LEASED' AND a.lease_until <= %s
           RETURNING a.id::text""",
        (now, [lease for lease, _ in leases], [fence for _, fence in leases], now),
    )
    return set(taken)


async def postpone(tx: Tx, leases: Sequence[tuple[str, int, datetime]]) -> None:
    """Give claimed ones (id, fence, not before) back until then."""
    await tx.execute_set(
        """UPDATE assignment AS a SET state = 'READY', lease_until = NULL, not_before = given.not_before
           FROM unnest(%s::uuid[], %s::bigint[], %s::timestamptz[]) AS given (id, fence, not_before)
           WHERE a.id = given.id AND a.fence = given.fence AND a.state = 'LEASED'""",
        leases,
    )


async def renew(tx: Tx, leases: Sequence[tuple[str, int]], now: datetime, until: datetime) -> list[Renewed]:
    """Prolong the leases (id, fence) that are still good."""
    ids, fences = [lease for lease, _ in leases], [fence for _, fence in leases]
    return await tx.many(
        Renewed,
        """UPDATE assignment AS a SET lease_until = %s
           FROM unnest(%s::uuid[], %s::bigint[]) AS given (id, fence)
           WHERE a.id = given.id AND a.fence = given.fence AND a.state = 'LEASED' AND a.lease_until > %s
           RETURNING a.id::text, a.fence""",
        (until, ids, fences, now),
    )


async def give_back(tx: Tx, leases: Sequence[tuple[str, int]], now: datetime) -> None:
    """End these leases (id, fence) now; what is told under them later is refused."""
    await tx.execute(
        """UPDATE assignment AS a SET lease_until = %s
           FROM unnest(%s::uuid[], %s::bigint[]) AS given (id, fence)
           WHERE a.id = given.id AND a.fence = given.fence AND a.state = 'LEASED' AND a.lease_until > %s""",
        (now, [lease for lease, _ in leases], [fence for _, fence in leases], now),
    )


async def keep_prior_state(tx: Tx, assignment_id: str, fence: int, now: datetime, prior_state: bytes) -> bytes | None:
    """Keep what the target was like, unless that is kept already; returns what stands, or None if the lease is another's."""
    return await tx.value(
        bytes,
        """UPDATE assignment SET prior_state = coalesce(prior_state, %s)
           WHERE id = %s AND fence = %s AND state = 'LEASED' AND lease_until > %s RETURNING prior_state""",
        (prior_state, assignment_id, fence, now),
    )


async def places(tx: Tx, ids: Sequence[str]) -> list[Place]:
    """Where these belong."""
    return await tx.many(
        Place,
        """SELECT id::text, run_id::text, path, slot, attempt, state, fence, lease_owner, work, prior_state, outcome
           FROM assignment WHERE id = ANY(%s::uuid[])""",
        (list(ids),),
    )


async def finish(tx: Tx, ended: Sequence[Ended], now: datetime) -> set[str]:
    """Keep what came of those whose lease is the caller's; returns their ids. The runs are locked.

    What was given up while a runner was at it may still be told by it: it may have been done.
    """
    if not ended:
        return set()
    kept = await tx.values(
        str,
        """UPDATE assignment AS a SET state = CASE WHEN a.state = 'LEASED' THEN 'DONE' ELSE a.state END, outcome = given.outcome,
               explanation = given.explanation, verified = given.verified,
               undo_token = coalesce(given.undo_token, a.undo_token), lease_until = NULL, ended_at = %s
           FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::bytea[], %s::boolean[])
               AS given (id, fence, outcome, explanation, undo_token, verified)
           WHERE a.id = given.id AND a.fence = given.fence AND a.state IN ('LEASED', 'CANCELLED') AND a.lease_until > %s
           RETURNING a.id::text""",
        (
            now,
            [each.id for each in ended],
            [each.fence for each in ended],
            [each.outcome for each in ended],
            [each.explanation for each in ended],
            [each.undo_token for each in ended],
            [each.verified for each in ended],
            now,
        ),
    )
    return set(kept)


async def look_again(tx: Tx, again: Sequence[tuple[str, bool, datetime, bool, int]]) -> None:
    """Hand these (id, look first, not before, held, looks) out again; one with looks was taken on, and is only looked at."""
    await tx.execute_set(
        """UPDATE assignment AS a SET state = CASE WHEN given.held THEN 'HELD' ELSE 'READY' END, not_before = given.not_before,
               look_first = given.look_first, looks = given.looks, lease_until = NULL, ended_at = NULL
           FROM unnest(%s::uuid[], %s::boolean[], %s::timestamptz[], %s::boolean[], %s::integer[])
               AS given (id, look_first, not_before, held, looks)
           WHERE a.id = given.id""",
        again,
    )


async def cancel(tx: Tx, given_up: Sequence[tuple[str, str, int, int, str]], now: datetime) -> None:
    """End what is not over, as (run id, path, slot, attempt, why): nobody can take it, and a runner that is at it is told to stop."""
    await tx.execute_set(
        """UPDATE assignment AS a SET state = 'CANCELLED', explanation = given.why, ended_at = given.at
           FROM unnest(%s::uuid[], %s::text[], %s::integer[], %s::integer[], %s::text[], %s::timestamptz[])
               AS given (run_id, path, slot, attempt, why, at)
           WHERE a.run_id = given.run_id AND a.path = given.path AND a.slot = given.slot AND a.attempt = given.attempt
               AND a.state IN ('READY', 'HELD', 'LEASED')""",
        [(*each, now) for each in given_up],
    )


async def kept_for_undo(tx: Tx, run_id: str, path: str, slot: int, attempt: int) -> Undoing | None:
    """What undoing an assignment needs."""
    return await tx.maybe(
        Undoing,
        "SELECT prior_state, undo_token FROM assignment WHERE run_id = %s AND path = %s AND slot = %s AND attempt = %s",
        (run_id, path, slot, attempt),
    )


async def load_done(tx: Tx, assignment_id: str) -> Done | None:
    """One that was carried out; locked for the rest of the transaction, so that it is undone once at a time."""
    return await tx.maybe(
        Done,
        """SELECT run_id::text, command, target, needs, priority, work, prior_state, undo_token FROM assignment
           WHERE id = %s AND verb = 'EXECUTE' AND undo_token IS NOT NULL FOR UPDATE""",
        (assignment_id,),
    )


async def tries(tx: Tx, run_id: str, path: str) -> int:
    """How often something was tried at this path."""
    return await tx.value(int, "SELECT count(*)::integer FROM assignment WHERE run_id = %s AND path = %s", (run_id, path)) or 0


async def is_open(tx: Tx, run_id: str, path: str) -> bool:
    """Whether a runner is at this path, or may take it."""
    return bool(
        await tx.value(
            bool,
            "SELECT EXISTS (SELECT FROM assignment WHERE run_id = %s AND path = %s AND state IN ('READY', 'HELD', 'LEASED'))",
            (run_id, path),
        )
    )


async def hold(tx: Tx, run_id: str, *, held: bool) -> None:
    """Keep back what no runner is at, or let it go."""
    before, after = ("READY", "HELD") if held else ("HELD", "READY")
    await tx.execute("UPDATE assignment SET state = %s WHERE run_id = %s AND state = %s", (after, run_id, before))


async def of_run(tx: Tx, run_id: str) -> list[Assignment]:
    """All of a run, in the order in which they were made."""
    return await tx.many(
        Assignment,
        """SELECT id::text, path, slot, command, target, attempt, idempotency_key, state, fence, lease_owner, lease_until, prior_state,
               undo_token, verified, outcome, explanation, looks, not_before, needs FROM assignment
           WHERE run_id = %s ORDER BY assignment.id""",
        (run_id,),
    )
