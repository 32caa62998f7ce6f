"""The composition root of detection."""

import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from tocsin.detection.v1.change_service_pb2 import DESCRIPTOR as CHANGES
from tocsin.detection.v1.change_service_pb2_grpc import add_ChangeServiceServicer_to_server
from tocsin.detection.v1.detection_service_pb2 import DESCRIPTOR
from tocsin.detection.v1.detection_service_pb2_grpc import add_DetectionServiceServicer_to_server
from tocsin.detection.v1.heartbeat_service_pb2 import DESCRIPTOR as HEARTBEATS
from tocsin.detection.v1.heartbeat_service_pb2_grpc import add_HeartbeatServiceServicer_to_server
from tocsin.detection.v1.noise_service_pb2 import DESCRIPTOR as NOISE
from tocsin.detection.v1.noise_service_pb2_grpc import add_NoiseServiceServicer_to_server
from tocsin.triage.v1.events_pb2 import AlertsWithheld, PrivacyChanged

from tocsin_chassis import cli
from tocsin_chassis.app import App
from tocsin_chassis.compose import foundation
from tocsin_chassis.outgoing import outgoing
from tocsin_chassis.postgres.retention import Daily
from tocsin_chassis.sealing import Vault
from tocsin_detection.alerts import AlertNotFound, Alerts
from tocsin_detection.api import DetectionApi
from tocsin_detection.changes.api import ChangeApi
from tocsin_detection.changes.changes import Changes
from tocsin_detection.configuration import Configurations
from tocsin_detection.heartbeat.api import HeartbeatApi
from tocsin_detection.heartbeat.heartbeats import Heartbeats
from tocsin_detection.intake.alertmanager_api import AlertmanagerApi
from tocsin_detection.intake.heartbeat_api import HeartbeatPings
from tocsin_detection.intake.intake import SenderApi
from tocsin_detection.intake.opsgenie_api.api import OpsgenieApi
from tocsin_detection.intake.pagerduty_api import PagerDutyApi
from tocsin_detection.intake.sns_api import SnsApi
from tocsin_detection.integration import RateLimit
from tocsin_detection.integrations import Integrations
from tocsin_detection.mail.threads import MailThreads
from tocsin_detection.noise.api import NoiseApi
from tocsin_detection.noise.court import Court
from tocsin_detection.noise.explaining import Explaining
from tocsin_detection.noise.explanations import Explanations
from tocsin_detection.noise.floods import Floods
from tocsin_detection.noise.matching import Matching
from tocsin_detection.noise.noise_configuration import NoiseConfiguration
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.silences import Silences
from tocsin_detection.noise.simulations import Simulations
from tocsin_detection.noise.storms import Storms
from tocsin_detection.noise.windows import Windows
from tocsin_detection.observer import Observer
from tocsin_detection.rate import Rates
from tocsin_detection.repeats import Repeats
from tocsin_detection.settings import DetectionSettings
from tocsin_detection.signals import Signals
from tocsin_detection.strays import Strays
from tocsin_detection.withheld.store import WITHHELD
from tocsin_detection.withheld.withheld import Withheld
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import DomainError

REPEATS_WRITTEN_SECONDS = 5.0


@asynccontextmanager
async def detection(settings: DetectionSettings, clock: Clock | None = None) -> AsyncIterator[App]:
    """The service, composed."""
    sns_hosts = [host.strip() for host in settings.sns_hosts.split(",") if host.strip()]
    async with (
        foundation("detection", settings, clock) as base,
        outgoing([host.partition(":")[0] for host in sns_hosts], settings.outgoing_ca_file) as outside,
    ):
        vault = Vault.read(settings.secrets_key_file) if settings.secrets_key_file else None
        integrations = Integrations(base.database, vault, base.clock, base.ids)
        repeats = Repeats(base.database)
        rulebook, floods = Rulebook(base.database, base.clock), Floods(base.ids)
        observer = Observer(Court(rulebook, floods), repeats, base.ids)
        silences = Silences(base.database, rulebook, base.clock, base.ids)
        windows = Windows(base.database, rulebook, base.clock)
        storms = Storms(base.database, floods, rulebook, observer, base.clock)
        changes = Changes(base.database, base.clock, base.ids)
        silence_grace = timedelta(seconds=settings.silence_grace_seconds)
        heartbeats = Heartbeats(base.database, observer, base.clock, silence_grace)
        alerts = Alerts(base.database, observer, repeats, base.clock, silence_grace)
        rates = Rates(RateLimit(settings.rate_per_second, settings.rate_burst))
        opsgenie = OpsgenieApi(base.database, observer, alerts, heartbeats, rates, base.clock, base.ids)
        mail_threads = MailThreads(base.database, base.clock)
        apis: dict[str, SenderApi] = {
            "alertmanager": AlertmanagerApi(base.database, rulebook, silences, base.clock),
            "pagerduty": PagerDutyApi(changes),
            "heartbeat": HeartbeatPings(heartbeats),
            "opsgenie": opsgenie,
            "email": mail_threads,
            "sns": SnsApi(outside, sns_hosts),
        }
        signals = Signals(base.database, observer, repeats, integrations, rates, base.clock, apis=apis)
        configurations = Configurations(base.database, integrations, heartbeats, NoiseConfiguration(rulebook, base.clock))
        explanations, simulations = Explanations(base.database, base.clock), Simulations(base.database, base.clock)
        withheld = Withheld(base.database, base.clock, timedelta(days=settings.retention_days))
        noise = NoiseApi(base.database, silences, windows, Matching(base.database), explanations, simulations, base.clock, withheld)
        api = DetectionApi(base.database, signals, alerts, integrations, configurations, base.clock)
        base.app.hides("alert_id", WITHHELD, lambda id: AlertNotFound(alert=id))
        yield (
            base.app.serves(api, add_DetectionServiceServicer_to_server, DESCRIPTOR.services_by_name["DetectionService"])
            .serves(ChangeApi(changes), add_ChangeServiceServicer_to_server, CHANGES.services_by_name["ChangeService"])
            .serves(
                HeartbeatApi(heartbeats, base.clock),
                add_HeartbeatServiceServicer_to_server,
                HEARTBEATS.services_by_name["HeartbeatService"],
            )
            .serves(noise, add_NoiseServiceServicer_to_server, NOISE.services_by_name["NoiseService"])
            .consumes({AlertsWithheld: withheld.on_withheld, PrivacyChanged: withheld.on_privacy})
            .ticks("rules that others changed", 1.0, rulebook.follow)
            .ticks("ends of silences", 1.0, silences.tell_ends)
            .ticks("storms", 1.0, storms.tend)
            .ticks("old storms", 3600.0, storms.forget_old)
            .ticks("silent end of alerts", 0.5, alerts.end_silent)
            .ticks("late heartbeats", 0.5, heartbeats.expire_due)
            .partitions(Daily("resolved_alert", "resolved_at", settings.retention_days), Daily("alert_log", "at", settings.retention_days))
            .ticks("rows in no day's partition", 3600.0, Strays(base.database, base.clock, settings.retention_days).look)
            .runs("changes of other processes", repeats.run)
            .ticks("counts of repeats", REPEATS_WRITTEN_SECONDS, lambda: repeats.write(base.clock.now()))
            .ticks("held alerts", 0.5, alerts.reconsider)
            .ticks("alerts that something new explains", 0.5, Explaining(base.database, rulebook, base.clock).look)
            .ticks("old requests of Opsgenie's clients", 3600.0, opsgenie.forget_requests)
            .ticks("old messages", 3600.0, mail_threads.forget_old)
            .ticks("alerts of private incidents that are gone", 3600.0, withheld.forget)
            .ticks("old changes", 3600.0, changes.forget_old)
            .ticks("old deliveries", 3600.0, alerts.forget_deliveries)
            .ticks("last reports of integrations", 2.0, integrations.note_reports)
            .ticks("secrets that are not sealed", 60.0, integrations.seal_what_is_not)
            .seals(integrations.seal_all)
        )
        with contextlib.suppress(DomainError):
            await repeats.write_all()


def main() -> None:
    """The command tocsin-detection."""
    sys.exit(cli.run("detection", DetectionSettings, detection))
