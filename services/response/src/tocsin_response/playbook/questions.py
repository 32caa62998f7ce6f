"""What people answer to runs: in the console, by the command line, and to a page."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from tocsin.communication.v1.events_pb2 import ReplyReceived

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.paging import decode, encode, page_size, refused
from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Conflict, Forbidden, NotFound
from tocsin_playbook import engine
from tocsin_playbook.run import Answer, Say
from tocsin_response.playbook import question_store
from tocsin_response.playbook.asking import Asking
from tocsin_response.playbook.keeping import Kept
from tocsin_response.playbook.moves import Event, Moves
from tocsin_response.playbook.people import People
from tocsin_response.playbook.question import Question, QuestionNotFound, State, Vote
from tocsin_response.playbook.stand_ins import StandIns

ANSWERS = {"APPROVE": True, "DENY": False}
NO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says about something that was to be done."""

    question_id: str
    by: str
    say: Say
    note: str = ""
    variables: Mapping[str, str | None] = field(default_factory=dict)


class Questions:
    """Takes answers."""

    def __init__(self, clock: Clock, moves: Moves, asking: Asking, people: People, stand_ins: StandIns) -> None:
        self._clock = clock
        self._moves = moves
        self._asking = asking
        self._people = people
        self._stand_ins = stand_ins

    async def vote(self, tx: Tx, question_id: str, by: str, *, approve: bool, reason: str) -> Question:
        """Approve or deny. The same vote again changes nothing.

        Raises QuestionNotFound, QuestionIsManual, QuestionClosed, NotAsked, OwnRun, PlaceTaken.
        """
        question, locked = await self._locked(tx, question_id)
        asked, places = await self._who(tx, question, by)
        voted = question.vote(Vote(by, approve, reason, self._clock.now()), asked, places).state
        if voted == question:
            return question
        await question_store.save(tx, voted)
        answer = Answer(Say.APPROVE if approve else Say.DENY, by, reason, in_place_of=voted.votes[-1].in_place_of)
        await self._go_on(tx, locked, voted, answer)
        return voted

    async def answer(self, tx: Tx, told: Told) -> Question:
        """Say what was done. Raises QuestionNotFound, QuestionIsApproval, QuestionClosed, NotAsked, Invalid."""
        question, locked = await self._locked(tx, told.question_id)
        asked, places = await self._who(tx, question, told.by)
        answered = question.answer(Vote(told.by, told.say is not Say.FAILED, told.note, self._clock.now()), asked, places).state
        await question_store.save(tx, answered)
        await self._go_on(tx, locked, answered, Answer(told.say, told.by, told.note, told.variables))
        return answered

    async def on_reply(self, tx: Tx, fact: Fact[ReplyReceived]) -> None:
        """An answer to a page. What does not count any more, or does not count from them, changes nothing."""
        reply = fact.message
        if not reply.question_id or reply.answer not in ANSWERS:
            return
        try:
            async with tx.savepoint():
                await self.vote(tx, reply.question_id, reply.responder, approve=ANSWERS[reply.answer], reason="")
        except (NotFound, Conflict, Forbidden):
            return

    async def listed(
        self, tx: Tx, for_whom: str | None, incident_id: str, also_closed: bool, size: int, token: str
    ) -> tuple[list[Question], str]:
        """A page of questions, oldest first; `for_whom`: only those that they may answer, as themselves or in somebody's place."""
        limit = page_size(size)
        after = _id(decode(token, 1)[0]) if token else NO_ID
        incident = _id(incident_id) if incident_id else None
        if for_whom is not None:
            whom = [for_whom, *await self._stand_ins.stood_in_for(tx, for_whom)]
            names = [name for each in whom for name in await self._people.names(tx, each)]
            found = await question_store.list_open_for(tx, names, incident, after, limit + 1)
        elif also_closed:
            found = await question_store.list_all(tx, incident, after, limit + 1)
        else:
            found = await question_store.list_open(tx, incident, after, limit + 1)
        return found[:limit], encode(found[limit - 1].id) if len(found) > limit else ""

    async def _who(self, tx: Tx, question: Question, by: str) -> tuple[set[str] | None, set[str]]:
        """Who is asked (None: anybody), and in whose place this one may answer."""
        asked = await self._people.asked(tx, question.incident_id, question.roles)
        return asked, await self._stand_ins.places(tx, by, asked, question.incident_id)

    async def _locked(self, tx: Tx, question_id: str) -> tuple[Question, dict[str, Kept]]:
        """The question, and its run locked, so that it stays as it is."""
        found = await question_store.load(tx, question_id)
        if found is None:
            raise QuestionNotFound(question=question_id)
        locked = await self._moves.lock(tx, [found.run_id])
        return await question_store.load(tx, question_id) or found, locked

    async def _go_on(self, tx: Tx, locked: dict[str, Kept], question: Question, answer: Answer) -> None:
        event = Event(question.run_id, lambda run, now: engine.answered(run, question.path, answer, now))
        moved = await self._moves.apply(tx, locked, [event])
        if question.state is not State.OPEN:
            kept = moved.get(question.run_id) or locked[question.run_id]
            self._asking.tell_answered(tx, question, answer.by, kept.row.version)


def _id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise refused() from None
