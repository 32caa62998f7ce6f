"""The catalogue in files: checked as a whole, compared, applied in one transaction."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from tocsin.configuration.v1.change_pb2 import Change
from tocsin.triage.v1.catalogue_pb2 import Configuration
from tocsin.triage.v1.catalogue_pb2 import Route as RouteMessage
from tocsin.triage.v1.catalogue_pb2 import Service as ServiceMessage

from tocsin_chassis.configuration import changes
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.errors import Invalid
from tocsin_triage import store
from tocsin_triage.catalogue import BUILT_IN, UNROUTED, Service
from tocsin_triage.wire import route_message, route_of, service_message, service_of

Resource = TypeVar("Resource", ServiceMessage, RouteMessage)
WRITTEN = (Change.ACTION_CREATED, Change.ACTION_UPDATED)


class Configuring:
    """Applies and exports services and routes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def services(self) -> list[Service]:
        """The catalogue, by name."""
        async with self._database.transaction() as tx:
            return await store.services(tx)

    async def export(self) -> Configuration:
        """All of it; the built-in service only if somebody changed it."""
        async with self._database.transaction() as tx:
            services = [service_message(service) for service in await store.services(tx) if service != BUILT_IN]
            return Configuration(services=services, routes=[route_message(route) for route in await store.routes(tx)])

    async def apply(self, given: Configuration, *, dry_run: bool, prune: bool) -> list[Change]:
        """Make the stored catalogue like the given one; says what changed, or with `dry_run` only what would. Raises Invalid.

        To prune the built-in service is to give it back its built-in content.
        """
        async with self._database.transaction() as tx:
            await store.lock_catalogue(tx)
            stored = {service.name: service_message(service) for service in await store.services(tx)}
            services, routes = checked(given, set() if prune else set(stored))
            if stored.get(UNROUTED) == service_message(BUILT_IN) and UNROUTED not in services:
                del stored[UNROUTED]
            stored_routes = {route.name: route_message(route) for route in await store.routes(tx)}
            planned_routes = changes("Route", stored_routes, routes, prune)
            planned = changes("Service", stored, services, prune)
            if not dry_run:
                await _carry_out(tx, planned, planned_routes, services, routes)
            return [*planned, *planned_routes]


async def _carry_out(
    tx: Tx,
    planned: Sequence[Change],
    planned_routes: Sequence[Change],
    services: Mapping[str, ServiceMessage],
    routes: Mapping[str, RouteMessage],
) -> None:
    for change in planned:
        if change.action in WRITTEN:
            await store.save_service(tx, service_of(services[change.name]))
        elif change.action == Change.ACTION_DELETED and change.name == UNROUTED:
            await store.save_service(tx, BUILT_IN)
        elif change.action == Change.ACTION_DELETED:
            await store.delete_service(tx, change.name)
    for change in planned_routes:
        if change.action in WRITTEN:
            await store.save_route(tx, route_of(routes[change.name]))
        elif change.action == Change.ACTION_DELETED:
            await store.delete_route(tx, change.name)


def checked(given: Configuration, stored: set[str]) -> tuple[dict[str, ServiceMessage], dict[str, RouteMessage]]:
    """The services and routes given, by name, where these services are there beside them. Raises Invalid."""
    services, routes = _by_name("services", given.services), _by_name("routes", given.routes)
    _check_given(given, {UNROUTED, *services, *stored})
    return services, routes


def _by_name(kind: str, given: Sequence[Resource]) -> dict[str, Resource]:
    wanted: dict[str, Resource] = {}
    for index, resource in enumerate(given):
        if resource.name in wanted:
            raise Invalid(field=f"configuration.{kind}[{index}].name", detail=f"{resource.name!r} is given twice; names are unique")
        wanted[resource.name] = resource
    return wanted


def _check_given(given: Configuration, known: set[str]) -> None:
    """What is named must be there afterwards."""
    for index, service in enumerate(given.services):
        for position, name in enumerate(service.depends_on):
            field = f"configuration.services[{index}].depends_on[{position}]"
            if name == service.name:
                raise Invalid(field=field, detail="a service cannot depend on itself")
            if name not in known:
                raise Invalid(field=field, detail=f"there is no service {name!r}")
    for index, route in enumerate(given.routes):
        if route.service not in known:
            raise Invalid(field=f"configuration.routes[{index}].service", detail=f"there is no service {route.service!r}")
