"""Places the alerts of the past by other services and routes, beside where they came. Nothing is kept."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from tocsin.detection.v1.noise_pb2 import ReplayedAlert
from tocsin.triage.v1 import triage_service_pb2 as pb

from tocsin_chassis.postgres.database import Database
from tocsin_kernel.errors import Invalid
from tocsin_triage import store
from tocsin_triage.catalogue import BUILT_IN, Catalogue, in_order
from tocsin_triage.configuring import checked
from tocsin_triage.simulation import Difference, Replay
from tocsin_triage.wire import difference_message, played_of, route_of, service_of

MOST_ALERTS = 200_000
MOST_DIFFERENCES = 10_000
AT_ONCE = 200
# Names of the platform's own, which no file holds.
OWN = "tocsin-"


class Simulations:
    """Tries services and routes out. A few at a time in each process: others wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._few = asyncio.Semaphore(2)

    async def run(self, requests: AsyncIterator[pb.SimulatePlacementRequest]) -> AsyncIterator[pb.SimulatePlacementResponse]:
        """Progress while alerts come, then the differences, at last the result. Raises Invalid."""
        async with self._few:
            replay: Replay | None = None
            done = 0
            async for request in requests:
                replay = replay or Replay(await self._catalogue(request))
                done += len(request.alerts)
                if done > MOST_ALERTS:
                    raise Invalid(field="alerts", detail=f"more than {MOST_ALERTS:,} alerts; look less far back")
                await self._play(replay, request.alerts)
                yield pb.SimulatePlacementResponse(progress=pb.SimulatePlacementResponse.Progress(done=done))
            if replay is None:
                raise Invalid(field="configuration", detail="the first request says by what the alerts are placed; none came")
            differences = list(replay.differences())
            for step in _differing(differences[:MOST_DIFFERENCES]):
                yield step
            yield _result(replay, len(differences))

    async def _catalogue(self, request: pb.SimulatePlacementRequest) -> Catalogue:
        """Given services and routes stand in the place of stored ones with the same names."""
        async with self._database.transaction() as tx:
            stored = {service.name: service for service in await store.services(tx)}
            routes = {route.name: route for route in await store.routes(tx)}
        if request.alone:
            stored = {name: service for name, service in stored.items() if name.startswith(OWN)} | {BUILT_IN.name: BUILT_IN}
            routes = {name: route for name, route in routes.items() if name.startswith(OWN)}
        services, given = checked(request.configuration, set(stored))
        stored |= {name: service_of(message) for name, message in services.items()}
        routes |= {name: route_of(message) for name, message in given.items()}
        return Catalogue(stored, in_order(list(routes.values())))

    async def _play(self, replay: Replay, alerts: Sequence[ReplayedAlert]) -> None:
        async with self._database.transaction() as tx:
            came = await store.incidents_of(tx, [alert.alert_id for alert in alerts if alert.did_wake])
        for alert in alerts:
            replay.play(played_of(alert, came.get(alert.alert_id)))


def _differing(differences: Sequence[Difference]) -> list[pb.SimulatePlacementResponse]:
    steps = []
    for start in range(0, len(differences), AT_ONCE):
        shown = map(difference_message, differences[start : start + AT_ONCE])
        steps.append(pb.SimulatePlacementResponse(differences=pb.SimulatePlacementResponse.Differences(differences=shown)))
    return steps


def _result(replay: Replay, differences: int) -> pb.SimulatePlacementResponse:
    result = pb.SimulatePlacementResponse.Result(
        did_open=replay.did_open, would_open=replay.would_open, moved=replay.moved, differences=differences
    )
    return pb.SimulatePlacementResponse(result=result)
