"""Puts together everything about playbooks and their runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from tocsin_chassis.postgres.database import Database
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids
from tocsin_response.playbook import reading
from tocsin_response.playbook.addressees import Addressees
from tocsin_response.playbook.api import PlaybookApi
from tocsin_response.playbook.asking import Asking
from tocsin_response.playbook.auditor import Alerts, RunAuditor
from tocsin_response.playbook.book import Book
from tocsin_response.playbook.door import RunnerApi
from tocsin_response.playbook.expiry import Expiry
from tocsin_response.playbook.guard import Guard, NoGuard
from tocsin_response.playbook.incidents import HeardIncidents
from tocsin_response.playbook.keeping import Keeping
from tocsin_response.playbook.leases import Leases
from tocsin_response.playbook.library import Library
from tocsin_response.playbook.moves import Moves
from tocsin_response.playbook.people import IncidentRoles, People
from tocsin_response.playbook.questions import Questions
from tocsin_response.playbook.reports import Effects, Reports
from tocsin_response.playbook.runners import Runners
from tocsin_response.playbook.runs import Runs
from tocsin_response.playbook.stand_ins import StandIns
from tocsin_response.playbook.timers import Timers
from tocsin_response.playbook.undoing import Undoing
from tocsin_response.playbook.wake import Wake


@dataclass(frozen=True, slots=True)
class Playbooks:
    """What the service serves, hears and ticks of playbooks, and what other nouns use."""

    api: PlaybookApi
    door: RunnerApi
    library: Library
    runs: Runs
    questions: Questions
    stand_ins: StandIns
    reports: Reports
    moves: Moves
    leases: Leases
    expiry: Expiry
    timers: Timers
    auditor: RunAuditor
    undoing: Undoing
    runners: Runners
    wake: Wake


def playbooks(
    database: Database,
    clock: Clock,
    ids: Ids,
    alerts: Alerts | None,
    guard: Guard | None = None,
    roles: IncidentRoles | None = None,
    effects: Sequence[Effects] = (),
) -> Playbooks:
    """All of it. `guard` says what may be done, `roles` who holds which role in an incident, `effects` keep account of what was done."""
    book, people, incidents, wake = Book(reading.read), People(roles), HeardIncidents(), Wake(database)
    keeping = Keeping(book)
    asking = Asking(clock, ids, Addressees(clock, people), incidents)
    moves = Moves(clock, ids, book, keeping, asking, wake)
    runners = Runners(database, clock)
    library = Library(clock, book, runners)
    runs = Runs(clock, ids, book, keeping, moves, incidents)
    stand_ins = StandIns(clock)
    questions = Questions(clock, moves, asking, people, stand_ins)
    reports = Reports(database, clock, moves, effects)
    leases = Leases(database, clock, wake, guard or NoGuard(), reports)
    auditor = RunAuditor(database, clock, alerts)
    return Playbooks(
        api=PlaybookApi(database, library, runs, questions, auditor),
        door=RunnerApi(leases, reports, runners),
        library=library,
        runs=runs,
        questions=questions,
        stand_ins=stand_ins,
        reports=reports,
        moves=moves,
        leases=leases,
        expiry=Expiry(database, clock, moves, wake),
        timers=Timers(database, clock, moves),
        auditor=auditor,
        undoing=Undoing(clock, ids, wake),
        runners=runners,
        wake=wake,
    )
