"""The composition root of response."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tocsin.communication.v1.events_pb2 import DelegationEnded, DelegationMade, ReachabilityChecked, ReplyReceived
from tocsin.response.v1 import oncall_service_pb2
from tocsin.response.v1.command_service_pb2 import DESCRIPTOR as COMMAND
from tocsin.response.v1.command_service_pb2_grpc import add_CommandServiceServicer_to_server
from tocsin.response.v1.containment_service_pb2 import DESCRIPTOR as CONTAINMENT
from tocsin.response.v1.containment_service_pb2_grpc import add_ContainmentServiceServicer_to_server
from tocsin.response.v1.escalation_service_pb2 import DESCRIPTOR as ESCALATION
from tocsin.response.v1.escalation_service_pb2_grpc import add_EscalationServiceServicer_to_server
from tocsin.response.v1.evidence_service_pb2 import DESCRIPTOR as EVIDENCE
from tocsin.response.v1.evidence_service_pb2_grpc import add_EvidenceServiceServicer_to_server
from tocsin.response.v1.obligation_service_pb2 import DESCRIPTOR as OBLIGATION
from tocsin.response.v1.obligation_service_pb2_grpc import add_ObligationServiceServicer_to_server
from tocsin.response.v1.oncall_service_pb2_grpc import add_OncallServiceServicer_to_server
from tocsin.response.v1.playbook_service_pb2 import DESCRIPTOR as PLAYBOOK
from tocsin.response.v1.playbook_service_pb2_grpc import add_PlaybookServiceServicer_to_server
from tocsin.response.v1.response_service_pb2 import DESCRIPTOR
from tocsin.response.v1.response_service_pb2_grpc import add_ResponseServiceServicer_to_server
from tocsin.response.v1.runner_service_pb2 import DESCRIPTOR as RUNNER
from tocsin.response.v1.runner_service_pb2_grpc import add_RunnerServiceServicer_to_server
from tocsin.triage.v1.events_pb2 import (
    AlertAttached,
    IncidentAcknowledged,
    IncidentOpened,
    IncidentReopened,
    IncidentResolved,
    IncidentUnacknowledged,
    PrivacyChanged,
    ResponseAsked,
    SeverityChanged,
    TypeChanged,
)

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_chassis.events.fact import Fact
from tocsin_chassis.outgoing import outgoing
from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_response.actions.platform import detection, triage
from tocsin_response.api import ResponseApi
from tocsin_response.automation.automations import Automations
from tocsin_response.automation.planned import PlannedRuns
from tocsin_response.belonging import BELONGING
from tocsin_response.blocklist.blocklists import BlockLists
from tocsin_response.blocklist.store import ENTRIES_DUE
from tocsin_response.command.api import Command, CommandApi
from tocsin_response.command.holders import RoleHolders
from tocsin_response.command.looking import Looking
from tocsin_response.command.moves import Moves
from tocsin_response.command.plans import Plans
from tocsin_response.command.records import Records
from tocsin_response.command.room import Rooms
from tocsin_response.command.situation import Situations
from tocsin_response.command.store import TASKS_DUE, UPDATES_DUE
from tocsin_response.command.tasks import Tasks
from tocsin_response.command.view import Views
from tocsin_response.configuration.configurations import Configurations
from tocsin_response.containment.api import ContainmentApi
from tocsin_response.containment.concerned import ConcernedByMeasures
from tocsin_response.containment.measures import Measures
from tocsin_response.containment.store import AWAITED_DUE, LOOKS_DUE, MEASURES_DUE
from tocsin_response.escalation.acknowledgements import Acknowledgements
from tocsin_response.escalation.api import EscalationApi
from tocsin_response.escalation.asked import AskedBySenders
from tocsin_response.escalation.audit_command import AUDIT
from tocsin_response.escalation.auditor import Auditor
from tocsin_response.escalation.by_hand import ByHand
from tocsin_response.escalation.escalations import Escalations
from tocsin_response.escalation.own_checks import Checks
from tocsin_response.escalation.replies import Replies
from tocsin_response.escalation.simulations import Simulations
from tocsin_response.escalation.store import STEPS_DUE
from tocsin_response.escalation.timer_store import ACKNOWLEDGEMENTS_DUE
from tocsin_response.evidence.api import EvidenceApi
from tocsin_response.evidence.custody import Custody
from tocsin_response.evidence.heads import Heads
from tocsin_response.evidence.spool import Spool
from tocsin_response.evidence.stores import store_of
from tocsin_response.evidence.verification import Verification
from tocsin_response.gap.reports import GapReports
from tocsin_response.guard.guards import Guards
from tocsin_response.obligation.api import ObligationApi
from tocsin_response.obligation.obligations import Obligations
from tocsin_response.obligation.store import REMINDERS_DUE
from tocsin_response.oncall.api import OncallApi
from tocsin_response.oncall.feeds import Feeds
from tocsin_response.oncall.fetching import Fetching
from tocsin_response.oncall.oncall import Oncall
from tocsin_response.oncall.outlook import Outlook
from tocsin_response.oncall.requests import Requests
from tocsin_response.oncall.watch import DutyWatch
from tocsin_response.playbook.assignment_store import LEASES_DUE
from tocsin_response.playbook.audit_command import AUDIT_RUNS
from tocsin_response.playbook.compose import playbooks
from tocsin_response.playbook.containing import Evidence, Ledger, Lifting, Rails, Starting, Unseen
from tocsin_response.playbook.incidents import HeardIncidents
from tocsin_response.playbook.run_store import TIMERS_DUE
from tocsin_response.recovery.store import REOPENINGS_DUE
from tocsin_response.recovery.watching import RecoveryWatching
from tocsin_response.settings import ResponseSettings

STEP_SECONDS = 0.25
REPORT_SECONDS = 0.5
EXPIRY_SECONDS = 1.0
HOUR_SECONDS = 3600.0
AUDIT_SECONDS = 60.0
RUN_SECONDS = 0.25
LEASE_SECONDS = 0.5
DUTY_SECONDS = 1.0
CALENDAR_SECONDS = 5.0
HEAD_SECONDS = 5.0
ARRIVING = ".arriving"


@asynccontextmanager
async def response(settings: ResponseSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed and not yet running."""
    async with (
        foundation("response", settings, clock) as base,
        outgoing(hosts(settings.calendar_hosts), settings.outgoing_ca_file) as outside,
        detection(settings.detection_address, base.identity) as alerts,
        triage(settings.triage_address, base.identity) as incidents,
    ):
        oncall = Oncall(base.database, base.clock, base.ids)
        acknowledgements = Acknowledgements(base.database, base.clock)
        escalations = Escalations(base.database, base.clock, base.ids, acknowledgements)
        auditor = Auditor(base.database, base.clock, base.ids, alerts)
        by_hand = ByHand(base.clock, base.ids, acknowledgements)
        escalation_api = EscalationApi(base.database, by_hand, Simulations(base.database, base.clock), auditor)
        guards = Guards(base.database, base.clock)
        measures = Measures(base.database, base.clock, base.ids)
        automations = Automations(base.database, base.clock, base.ids)
        watching = RecoveryWatching(base.database, base.clock, incidents)
        blocklists = BlockLists(base.database, base.clock, base.ids, guards)
        containment = ContainmentApi(base.database, measures, guards, automations, watching, blocklists)
        watch = DutyWatch(base.database, base.clock, base.ids)
        duties = OncallApi(
            base.database,
            base.clock,
            oncall,
            Outlook(base.database, base.clock),
            Requests(base.database, base.clock, base.ids),
            Feeds(base.database, base.clock, base.ids),
            watch,
        )
        folder = Path(settings.evidence_folder).expanduser()
        spool, blobs = Spool(folder / ARRIVING, settings.evidence_most_bytes), store_of(settings, base.clock)
        custody = Custody(base.database, base.clock, base.ids, blobs, spool)
        heads = Heads(base.database, base.clock, base.identity, custody)
        verification = Verification(base.database, base.clock, base.identity, custody, blobs)
        evidence_api = EvidenceApi(base.database, custody, heads, verification, blobs, spool)
        rails = Rails(base.clock, guards, HeardIncidents())
        effects = (Ledger(base.clock, measures), Evidence(custody))
        played = playbooks(base.database, base.clock, base.ids, alerts, rails, RoleHolders(), effects=effects)
        automations.starter = Starting(played.runs)
        measures.undo = measures.looking = Lifting(played.undoing)
        measures.concerned = ConcernedByMeasures(base.clock, RoleHolders(), HeardIncidents())
        measures.prolonging = blocklists
        configurations = Configurations(base.database, base.clock, played.library)
        api = ResponseApi(base.database, oncall, escalations, configurations)
        obligations = Obligations(base.database, base.clock, base.ids, custody, RoleHolders())
        obligation_api = ObligationApi(base.database, base.clock, obligations)
        plans = Plans(base.clock, base.ids)
        rooms = Rooms(base.database, base.clock, base.ids, plans, PlannedRuns(automations, base.clock, base.ids))
        situations = Situations(measures, custody, obligations, played.runs)
        tasks = Tasks(base.database, base.clock, base.ids, rooms, plans)
        looking = Looking(base.database, base.clock, plans, played.runs)
        moves, records = Moves(base.clock, base.ids, rooms, situations), Records(base.clock, base.ids, rooms)
        command = CommandApi(base.database, Command(moves, records, tasks, Views(rooms, situations), plans, looking))
        for field, (source, absent) in BELONGING.items():
            base.app.hides(field, source, absent)
        yield (
            base.app.serves(api, add_ResponseServiceServicer_to_server, DESCRIPTOR.services_by_name["ResponseService"])
            .serves(duties, add_OncallServiceServicer_to_server, oncall_service_pb2.DESCRIPTOR.services_by_name["OncallService"])
            .serves(escalation_api, add_EscalationServiceServicer_to_server, ESCALATION.services_by_name["EscalationService"])
            .serves(containment, add_ContainmentServiceServicer_to_server, CONTAINMENT.services_by_name["ContainmentService"])
            .serves(obligation_api, add_ObligationServiceServicer_to_server, OBLIGATION.services_by_name["ObligationService"])
            .serves(evidence_api, add_EvidenceServiceServicer_to_server, EVIDENCE.services_by_name["EvidenceService"])
            .serves(played.api, add_PlaybookServiceServicer_to_server, PLAYBOOK.services_by_name["PlaybookService"])
            .serves(played.door, add_RunnerServiceServicer_to_server, RUNNER.services_by_name["RunnerService"])
            .serves(command, add_CommandServiceServicer_to_server, COMMAND.services_by_name["CommandService"])
            .consumes(
                {
                    IncidentOpened: in_turn(escalations.on_opening, rooms.on_fact, watching.on_alert, automations.on_fact),
                    AlertAttached: in_turn(watching.on_alert, automations.on_fact),
                    IncidentReopened: in_turn(escalations.on_opening, rooms.on_fact, automations.on_fact),
                    IncidentUnacknowledged: in_turn(escalations.on_opening, rooms.on_fact),
                    IncidentAcknowledged: in_turn(escalations.on_change, rooms.on_fact),
                    IncidentResolved: in_turn(escalations.on_change, rooms.on_fact, watching.on_resolved, automations.on_fact),
                    SeverityChanged: in_turn(escalations.on_change, rooms.on_fact, automations.on_fact),
                    TypeChanged: in_turn(escalations.on_change, rooms.on_fact),
                    PrivacyChanged: escalations.on_change,
                    ReplyReceived: in_turn(Replies(by_hand).on_reply, played.questions.on_reply),
                    DelegationMade: played.stand_ins.on_delegation,
                    DelegationEnded: played.stand_ins.on_delegation,
                    ReachabilityChecked: looking.on_reachability,
                    ResponseAsked: AskedBySenders(by_hand, base.clock).on_asked,
                }
            )
            .ticks("escalation steps", STEP_SECONDS, escalations.step_on, STEPS_DUE, after_hearing=True)
            .ticks("acknowledgements that run out", EXPIRY_SECONDS, acknowledgements.expire_due, ACKNOWLEDGEMENTS_DUE, after_hearing=True)
            .ticks("reminders of tasks", DUTY_SECONDS, tasks.remind_due, TASKS_DUE, after_hearing=True)
            .ticks("reminders of updates", DUTY_SECONDS, tasks.remind_of_updates, UPDATES_DUE, after_hearing=True)
            .ticks("duty watch", DUTY_SECONDS, watch.look)
            .ticks("calendars", CALENDAR_SECONDS, Fetching(base.database, base.clock, outside).fetch_due)
            .ticks("audit of timers", AUDIT_SECONDS, auditor.look, after_hearing=True)
            .ticks("measures whose time is up", EXPIRY_SECONDS, measures.expire_due, MEASURES_DUE)
            .ticks("measures to be looked at again", DUTY_SECONDS, measures.look_due, LOOKS_DUE)
            .ticks("block entries whose time is up", EXPIRY_SECONDS, blocklists.expire_due, ENTRIES_DUE)
            .ticks("incidents that came back", REPORT_SECONDS, watching.reopen_due, REOPENINGS_DUE)
            .ticks("measures that nobody looks at any more", EXPIRY_SECONDS, Unseen(base.database, measures).settle, AWAITED_DUE)
            .ticks("forgetting of counted acts", HOUR_SECONDS, guards.forget)
            .ticks("forgetting of the platform's checks", HOUR_SECONDS, Checks(base.database, base.clock).forget)
            .ticks("reminders of obligations", EXPIRY_SECONDS, obligations.remind_due, REMINDERS_DUE, after_hearing=True)
            .ticks("custody heads", HEAD_SECONDS, heads.sign_due)
            .ticks("uploads that broke off", HOUR_SECONDS, spool.forget)
            .runs("wakes of runners", played.wake.listen)
            .ticks("timers of runs", RUN_SECONDS, played.timers.fire_due, TIMERS_DUE)
            .ticks("leases of runners that are gone", LEASE_SECONDS, played.expiry.end_due, LEASES_DUE)
            .ticks("forgetting of runners that are gone", HOUR_SECONDS, played.runners.forget)
            .ticks("audit of runs", AUDIT_SECONDS, played.auditor.look)
            .ticks("gap reports", REPORT_SECONDS, GapReports(base.database, base.clock, alerts).send_due)
        )


def in_turn(*handlers: Callable[[Tx, Fact[Any]], Awaitable[None]]) -> Callable[[Tx, Fact[Any]], Awaitable[None]]:
    """One fact, handled by several in this order in one transaction."""

    async def handle(tx: Tx, fact: Fact[Any]) -> None:
        for each in handlers:
            await each(tx, fact)

    return handle


def hosts(given: str) -> list[str]:
    """The names of a list that commas separate."""
    return [each.strip() for each in given.split(",") if each.strip()]


def main() -> None:
    """The command `tocsin-response`."""
    sys.exit(cli.run("response", ResponseSettings, response, more=[AUDIT, AUDIT_RUNS]))
