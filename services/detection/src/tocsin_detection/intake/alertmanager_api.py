"""What Alertmanager's API v2 does beside taking alerts: amtool, Grafana and Karma read them and silence them.

A key shows the open alerts of its own integration, silences these, and sees the silences that are about them alone.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from tocsin_chassis.postgres.database import Database
from tocsin_detection.intake import alertmanager_queries as queries
from tocsin_detection.intake import alertmanager_shapes as shapes
from tocsin_detection.intake import alertmanager_silences as silences
from tocsin_detection.intake import alertmanager_store as store
from tocsin_detection.intake.alertmanager_queries import AlertQuery
from tocsin_detection.intake.alertmanager_silences import Posted, Refused
from tocsin_detection.intake.alertmanager_store import ShownAlert
from tocsin_detection.intake.intake import HttpAnswer, Request, json_answer
from tocsin_detection.intake.large_answer import AnswerTooLarge, LargeAnswer
from tocsin_detection.noise.matcher import MatcherInvalid, labels_of
from tocsin_detection.noise.rulebook import Rulebook
from tocsin_detection.noise.rules import Rules
from tocsin_detection.noise.silence import Silence, SilenceInvalid, SilenceNotFound
from tocsin_detection.noise.silences import Silences
from tocsin_kernel.clock import Clock

# Groups are known only when the last alert is read: until then all are kept in memory.
MOST_GROUPED_BYTES = 128 * 1024 * 1024
READS_AT_ONCE = 2
# Small enough that nobody notices how long a page keeps the others of this process waiting.
AT_ONCE = 500
MOST_SILENCES = 10_000
SILENCE = "/api/v2/silence/"


class AlertmanagerApi:
    """Serves `/api/v2`, the probes `/-/healthy` and `/-/ready`, and of `/metrics` what tells the version."""

    def __init__(self, database: Database, rulebook: Rulebook, silences: Silences, clock: Clock) -> None:
        self._database = database
        self._rulebook = rulebook
        self._silences = silences
        self._started_at = clock.now()
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    async def serve(self, request: Request) -> HttpAnswer | None:
        """The answer; None for alerts that are posted, and for what is not of this API."""
        try:
            return await self._serve(request)
        except Refused as error:
            return error.answer
        except (MatcherInvalid, SilenceInvalid, AnswerTooLarge) as error:
            return json_answer(400, str(error))
        except SilenceNotFound:
            return json_answer(404, "silence not found") if request.method == "POST" else HttpAnswer(404)

    async def _serve(self, request: Request) -> HttpAnswer | None:
        path = request.path.rstrip("/")
        if path.startswith(SILENCE):
            return await self._silence(request, path.removeprefix(SILENCE))
        match (request.method, path):
            case ("GET" | "HEAD", "/-/healthy" | "/-/ready"):
                return HttpAnswer(200, "text/plain; charset=utf-8", b"OK")
            case ("GET" | "HEAD", "/metrics"):
                return HttpAnswer(200, "text/plain; version=0.0.4; charset=utf-8", shapes.metrics())
            case ("GET", "/api/v2/alerts"):
                return await self._list(request)
            case ("GET", "/api/v2/alerts/groups"):
                return await self._groups(request)
            case ("GET", "/api/v2/receivers"):
                return json_answer(200, shapes.receivers() if queries.receivers_wanted(request) else [])
            case ("GET", "/api/v2/status"):
                return json_answer(200, shapes.server_status(self._started_at))
            case ("GET", "/api/v2/silences"):
                return await self._list_silences(request)
            case ("POST", "/api/v2/silences"):
                return await self._keep_silence(request, silences.posted_silence(request))
        return None

    async def _list(self, request: Request) -> HttpAnswer:
        """The newest alert first."""
        async with self._reads:
            answer = LargeAnswer(request)
            async for page in self._wanted(request, queries.alert_query(request)):
                answer.add(alert for _, alert in page)
            return answer.finished()

    async def _groups(self, request: Request) -> HttpAnswer:
        async with self._reads:
            groups: dict[str, bytearray] = {}
            async for page in self._wanted(request, queries.alert_query(request)):
                for name, alert in page:
                    group = groups.setdefault(name, bytearray())
                    group += b"," + alert if group else alert
                if sum(map(len, groups.values())) > MOST_GROUPED_BYTES:
                    raise AnswerTooLarge(f"the groups hold more than {MOST_GROUPED_BYTES // 1024 // 1024} MiB: filter them")
            answer = LargeAnswer(request)
            for name in sorted(groups):
                answer.add([shapes.group(name, groups.pop(name))])
            return answer.finished()

    async def _wanted(self, request: Request, query: AlertQuery) -> AsyncIterator[Sequence[tuple[str, bytes]]]:
        """Page by page, the name of the group and the JSON of every alert that is wanted, by fingerprint."""
        after = ""
        while True:
            async with self._database.transaction() as tx:
                rules = await self._rulebook.rules(tx, request.received_at)
                page = await store.shown_alerts(tx, request.integration.name, query.matchers, after, AT_ONCE)
            yield [shown for alert in page if (shown := _shown(alert, query, rules, request.received_at)) is not None]
            if len(page) < AT_ONCE:
                return
            after = page[-1].fingerprint

    async def _list_silences(self, request: Request) -> HttpAnswer:
        query, integration, now = queries.silence_query(request), request.integration.name, request.received_at
        listed = [item.silence for item in await self._silences.list(query.states, MOST_SILENCES)]
        own = [silence for silence in listed if silences.belongs(silence, integration)]
        wanted = [silence for silence in own if query.wants(silences.shown_matchers(silence, integration))]
        return json_answer(200, [silences.gettable_silence(silence, integration, now) for silence in wanted])

    async def _silence(self, request: Request, silence_id: str) -> HttpAnswer | None:
        """One silence. Raises SilenceNotFound."""
        if request.method not in ("GET", "DELETE"):
            return None
        if not silences.is_id(silence_id):
            return silences.no_id(silence_id)
        found = await self._own(silence_id, request.integration.name)
        if request.method == "GET":
            return json_answer(200, silences.gettable_silence(found, request.integration.name, request.received_at))
        async with self._database.transaction() as tx:
            await self._silences.expire(tx, silence_id, request.integration.name)
        return HttpAnswer(200)

    async def _keep_silence(self, request: Request, posted: Posted) -> HttpAnswer:
        """Make it, or change the one that it names. Raises SilenceNotFound, SilenceInvalid."""
        if posted.id:
            await self._own(posted.id, request.integration.name)
        async with self._database.transaction() as tx:
            if posted.id:
                kept = await self._silences.edit(tx, posted.id, posted.wanted, posted.by)
            else:
                kept = await self._silences.create(tx, posted.wanted, posted.by)
        return json_answer(200, {"silenceID": kept.id})

    async def _own(self, silence_id: str, integration: str) -> Silence:
        """A silence that is about this integration alone; what a silence is about never changes. Raises SilenceNotFound."""
        if silences.is_id(silence_id):
            found = (await self._silences.get(silence_id)).silence
            if silences.belongs(found, integration):
                return found
        raise SilenceNotFound(silence=silence_id)


def _shown(alert: ShownAlert, query: AlertQuery, rules: Rules, now: datetime) -> tuple[str, bytes] | None:
    """The name of the group and the JSON of an alert; None if it is not wanted."""
    labels = labels_of(alert)
    if not query.wants(labels):
        return None
    status = shapes.alert_status(alert.holds, rules.standing(labels, now))
    if not query.wants_in_state(status):
        return None
    return alert.labels.get(shapes.GROUPED_BY, ""), shapes.gettable_alert(alert.body, status)
