"""DetectionService: requests become commands, answers become messages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC

from opentelemetry.trace import SpanKind, Status, StatusCode
from tocsin.access.v1.access_pb2 import Access, Role
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceServicer

from tocsin_chassis import paging
from tocsin_chassis.grpc.authorization import require
from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.errors import logged_status
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import Spanned, trace_context
from tocsin_detection.alert import Alert
from tocsin_detection.alerts import Alerts, Listing, page_start, page_token
from tocsin_detection.configuration import Configurations
from tocsin_detection.integration import BUILT_IN
from tocsin_detection.integration_wire import integration_message, mapping_of
from tocsin_detection.integrations import Integrations
from tocsin_detection.listing import Wanted, position
from tocsin_detection.noise.matcher import read_all
from tocsin_detection.preview import preview
from tocsin_detection.signal import Signal, first_of, hashed, one_line, problem_of_labels, severity_word, storable
from tocsin_detection.signals import Signals, Submission
from tocsin_detection.wire import alert_message, log_message
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid

AlertChange = pb.ResolveAlertRequest | pb.AcknowledgeAlertRequest | pb.SnoozeAlertRequest

SUBMIT = "tocsin.detection.v1.DetectionService/SubmitReport"
HELD = {pb.HELD_YES: True, pb.HELD_NO: False}
OPEN = {AlertMessage.STATE_OPEN: True, AlertMessage.STATE_RESOLVED: False}


class DetectionApi(DetectionServiceServicer):
    """The RPCs of detection."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        alerts: Alerts,
        integrations: Integrations,
        configurations: Configurations,
        clock: Clock,
    ) -> None:
        self._database = database
        self._signals = signals
        self._alerts = alerts
        self._integrations = integrations
        self._configurations = configurations
        self._clock = clock

    async def SubmitReport(self, request: pb.SubmitReportRequest, context: Context) -> pb.SubmitReportResponse:
        return await self._submitted(request)

    async def SubmitReports(self, request: pb.SubmitReportsRequest, context: Context) -> pb.SubmitReportsResponse:
        return pb.SubmitReportsResponse(outcomes=await asyncio.gather(*(self._outcome(each) for each in request.reports)))

    async def _outcome(self, gathered: pb.GatheredReport) -> pb.ReportOutcome:
        """What becomes of one of several reports, in the trace that it came with."""
        with Spanned(SUBMIT, SpanKind.SERVER, trace_context({"traceparent": gathered.traceparent})) as span:
            try:
                return pb.ReportOutcome(answer=await self._submitted(gathered.report))
            except Exception as error:  # as where a call ends: nobody else's report is refused for it
                status = logged_status(SUBMIT, error)
                span.set_status(Status(StatusCode.ERROR, status.message))
                return pb.ReportOutcome(refusal=status.SerializeToString())

    async def _submitted(self, request: pb.SubmitReportRequest) -> pb.SubmitReportResponse:
        submission = Submission(
            request.integration_key, request.kind, request.method, request.path, request.body, dict(request.headers), request.query
        )
        answered = await self._signals.report(submission)
        return pb.SubmitReportResponse(
            status=answered.answer.status,
            content_type=answered.answer.content_type,
            body=answered.answer.body,
            accepted=answered.accepted,
            rejections=[pb.Rejection(index=rejection.index, reason=rejection.reason) for rejection in answered.rejections],
            headers=[pb.Header(name=name, value=value) for name, value in answered.answer.headers.items()],
        )

    async def RaiseAlert(self, request: pb.RaiseAlertRequest, context: Context) -> pb.RaiseAlertResponse:
        alert = await self._alerts.raise_alert(request.request_id, self._raised(request))
        return pb.RaiseAlertResponse(alert=alert)

    def _raised(self, request: pb.RaiseAlertRequest) -> Signal:
        title = one_line(storable(request.title))
        if not title:
            raise Invalid(field="title", detail="it is blank; say in one line what is wrong")
        labels = {name: storable(text) for name, text in request.labels.items() if text}
        if problem := problem_of_labels(labels):
            raise Invalid(field="labels", detail=problem)
        return Signal(
            integration=BUILT_IN,
            fingerprint=storable(request.dedup_key) or hashed(title, labels=labels),
            title=title,
            description=storable(request.description),
            labels=labels,
            severity=severity_word(storable(request.severity), labels.get("severity")),
            service=one_line(first_of(storable(request.service), labels.get("service"))),
            starts_at=self._clock.now(),
        )

    async def ResolveAlert(self, request: pb.ResolveAlertRequest, context: Context) -> pb.ResolveAlertResponse:
        return pb.ResolveAlertResponse(
            alert=await self._once("ResolveAlert", request, lambda tx: self._alerts.resolve(tx, request.alert_id, caller().name))
        )

    async def AcknowledgeAlert(self, request: pb.AcknowledgeAlertRequest, context: Context) -> pb.AcknowledgeAlertResponse:
        return pb.AcknowledgeAlertResponse(
            alert=await self._once("AcknowledgeAlert", request, lambda tx: self._alerts.acknowledge(tx, request.alert_id, caller().name))
        )

    async def SnoozeAlert(self, request: pb.SnoozeAlertRequest, context: Context) -> pb.SnoozeAlertResponse:
        until = request.until.ToDatetime(UTC)
        return pb.SnoozeAlertResponse(
            alert=await self._once("SnoozeAlert", request, lambda tx: self._alerts.snooze(tx, request.alert_id, until, caller().name))
        )

    async def _once(self, method: str, request: AlertChange, work: Callable[[Tx], Awaitable[Alert]]) -> AlertMessage:
        """The alert after a change that a repeat of the request does not make again."""
        async with self._database.transaction() as tx:

            async def worked() -> AlertMessage:
                return alert_message(await work(tx))

            return await once(tx, method, request.request_id, AlertMessage, worked)

    async def GetAlert(self, request: pb.GetAlertRequest, context: Context) -> pb.GetAlertResponse:
        alert, log = await self._alerts.get(request.alert_id)
        # Of a log that is larger than an answer may be, the newest.
        newest = next(paging.in_answers([log_message(entry) for entry in reversed(log)]), [])
        return pb.GetAlertResponse(alert=alert_message(alert), log=reversed(newest))

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Context) -> pb.ListAlertsResponse:
        page = await self._alerts.list(_wanted(request))
        alerts, token = paging.fitted(_listed(page), page.next_page_token, lambda last: page_token(position(page.alerts[last])))
        return pb.ListAlertsResponse(alerts=alerts, next_page_token=token)

    async def ExportAlerts(self, request: pb.ExportAlertsRequest, context: Context) -> AsyncIterator[pb.ExportAlertsResponse]:
        async for page in self._alerts.export(replace(_wanted(request.filter), before=None)):
            for alerts in paging.in_answers(_listed(page)):
                yield pb.ExportAlertsResponse(alerts=alerts)

    async def ListIntegrations(self, request: pb.ListIntegrationsRequest, context: Context) -> pb.ListIntegrationsResponse:
        return pb.ListIntegrationsResponse(integrations=[integration_message(item) for item in await self._integrations.all()])

    async def RotateIntegrationKey(self, request: pb.RotateIntegrationKeyRequest, context: Context) -> pb.RotateIntegrationKeyResponse:
        integration, key = await self._integrations.rotate_key(storable(request.name))
        return pb.RotateIntegrationKeyResponse(integration=integration_message(integration), key=key)

    async def ImportIntegrationKey(self, request: pb.ImportIntegrationKeyRequest, context: Context) -> pb.ImportIntegrationKeyResponse:
        async with self._database.transaction() as tx:
            integration = await self._integrations.import_key(tx, storable(request.name), request.key)
        return pb.ImportIntegrationKeyResponse(integration=integration_message(integration))

    async def SetIntegrationSecret(self, request: pb.SetIntegrationSecretRequest, context: Context) -> pb.SetIntegrationSecretResponse:
        integration = await self._integrations.set_secret(storable(request.name), request.secret)
        return pb.SetIntegrationSecretResponse(integration=integration_message(integration))

    async def PreviewReport(self, request: pb.PreviewReportRequest, context: Context) -> pb.PreviewReportResponse:
        mapping = mapping_of(request.mapping)
        shown = preview(request.kind, mapping, request.body, dict(request.headers), self._clock.now())
        return pb.PreviewReportResponse(
            alerts=[alert_message(alert) for alert in shown.alerts],
            rejections=[pb.Rejection(index=rejection.index, reason=rejection.reason) for rejection in shown.rejections],
            status=shown.status,
        )

    async def ApplyConfiguration(self, request: pb.ApplyConfigurationRequest, context: Context) -> pb.ApplyConfigurationResponse:
        if any(integration.key for integration in request.configuration.integrations):
            # Whoever may apply configurations need not know keys: making one is for administrators.
            require(caller(), "ApplyConfiguration with keys", Access(role=Role.ROLE_ADMIN))
        planned = await self._configurations.apply(request.configuration, dry_run=request.dry_run, prune=request.prune)
        return pb.ApplyConfigurationResponse(changes=planned)

    async def ExportConfiguration(self, request: pb.ExportConfigurationRequest, context: Context) -> pb.ExportConfigurationResponse:
        return pb.ExportConfigurationResponse(configuration=await self._configurations.export())


def _listed(page: Listing) -> list[AlertMessage]:
    """Those of private incidents with that: lists leave them out for whoever may not know of it."""
    return [alert_message(alert, page.incidents.get(alert.id, "")) for alert in page.alerts]


def _wanted(request: pb.ListAlertsRequest) -> Wanted:
    return Wanted(
        open=OPEN.get(request.state),
        integration=storable(request.integration) or None,
        labels={storable(name): storable(text) for name, text in request.labels.items()},
        before=page_start(request.page_token),
        limit=paging.page_size(request.page_size),
        service=storable(request.service) or None,
        severity=storable(request.severity).lower() or None,
        held=HELD.get(request.held),
        text=storable(request.text) or None,
        matchers=read_all(request.matchers),
    )
