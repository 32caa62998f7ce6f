"""What applying a configuration changes: asked of every service first, then done."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tocsin.configuration.v1 import change_pb2
from tocsin.triage.v1 import triage_service_pb2

from tocsin_client.client import Tocsin
from tocsin_client.configuration.kinds import CONTRACTS, ONLY_ONE, Kind, kinds
from tocsin_client.configuration.references import dangling
from tocsin_client.configuration.resources import ConfigurationError, Configurations, Place, Resource
from tocsin_client.connection import Connection
from tocsin_client.errors import FieldViolation, InvalidRequest

Action = Literal["created", "updated", "unchanged", "deleted"]
ACTIONS: dict[int, Action] = {
    change_pb2.Change.ACTION_CREATED: "created",
    change_pb2.Change.ACTION_UPDATED: "updated",
    change_pb2.Change.ACTION_UNCHANGED: "unchanged",
    change_pb2.Change.ACTION_DELETED: "deleted",
}
VIOLATION_PATH = re.compile(r"(?:configuration\.)?(?P<field>[a-z_]+)(?:\[(?P<index>\d+)\])?\.?(?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that differs; both sides as JSON, empty where the field is not set."""

    path: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one resource."""

    service: str
    kind: str
    name: str
    action: Action
    fields: tuple[FieldChange, ...] = ()


def plan(connection: Connection, configurations: Configurations, prune: bool = False) -> list[Change]:
    """What `apply` would change. Nothing is changed.

    Errors: ConfigurationError for a name that nothing has, and for a field that a service refuses; CallFailed.
    """
    with Tocsin(connection) as tocsin:
        return planned(tocsin, configurations, prune)


def apply(connection: Connection, configurations: Configurations, prune: bool = False, dry_run: bool = False) -> list[Change]:
    """Make the stored configuration like the given one; say what happened to each resource.

    With prune, what is stored and not given is deleted. Nothing is changed unless every service accepts its part; each service
    then changes in one transaction. Applying the same again changes nothing. Errors: as of `plan`.
    """
    with Tocsin(connection) as tocsin:
        expected = planned(tocsin, configurations, prune)
        if dry_run:
            return expected
        return [change for service in concerned(configurations, prune) for change in ask(tocsin, service, configurations, prune, False)]


def planned(tocsin: Tocsin, configurations: Configurations, prune: bool) -> list[Change]:
    problems = dangling(configurations, remaining(tocsin, configurations, prune))
    if problems:
        raise ConfigurationError(problems)
    return [change for service in concerned(configurations, prune) for change in ask(tocsin, service, configurations, prune, True)]


def remaining(tocsin: Tocsin, configurations: Configurations, prune: bool) -> set[tuple[str, str]]:
    """The kind and name of everything that is there after applying."""
    kept = set(stored(tocsin).names())
    # A service that is catalogued and not exported is built in: no file holds it, and nothing prunes it.
    listed = {("Service", service.name) for service in tocsin.triage.ListServices(triage_service_pb2.ListServicesRequest()).services}
    return {*configurations.names(), *(listed - kept if prune else listed | kept)}


def concerned(configurations: Configurations, prune: bool) -> list[str]:
    """The services that have something to do, in order."""
    given = {resource.kind.service for resource in configurations.resources}
    return [service for service in CONTRACTS if prune or service in given]


def ask(tocsin: Tocsin, service: str, configurations: Configurations, prune: bool, dry_run: bool) -> list[Change]:
    request = CONTRACTS[service].ApplyConfigurationRequest(configuration=configurations.message(service), dry_run=dry_run, prune=prune)
    try:
        answer = getattr(tocsin, service).ApplyConfiguration(request)
    except InvalidRequest as error:
        problems = [located(configurations, service, violation) for violation in error.refusal.violations]
        if not problems:
            raise
        raise ConfigurationError(problems) from error
    return [read_change(service, change) for change in answer.changes]


def read_change(service: str, change: change_pb2.Change) -> Change:
    fields = tuple(FieldChange(each.path, each.before, each.after) for each in change.fields)
    return Change(service, change.kind, change.name, ACTIONS[change.action], fields)


def located(configurations: Configurations, service: str, violation: FieldViolation) -> str:
    """A field that a service refused, said with the file and line where it stands."""
    found = VIOLATION_PATH.fullmatch(violation.field)
    kind = next((each for each in kinds().values() if found and each.service == service and each.field == found["field"]), None)
    if found is None or kind is None:
        return f"{service}: {violation.field}: {violation.description}"
    resources = configurations.of_kind(kind)
    index = int(found["index"] or 0)
    if index >= len(resources):
        return f"{service}: {violation.field}: {violation.description}"
    resource, path = resources[index], found["rest"]
    return f"{resource.where(path)}: {kind.name} {resource.name}: {path or 'spec'}: {violation.description}"


def present(connection: Connection) -> Configurations:
    """What the installation keeps, the platform's own resources too."""
    with Tocsin(connection) as tocsin:
        return stored(tocsin)


def stored(tocsin: Tocsin) -> Configurations:
    """What the installation keeps."""
    return Configurations(tuple(resource for service in CONTRACTS for resource in exported(tocsin, service)))


def exported(tocsin: Tocsin, service: str) -> Iterator[Resource]:
    request = CONTRACTS[service].ExportConfigurationRequest()
    configuration = getattr(tocsin, service).ExportConfiguration(request).configuration
    for kind in kinds().values():
        if kind.service == service:
            for message in messages(configuration, kind):
                yield Resource(kind, ONLY_ONE if kind.singular else message.name, message, Place(Path(service), 1))


def messages(configuration: Any, kind: Kind) -> list[Any]:
    if kind.singular:
        return [getattr(configuration, kind.field)] if configuration.HasField(kind.field) else []
    return list(getattr(configuration, kind.field))
