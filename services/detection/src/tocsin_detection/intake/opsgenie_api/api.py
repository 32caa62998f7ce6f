"""Opsgenie's Alert and Heartbeat APIs: requests become commands, and each gets an answer in Opsgenie's words.

A change is made within its request, so the order of a sender's requests is the order of their effects, and what became of it can
be asked for at once. It is answered like Opsgenie does: 202 before anybody knows, and the failure is in the request's status.
"""

from datetime import timedelta
from urllib.parse import unquote

from msgspec.structs import replace

from tocsin_chassis.postgres.database import Database, Tx
from tocsin_detection import store as alert_store
from tocsin_detection.alert import Alert, Decision
from tocsin_detection.alerts import MOST_LOG_ENTRIES, Alerts
from tocsin_detection.heartbeat.heartbeats import Heartbeats
from tocsin_detection.intake import opsgenie
from tocsin_detection.intake.decoding import Undecodable
from tocsin_detection.intake.intake import HttpAnswer, Outcome, Request
from tocsin_detection.intake.opsgenie_api import store
from tocsin_detection.intake.opsgenie_api.actions import ACTIONS, Action, NotDone, closed, custom_action
from tocsin_detection.intake.opsgenie_api.asking import asked_fact
from tocsin_detection.intake.opsgenie_api.conditions import LONGEST_TINY_ID, is_uuid
from tocsin_detection.intake.opsgenie_api.heartbeats import OpsgenieHeartbeats
from tocsin_detection.intake.opsgenie_api.searches import Searches
from tocsin_detection.intake.opsgenie_api.searching import links, search_of
from tocsin_detection.intake.opsgenie_api.shapes import alert_in_full, alert_in_list, log_entry, note, notes_of, request_status
from tocsin_detection.intake.opsgenie_api.wording import Refused, Said, refused, unprocessable, worded
from tocsin_detection.intake.opsgenie_fields import MOST_NOTE, MOST_WORD, Fields
from tocsin_detection.observer import Observer
from tocsin_detection.rate import Rates
from tocsin_detection.signal import Signal, storable
from tocsin_detection.signals import contending
from tocsin_detection.store import LogEntry
from tocsin_kernel.clock import Clock
from tocsin_kernel.ids import Ids

REQUESTS_KEPT = timedelta(days=3)
NO_SUCH_ALERT = "Alert does not exist"
IDENTIFIERS = ("id", "tiny", "alias")
MOST_ENTRIES = 100


class OpsgenieApi:
    """Serves everything below `/v2/alerts` and `/v2/heartbeats`. A key sees and changes the alerts of its own integration only."""

    def __init__(
        self, database: Database, observer: Observer, alerts: Alerts, heartbeats: Heartbeats, rates: Rates, clock: Clock, ids: Ids
    ) -> None:
        self._database = database
        self._searches = Searches(database)
        self._observer = observer
        self._alerts = alerts
        self._rates = rates
        self._heartbeats = OpsgenieHeartbeats(heartbeats)
        self._clock = clock
        self._ids = ids

    async def serve(self, request: Request) -> HttpAnswer | None:
        """The answer to any request. Raises IntegrationTooFast, ReportContended."""
        request_id = self._ids.new()
        try:
            said = await self._routed(request, request_id)
        except Refused as error:
            said = error.said
        return worded(said, request_id, (self._clock.now() - request.received_at).total_seconds())

    async def forget_requests(self) -> None:
        """Forget what became of requests long ago."""
        async with self._database.transaction() as tx:
            await store.forget_requests(tx, self._clock.now() - REQUESTS_KEPT)

    async def _routed(self, request: Request, request_id: str) -> Said:
        match tuple(unquote(part) for part in request.path.strip("/").split("/")):
            case ("v2", "heartbeats", *path):
                return await self._heartbeats.serve(request, tuple(path), lambda: _body(request))
            case ("v2", "alerts", *path):
                return await self._of_alerts(request, tuple(path), request_id)
        raise _unserved(request)

    async def _of_alerts(self, request: Request, path: tuple[str, ...], request_id: str) -> Said:
        match (request.method, *path):
            case ("POST",):
                return await self._create(request, request_id)
            case ("GET",):
                return await self._list(request)
            case ("GET", "count"):
                return await self._count(request)
            case ("GET", "requests", asked):
                return await self._status(request, asked)
            case (_, "saved-searches", *_):
                raise refused(404, "saved searches are not kept here; send the query itself to /v2/alerts")
            case ("GET", identifier):
                return Said(200, {"data": alert_in_full(await self._found(request, identifier))})
            case ("GET", identifier, "notes" | "logs" | "recipients" | "attachments" as part):
                return await self._part(request, identifier, part)
            case ("DELETE", identifier):
                return await self._delete(request, identifier, request_id)
            case ("POST", identifier, "actions", name):
                return await self._act(request, identifier, custom_action(storable(name)), request_id)
            case (method, identifier, name) if (method, name) in ACTIONS:
                return await self._act(request, identifier, ACTIONS[method, name], request_id)
            case _:
                raise _unserved(request)

    async def _create(self, request: Request, request_id: str) -> Said:
        report = opsgenie.read(request, alias=request_id)
        if report.refusal is not None or report.rejections:
            answer = report.refusal or opsgenie.answer(report, Outcome(()))
            return Said(answer.status, opsgenie.object_of(answer.body))
        [signal] = report.signals
        admission = self._rates.admit(request.integration, report.signals, request.received_at)
        if admission.refusal is not None:
            raise admission.refusal

        async def observe(tx: Tx) -> None:
            decision = await self._observe(tx, signal)
            await self._note(tx, request, request_id, "Create", "Created alert", decision.alert)

        await contending(self._database, observe)
        return _accepted()

    async def _observe(self, tx: Tx, signal: Signal) -> Decision:
        await alert_store.lock_things(tx, signal.integration, [signal.fingerprint])
        existing = await alert_store.lock_open_alerts(tx, signal.integration, [signal.fingerprint])
        said = opsgenie.repeating(signal, existing[0]) if existing else signal
        [decision] = await self._observer.observe(tx, [said], self._clock.now())
        return decision

    async def _act(self, request: Request, identifier: str, action: Action, request_id: str) -> Said:
        by_type = _identifier_type(request)
        fields = _parameters(request) if request.method == "DELETE" else _body(request)
        change, asked = action.read(fields), action.asks(fields) if action.asks else None
        by, said = opsgenie.actor(fields, request.integration.name), fields.text("note", MOST_NOTE)
        if fields.errors:
            raise unprocessable(fields.errors)

        async def act(tx: Tx) -> None:
            found = await self._locked(tx, request, identifier, by_type)
            if found is None:
                return await self._note(tx, request, request_id, action.name, NO_SUCH_ALERT, None)
            try:
                now = self._clock.now()
                kept = await self._alerts.keep(tx, found, action.decide(change, found, by, said, now))
                if asked is not None:
                    tx.emit(asked_fact(kept, asked, by, said, now), aggregate=kept.id, version=kept.version)
                await self._note(tx, request, request_id, action.name, action.done, kept)
            except NotDone as error:
                await self._note(tx, request, request_id, action.name, str(error), found, success=False)

        await contending(self._database, act)
        return _accepted()

    async def _delete(self, request: Request, identifier: str, request_id: str) -> Said:
        by_type = _identifier_type(request)
        fields = _parameters(request)
        by = opsgenie.actor(fields, request.integration.name)
        if fields.errors:
            raise unprocessable(fields.errors)

        async def delete(tx: Tx) -> None:
            found = await self._locked(tx, request, identifier, by_type)
            if found is None:
                return await self._note(tx, request, request_id, "Delete", NO_SUCH_ALERT, None)
            # Whoever was told that it fires must not wait for its end for ever.
            if found.open:
                await self._alerts.keep(tx, found, replace(closed(found, by, self._clock.now()), reason=f"deleted by {by}"))
            await alert_store.delete_alert(tx, found.id)
            await self._note(tx, request, request_id, "Delete", "Deleted alert", found)

        await contending(self._database, delete)
        return _accepted()

    async def _list(self, request: Request) -> Said:
        search = search_of(request)
        page = await self._searches.page(search)
        return Said(200, {"data": list(map(alert_in_list, page.alerts)), "paging": links(request, search, page)})

    async def _count(self, request: Request) -> Said:
        return Said(200, {"data": {"count": await self._searches.count(search_of(request))}})

    async def _status(self, request: Request, asked: str) -> Said:
        async with self._database.transaction() as tx:
            status = await store.find_request(tx, request.integration.name, asked) if is_uuid(asked) else None
        if status is None:
            # Clients that see this header ask again for a while.
            message = "Request not found. It might not be processed, yet."
            raise refused(404, message, **{"X-Opsgenie-Errortype": "RequestNotProcessed"})
        return Said(200, {"data": request_status(status)})

    async def _part(self, request: Request, identifier: str, part: str) -> Said:
        found = await self._found(request, identifier)
        if part in ("recipients", "attachments"):
            return Said(200, {"data": []})
        async with self._database.transaction() as tx:
            log = await alert_store.log_of(tx, found, MOST_LOG_ENTRIES)
        shown = _page(request, notes_of(log) if part == "notes" else log)
        word = note if part == "notes" else log_entry
        return Said(200, {"data": [word(entry, offset) for offset, entry in shown], "paging": {}})

    async def _found(self, request: Request, identifier: str) -> Alert:
        by_type = _identifier_type(request)
        async with self._database.transaction() as tx:
            found = await self._look_up(tx, request.integration.name, identifier, by_type)
        if found is None:
            raise refused(404, f"Alert with {by_type} [{identifier[:MOST_WORD]}] does not exist")
        return found

    async def _locked(self, tx: Tx, request: Request, identifier: str, by_type: str) -> Alert | None:
        """The alert, locked as it is now. What is said of one alias waits for what was said before."""
        integration = request.integration.name
        if by_type == "alias":
            await alert_store.lock_things(tx, integration, [storable(identifier)])
        found = await self._look_up(tx, integration, identifier, by_type)
        return await alert_store.lock_alert(tx, found.id) if found is not None else None

    async def _look_up(self, tx: Tx, integration: str, identifier: str, by_type: str) -> Alert | None:
        found = None
        if by_type == "alias":
            found = await alert_store.newest_of_thing(tx, integration, storable(identifier))
        elif by_type == "tiny" and identifier.isascii() and identifier.isdigit() and len(identifier) <= LONGEST_TINY_ID:
            found = await alert_store.alert_by_tiny_id(tx, int(identifier))
        elif by_type == "id" and is_uuid(identifier):
            found = await alert_store.find_alert(tx, identifier)
        return found if found is not None and found.integration == integration else None

    async def _note(
        self, tx: Tx, request: Request, request_id: str, action: str, status: str, alert: Alert | None, *, success: bool = True
    ) -> None:
        alert_id, alias = (alert.id, alert.fingerprint) if alert is not None else ("", "")
        done = success and alert is not None
        now = self._clock.now()
        await store.note_request(tx, store.RequestStatus(request_id, request.integration.name, action, done, status, alert_id, alias, now))


def _accepted() -> Said:
    return Said(202, {"result": opsgenie.ACCEPTED})


def _unserved(request: Request) -> Refused:
    return refused(404, f"{request.method} {request.path[:200]} is not served")


def _body(request: Request) -> Fields:
    """The fields of a body; an empty one has none. Raises Refused."""
    try:
        return Fields(opsgenie.object_of(request.body) if request.body.strip() else {})
    except Undecodable as error:
        raise refused(400, str(error)) from error


def _parameters(request: Request) -> Fields:
    """The fields of a request without a body."""
    return Fields({name: values[0] for name in ("user", "source", "note", "tags", "keys") if (values := request.parameters(name))})


def _identifier_type(request: Request) -> str:
    given = (request.parameters("identifierType") or ["id"])[0] or "id"
    if given not in IDENTIFIERS:
        raise unprocessable({"identifierType": f"{given[:MOST_WORD]!r} is none of {', '.join(IDENTIFIERS)}"})
    return given


def _page(request: Request, entries: list[LogEntry]) -> list[tuple[int, LogEntry]]:
    """Some of the entries, each with its offset, newest first unless asked otherwise."""
    numbered = list(enumerate(entries))
    if request.parameters("order") != ["asc"]:
        numbered.reverse()
    limit = (request.parameters("limit") or [""])[0]
    most = min(int(limit), MOST_ENTRIES) if limit.isascii() and limit.isdigit() and len(limit) < 6 else MOST_ENTRIES
    return numbered[:most]
