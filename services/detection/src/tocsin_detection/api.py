"""DetectionService: requests become commands, answers become messages."""

from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.alert_pb2 import Alert as AlertMessage
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceServicer
from tocsin.detection.v1.integration_pb2 import Configuration

from tocsin_chassis import paging
from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_detection.alerts import Alerts, page_start
from tocsin_detection.integration import BUILT_IN
from tocsin_detection.integrations import Integrations
from tocsin_detection.signal import Signal, first_of, hashed, one_line, problem_of_labels, severity_word, storable
from tocsin_detection.signals import Signals, Submission
from tocsin_detection.store import Wanted
from tocsin_detection.wire import alert_message, configured, integration_message, log_message
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid

OPEN = {AlertMessage.STATE_OPEN: True, AlertMessage.STATE_RESOLVED: False}


class DetectionApi(DetectionServiceServicer):
    """The RPCs of detection."""

    def __init__(self, signals: Signals, alerts: Alerts, integrations: Integrations, clock: Clock) -> None:
        self._signals = signals
        self._alerts = alerts
        self._integrations = integrations
        self._clock = clock

    async def SubmitReport(self, request: pb.SubmitReportRequest, context: Context) -> pb.SubmitReportResponse:
        submission = Submission(request.integration_key, request.kind, request.method, request.path, request.body)
        answered = await self._signals.report(submission)
        return pb.SubmitReportResponse(
            status=answered.answer.status,
            content_type=answered.answer.content_type,
            body=answered.answer.body,
            accepted=answered.accepted,
            rejections=[pb.Rejection(index=rejection.index, reason=rejection.reason) for rejection in answered.rejections],
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
        return pb.ResolveAlertResponse(alert=await self._alerts.resolve(request.request_id, request.alert_id, caller().name))

    async def GetAlert(self, request: pb.GetAlertRequest, context: Context) -> pb.GetAlertResponse:
        alert, log = await self._alerts.get(request.alert_id)
        return pb.GetAlertResponse(alert=alert_message(alert), log=[log_message(entry) for entry in log])

    async def ListAlerts(self, request: pb.ListAlertsRequest, context: Context) -> pb.ListAlertsResponse:
        wanted = Wanted(
            open=OPEN.get(request.state),
            integration=storable(request.integration) or None,
            labels={storable(name): storable(text) for name, text in request.labels.items()},
            before=page_start(request.page_token),
            limit=paging.page_size(request.page_size),
        )
        listing = await self._alerts.list(wanted)
        return pb.ListAlertsResponse(alerts=[alert_message(alert) for alert in listing.alerts], next_page_token=listing.next_page_token)

    async def ListIntegrations(self, request: pb.ListIntegrationsRequest, context: Context) -> pb.ListIntegrationsResponse:
        return pb.ListIntegrationsResponse(integrations=[integration_message(item) for item in await self._integrations.all()])

    async def RotateIntegrationKey(self, request: pb.RotateIntegrationKeyRequest, context: Context) -> pb.RotateIntegrationKeyResponse:
        integration, key = await self._integrations.rotate_key(storable(request.name))
        return pb.RotateIntegrationKeyResponse(integration=integration_message(integration), key=key)

    async def ApplyConfiguration(self, request: pb.ApplyConfigurationRequest, context: Context) -> pb.ApplyConfigurationResponse:
        given = request.configuration.integrations
        planned = await self._integrations.apply(given, dry_run=request.dry_run, prune=request.prune)
        return pb.ApplyConfigurationResponse(changes=planned)

    async def ExportConfiguration(self, request: pb.ExportConfigurationRequest, context: Context) -> pb.ExportConfigurationResponse:
        stored = await self._integrations.all()
        return pb.ExportConfigurationResponse(configuration=Configuration(integrations=[configured(item) for item in stored]))
