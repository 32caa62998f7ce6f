"""The only place with SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from enum import Enum
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_triage.catalogue import WATCHDOG, Route, Service
from tocsin_triage.incident import AttachedAlert, Incident, IncidentType, Severity, State
from tocsin_triage.simulation import Came


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which incidents a list holds: no states, or no service, is any. The page starts below the number `below`.

    Of private ones it holds those of which `reader` is a member; None: all.
    """

    states: Sequence[State]
    service: str
    below: int | None
    limit: int
    reader: str | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Which incident an alert was placed in, and what was last heard of it."""

    incident_id: str
    open: bool
    version: int


@dataclass(frozen=True, slots=True)
class HeardOf:
    """Whether an alert has its place, and whether more was heard of it before its opening."""

    alert_id: str
    placed: bool
    early: bool


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident as it is stored."""

    id: str
    number: int
    title: str
    summary: str
    state: str
    severity: int
    service: str
    group_key: str | None
    escalation_policy: str
    team: str
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    resolved_at: datetime | None
    resolved_by: str
    resolve_reason: str
    declared_by: str
    alert_count: int
    open_alert_count: int
    placement_reason: str
    severity_by_person: bool
    aside_by: str
    version: int
    type: str
    private: bool
    members: list[str]

    def to_domain(self) -> Incident:
        values = {name: getattr(self, name) for name in self.__slots__}
        kinds = {"state": State(self.state), "severity": Severity(self.severity), "type": IncidentType(self.type)}
        return Incident(**{**values, **kinds, "members": tuple(self.members)})


@dataclass(frozen=True, slots=True)
class ServiceRow:
    name: str
    display_name: str
    description: str
    team: str
    escalation_policy: str
    runbook_url: str
    depends_on: list[str]
    group_by: list[str]

    def to_domain(self) -> Service:
        return Service(
            self.name,
            self.display_name,
            self.description,
            self.team,
            self.escalation_policy,
            self.runbook_url,
            tuple(self.depends_on),
            tuple(self.group_by),
        )


@dataclass(frozen=True, slots=True)
class RouteRow:
    name: str
    position: int
    match: Mapping[str, str]
    service: str
    severity: int | None
    incident_type: str | None

    def to_domain(self) -> Route:
        severity = Severity(self.severity) if self.severity else None
        kind = IncidentType(self.incident_type) if self.incident_type else None
        return Route(self.name, self.position, self.match, self.service, severity, kind)


@dataclass(frozen=True, slots=True)
class _PrivacyRow:
    id: str
    private: bool


@dataclass(frozen=True, slots=True)
class _CatalogueRow:
    services: list[dict[str, Any]]
    routes: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _CameRow:
    alert_id: str
    number: int
    title: str
    service: str
    severity: int
    escalation_policy: str
    opened_at: datetime
    reason: str
    severity_by_person: bool

    def to_domain(self) -> Came:
        return Came(
            self.number,
            self.title,
            self.service,
            Severity(self.severity),
            self.escalation_policy,
            self.opened_at,
            self.reason,
            self.severity_by_person,
        )


# Incidents


async def lock_incident(tx: Tx, incident_id: str) -> Incident | None:
    """Lock one incident for the rest of the transaction."""
    row = await tx.maybe(
        IncidentRow,
        """SELECT id::text AS id, number, title, summary, state, severity, service, group_key, escalation_policy, team, opened_at,
               acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolve_reason, declared_by, alert_count, open_alert_count,
               placement_reason, severity_by_person, aside_by, version, type, private, members
           FROM incident WHERE id = %s FOR UPDATE""",
        (incident_id,),
    )
    return None if row is None else row.to_domain()


async def lock_incidents_of_groups(tx: Tx, groups: Collection[tuple[str, str]]) -> dict[tuple[str, str], Incident]:
    """Lock the incidents that gather the alerts of these groups (service, key), where one does; all in the same order."""
    rows = await tx.many(
        IncidentRow,
        """SELECT id::text AS id, number, title, summary, state, severity, service, group_key, escalation_policy, team, opened_at,
               acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolve_reason, declared_by, alert_count, open_alert_count,
               placement_reason, severity_by_person, aside_by, version, type, private, members
           FROM incident
           WHERE (service, group_key) IN (SELECT * FROM unnest(%s::text[], %s::text[])) AND state <> 'resolved'
           ORDER BY incident.id FOR UPDATE""",
        ([service for service, _ in groups], [key for _, key in groups]),
    )
    return {(row.service, row.group_key or ""): row.to_domain() for row in rows}


async def find_incident(tx: Tx, incident_id: str | None, number: int | None) -> Incident | None:
    """One incident by id or by number."""
    row = await tx.maybe(
        IncidentRow,
        """SELECT id::text AS id, number, title, summary, state, severity, service, group_key, escalation_policy, team, opened_at,
               acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolve_reason, declared_by, alert_count, open_alert_count,
               placement_reason, severity_by_person, aside_by, version, type, private, members
           FROM incident WHERE id = %s::uuid OR number = %s::bigint""",
        (incident_id, number),
    )
    return None if row is None else row.to_domain()


async def list_incidents(tx: Tx, wanted: Wanted) -> list[Incident]:
    """Newest first."""
    rows = await tx.many(
        IncidentRow,
        """SELECT id::text AS id, number, title, summary, state, severity, service, group_key, escalation_policy, team, opened_at,
               acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolve_reason, declared_by, alert_count, open_alert_count,
               placement_reason, severity_by_person, aside_by, version, type, private, members
           FROM incident
           WHERE (%(any_state)s OR state = ANY(%(states)s))
             AND (service = %(service)s OR %(service)s = '' AND number > 0)
             AND (%(below)s::bigint IS NULL OR number < %(below)s::bigint)
             AND (NOT private OR %(reader)s::text IS NULL OR %(reader)s::text = ANY(members))
           ORDER BY number DESC LIMIT %(limit)s""",
        {
            "any_state": not wanted.states,
            "states": [state.value for state in wanted.states],
            "service": wanted.service,
            "below": wanted.below,
            "limit": wanted.limit,
            "reader": wanted.reader,
        },
    )
    return [row.to_domain() for row in rows]


async def next_number(tx: Tx, service: str) -> int:
    """The number of the next incident. One that is not used leaves a gap. The platform's checks of itself have numbers below zero."""
    return (await next_numbers(tx, [service]))[0]


async def next_numbers(tx: Tx, services: Sequence[str]) -> list[int]:
    """The numbers of the next incidents of these services, in their order."""
    sequences = ["check_number" if service == WATCHDOG else "incident_number" for service in services]
    return await tx.values(
        int,
        "SELECT nextval(sequence::regclass) FROM unnest(%s::text[]) WITH ORDINALITY AS given (sequence, place) ORDER BY place",
        (sequences,),
    )


_INSERT_INCIDENT: LiteralString = """INSERT INTO incident (id, number, title, summary, state, severity, service, group_key,
        escalation_policy, team, opened_at, acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolve_reason, declared_by,
        alert_count, open_alert_count, placement_reason, severity_by_person, aside_by, version, type, private, members)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::text[])
    ON CONFLICT (service, group_key) WHERE state <> 'resolved' AND group_key IS NOT NULL DO NOTHING"""


def _values(incident: Incident) -> tuple[object, ...]:
    *values, members = (getattr(incident, name) for name in Incident.__slots__)
    return (*values, list(members))


async def insert_incident(tx: Tx, incident: Incident) -> None:
    """Write a new incident that gathers no group."""
    await tx.execute(_INSERT_INCIDENT, _values(incident))


async def insert_gathering(tx: Tx, incidents: Sequence[Incident], alerts: Sequence[tuple[str, AttachedAlert]]) -> set[str]:
    """Write new incidents and their first alerts, each with its incident's id. Returns the ids of those that were written.

    The others are missing: another transaction has just opened incidents that gather the same groups.
    """
    written = await tx.values(
        str,
        """WITH opened AS (
               INSERT INTO incident (id, number, title, summary, state, severity, service, group_key, escalation_policy, team, opened_at,
                   acknowledged_at, acknowledged_by, resolved_at, resolved_by, resolve_reason, declared_by, alert_count, open_alert_count,
                   placement_reason, severity_by_person, aside_by, version, type, private, members)
               SELECT *, '{}' FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::smallint[], %s::text[],
                   %s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::text[],
                   %s::text[], %s::text[], %s::integer[], %s::integer[], %s::text[], %s::boolean[], %s::text[], %s::bigint[], %s::text[],
                   %s::boolean[])
               ON CONFLICT (service, group_key) WHERE state <> 'resolved' AND group_key IS NOT NULL DO NOTHING RETURNING id)
           INSERT INTO attached_alert (incident_id, alert_id, title, open, attached_at, reason, source_url, version)
           SELECT given.* FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::boolean[], %s::timestamptz[], %s::text[], %s::text[],
               %s::bigint[]) AS given (incident_id, alert_id, title, open, attached_at, reason, source_url, version)
           JOIN opened ON opened.id = given.incident_id RETURNING incident_id::text""",
        [
            *_columns([_plain(incident) for incident in incidents]),
            *_columns([(incident_id, *astuple(alert)) for incident_id, alert in alerts]),
        ],
    )
    return set(written)


def _plain(incident: Incident) -> tuple[object, ...]:
    """Its columns but for its members, of whom a new one has none; what it is is said in words and numbers."""
    *values, _ = _values(incident)
    return tuple(value.value if isinstance(value, Enum) else value for value in values)


def _columns(rows: Sequence[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def update_incident(tx: Tx, incident: Incident) -> None:
    """Write everything that can change of an incident that is locked."""
    await tx.execute(
        """UPDATE incident SET state = %s, severity = %s, group_key = %s, opened_at = %s, acknowledged_at = %s, acknowledged_by = %s,
               resolved_at = %s, resolved_by = %s, resolve_reason = %s, alert_count = %s, open_alert_count = %s,
               severity_by_person = %s, aside_by = %s, version = %s, type = %s, private = %s, members = %s::text[]
           WHERE id = %s""",
        (
            incident.state,
            incident.severity,
            incident.group_key,
            incident.opened_at,
            incident.acknowledged_at,
            incident.acknowledged_by,
            incident.resolved_at,
            incident.resolved_by,
            incident.resolve_reason,
            incident.alert_count,
            incident.open_alert_count,
            incident.severity_by_person,
            incident.aside_by,
            incident.version,
            incident.type,
            incident.private,
            list(incident.members),
            incident.id,
        ),
    )


async def update_gathering(tx: Tx, incidents: Sequence[Incident]) -> None:
    """Write what alerts that join can change of incidents that are locked."""
    await tx.execute_set(
        """UPDATE incident SET state = given.state, severity = given.severity, acknowledged_by = given.acknowledged_by,
               aside_by = given.aside_by, alert_count = given.alert_count, open_alert_count = given.open_alert_count,
               version = given.version
           FROM unnest(%s::uuid[], %s::text[], %s::smallint[], %s::text[], %s::text[], %s::integer[], %s::integer[], %s::bigint[])
               AS given (id, state, severity, acknowledged_by, aside_by, alert_count, open_alert_count, version)
           WHERE incident.id = given.id""",
        [
            (
                incident.id,
                incident.state.value,
                int(incident.severity),
                incident.acknowledged_by,
                incident.aside_by,
                incident.alert_count,
                incident.open_alert_count,
                incident.version,
            )
            for incident in incidents
        ],
    )


async def note_involved(tx: Tx, involved: Collection[tuple[str, str]]) -> set[str]:
    """Somebody was summoned to an incident, or got a role in it (incident, responder); returns which of these incidents are private.

    Whoever makes one private waits for this, or is waited for.
    """
    pairs = sorted(set(involved))
    rows = await tx.many(
        _PrivacyRow,
        """WITH noted AS (
               INSERT INTO involved (incident_id, responder) SELECT * FROM unnest(%s::uuid[], %s::text[]) ON CONFLICT DO NOTHING)
           SELECT id::text AS id, private FROM incident WHERE id = ANY(%s::uuid[]) ORDER BY incident.id FOR SHARE""",
        ([incident for incident, _ in pairs], [responder for _, responder in pairs], [incident for incident, _ in pairs]),
    )
    return {row.id for row in rows if row.private}


async def involved(tx: Tx, incident_id: str) -> list[str]:
    """Whoever was summoned, or got a role."""
    return await tx.values(str, "SELECT responder FROM involved WHERE incident_id = %s ORDER BY responder", (incident_id,))


async def forget_checks(tx: Tx, before: datetime) -> int:
    """Forget the platform's checks of itself that ended before this instant."""
    return await tx.execute(
        """WITH ended AS (SELECT id FROM incident WHERE service = %s AND number < 0 AND resolved_at < %s),
                forgotten AS (DELETE FROM attached_alert USING ended WHERE incident_id = ended.id),
                forgotten_too AS (DELETE FROM involved USING ended WHERE incident_id = ended.id)
           DELETE FROM incident USING ended WHERE incident.id = ended.id""",
        (WATCHDOG, before),
    )


# Alerts


async def serialize_alerts(tx: Tx, alert_ids: Sequence[str]) -> None:
    """Nobody else handles facts about these alerts until the transaction ends. Everybody locks in the same order."""
    await tx.execute(
        """SELECT pg_advisory_xact_lock(key)
           FROM (SELECT DISTINCT hashtextextended('alert:' || id, 0) AS key FROM unnest(%s::text[]) AS given (id) ORDER BY key) AS alert""",
        (list(alert_ids),),
    )


async def heard_of(tx: Tx, alert_ids: Sequence[str]) -> dict[str, HeardOf]:
    """What was heard of alerts before; those that nothing was heard of are absent."""
    rows = await tx.many(
        HeardOf,
        """SELECT given.id::text AS alert_id, attached.alert_id IS NOT NULL AS placed, early.alert_id IS NOT NULL AS early
           FROM unnest(%s::uuid[]) AS given (id)
               LEFT JOIN attached_alert AS attached ON attached.alert_id = given.id
               LEFT JOIN early_alert AS early ON early.alert_id = given.id
           WHERE attached.alert_id IS NOT NULL OR early.alert_id IS NOT NULL""",
        (list(alert_ids),),
    )
    return {row.alert_id: row for row in rows}


async def placement_of(tx: Tx, alert_id: str) -> Placement | None:
    """Where an alert was placed; None if it was not."""
    return await tx.maybe(
        Placement, "SELECT incident_id::text AS incident_id, open, version FROM attached_alert WHERE alert_id = %s", (alert_id,)
    )


async def incidents_of(tx: Tx, alert_ids: Sequence[str]) -> dict[str, Came]:
    """The incidents that these alerts came into, by the alert; those that were forgotten are absent."""
    rows = await tx.many(
        _CameRow,
        """SELECT alert_id::text AS alert_id, number, CASE WHEN private THEN 'a private incident' ELSE incident.title END AS title,
               service, severity, escalation_policy, opened_at, reason, severity_by_person
           FROM attached_alert JOIN incident ON incident.id = incident_id WHERE alert_id = ANY(%s::uuid[])""",
        (list(alert_ids),),
    )
    return {row.alert_id: row.to_domain() for row in rows}


async def attach_alerts(tx: Tx, alerts: Sequence[tuple[str, AttachedAlert]]) -> None:
    """Write alerts that joined, each with its incident's id."""
    await tx.execute_set(
        """INSERT INTO attached_alert (incident_id, alert_id, title, open, attached_at, reason, source_url, version)
           SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::boolean[], %s::timestamptz[], %s::text[], %s::text[],
               %s::bigint[])""",
        [(incident_id, *astuple(alert)) for incident_id, alert in alerts],
    )


async def update_alert(tx: Tx, alert_id: str, title: str, source_url: str, open: bool, version: int) -> None:
    await tx.execute(
        "UPDATE attached_alert SET title = %s, source_url = %s, open = %s, version = %s WHERE alert_id = %s",
        (title, source_url, open, version, alert_id),
    )


async def alerts_of(tx: Tx, incident_id: str, limit: int) -> list[AttachedAlert]:
    """Newest first."""
    return await tx.many(
        AttachedAlert,
        """SELECT alert_id::text AS alert_id, title, open, attached_at, reason, source_url, version
           FROM attached_alert WHERE incident_id = %s ORDER BY attached_at DESC, attached_alert.alert_id DESC LIMIT %s""",
        (incident_id, limit),
    )


async def alert_ids_of(tx: Tx, incident_id: str) -> list[str]:
    """The alerts of an incident, all of them."""
    return await tx.values(
        str,
        "SELECT alert_id::text FROM attached_alert WHERE incident_id = %s ORDER BY attached_at, attached_alert.alert_id",
        (incident_id,),
    )


async def remember_early(tx: Tx, alert_id: str, version: int, alert: bytes, heard_at: datetime) -> None:
    """Keep what was heard of an alert before its opening; only the newest of it."""
    await tx.execute(
        """INSERT INTO early_alert (alert_id, version, alert, heard_at) VALUES (%s, %s, %s, %s)
           ON CONFLICT (alert_id) DO UPDATE SET version = excluded.version, alert = excluded.alert, heard_at = excluded.heard_at
           WHERE early_alert.version < excluded.version""",
        (alert_id, version, alert, heard_at),
    )


async def take_early(tx: Tx, alert_id: str) -> bytes | None:
    """What was heard of an alert before its opening, once."""
    return await tx.value(bytes, "DELETE FROM early_alert WHERE alert_id = %s RETURNING alert", (alert_id,))


async def forget_early(tx: Tx, before: datetime) -> int:
    """Forget what was heard before this instant of alerts whose opening never came."""
    return await tx.execute("DELETE FROM early_alert WHERE heard_at < %s", (before,))


# The catalogue


async def services(tx: Tx) -> list[Service]:
    """All, by name."""
    rows = await tx.many(
        ServiceRow,
        """SELECT name, display_name, description, team, escalation_policy, runbook_url, depends_on, group_by
           FROM service ORDER BY name""",
    )
    return [row.to_domain() for row in rows]


async def catalogue(tx: Tx) -> tuple[list[Service], list[Route]]:
    """All services by name and all routes in the order in which they are tried, in one question: every batch of alerts asks it."""
    row = await tx.one(
        _CatalogueRow,
        """SELECT coalesce((SELECT json_agg(s) FROM (
                      SELECT name, display_name, description, team, escalation_policy, runbook_url, depends_on, group_by
                      FROM service ORDER BY name) AS s), '[]') AS services,
                  coalesce((SELECT json_agg(r) FROM (
                      SELECT name, position, match, service, severity, incident_type
                      FROM route ORDER BY position, name COLLATE "C") AS r), '[]') AS routes""",
    )
    return [ServiceRow(**each).to_domain() for each in row.services], [RouteRow(**each).to_domain() for each in row.routes]


async def routes(tx: Tx) -> list[Route]:
    """All, in the order in which they are tried."""
    rows = await tx.many(
        RouteRow, 'SELECT name, position, match, service, severity, incident_type FROM route ORDER BY position, name COLLATE "C"'
    )
    return [row.to_domain() for row in rows]


async def lock_catalogue(tx: Tx) -> None:
    """Nobody else changes the catalogue until the transaction ends; everybody can read it."""
    await tx.execute("LOCK TABLE service, route IN SHARE ROW EXCLUSIVE MODE")


async def save_service(tx: Tx, service: Service) -> None:
    await tx.execute(
        """INSERT INTO service (name, display_name, description, team, escalation_policy, runbook_url, depends_on, group_by)
           VALUES (%s, %s, %s, %s, %s, %s, %s::text[], %s::text[])
           ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name, description = excluded.description,
               team = excluded.team, escalation_policy = excluded.escalation_policy, runbook_url = excluded.runbook_url,
               depends_on = excluded.depends_on, group_by = excluded.group_by""",
        (
            service.name,
            service.display_name,
            service.description,
            service.team,
            service.escalation_policy,
            service.runbook_url,
            list(service.depends_on),
            list(service.group_by),
        ),
    )


async def delete_service(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM service WHERE name = %s", (name,))


async def save_route(tx: Tx, route: Route) -> None:
    await tx.execute(
        """INSERT INTO route (name, position, match, service, severity, incident_type) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET position = excluded.position, match = excluded.match, service = excluded.service,
               severity = excluded.severity, incident_type = excluded.incident_type""",
        (route.name, route.position, Jsonb(dict(route.match)), route.service, route.severity, route.incident_type),
    )


async def delete_route(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM route WHERE name = %s", (name,))
