"""The SQL of noise: silences, windows, rules, and what is counted for them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.types.json import Jsonb

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.alert import Alert
from tocsin_detection.noise.frequency import Count
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.matcher import read_all
from tocsin_detection.noise.silence import Silence
from tocsin_detection.noise.storm import Storm, Tally
from tocsin_detection.noise.window import Window

# A key that very many alerts share is looked at only so far.
MOST_SOURCES = 5


@dataclass(frozen=True, slots=True)
class Definition:
    """An inhibition or a noise rule, as files hold it."""

    kind: str
    name: str
    definition: dict[str, Any]


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """As much of an open alert as matchers see, and its title."""

    id: str
    title: str
    integration: str
    fingerprint: str
    labels: dict[str, str]
    sender_severity: str
    sender_service: str


@dataclass(frozen=True, slots=True)
class Source(OpenAlert):
    """An open alert that may hold others back, found by a rule and the hash of its equal labels."""

    rule: str
    key: str


@dataclass(frozen=True, slots=True)
class OpenedHour:
    """How many alerts that opened within an hour were told, and how many were held back."""

    began: datetime
    told: int
    held: int


@dataclass(frozen=True, slots=True)
class _ExplainedRow:
    rule: str
    key: str


@dataclass(frozen=True, slots=True)
class Openings:
    """How often a thing opened before, about which the alert is."""

    alert_id: str
    openings: int


@dataclass(frozen=True, slots=True)
class _SilenceRow:
    id: str
    matchers: list[str]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    updated_at: datetime
    notice_given: bool
    end_told: bool

    def silence(self) -> Silence:
        return Silence(
            self.id,
            read_all(self.matchers),
            self.starts_at,
            self.ends_at,
            self.created_by,
            self.comment,
            self.updated_at,
            self.notice_given,
            self.end_told,
        )


@dataclass(frozen=True, slots=True)
class _WindowRow:
    name: str
    description: str
    services: list[str]
    matchers: list[str]
    zone: str
    starts_at: datetime
    length: timedelta
    recurrence: str
    created_by: str
    created_at: datetime
    kept_in_files: bool
    closed_at: datetime | None

    def window(self) -> Window:
        return Window(
            self.name,
            self.description,
            tuple(self.services),
            read_all(self.matchers),
            self.zone,
            self.starts_at,
            self.length,
            self.recurrence,
            self.created_by,
            self.created_at,
            self.kept_in_files,
            self.closed_at,
        )


@dataclass(frozen=True, slots=True)
class _CountRow:
    integration: str
    fingerprint: str
    alert_id: str
    occurrences: int
    marks: list[datetime]

    def count(self) -> Count:
        return Count(self.integration, self.fingerprint, self.alert_id, self.occurrences, tuple(self.marks))


@dataclass(frozen=True, slots=True)
class _Episode:
    id: str
    integration: str
    fingerprint: str
    title: str
    labels: dict[str, str]
    sender_severity: str
    sender_service: str
    starts_at: datetime
    opened_at: datetime
    last_signal_at: datetime
    resolved_at: datetime | None
    occurrences: int
    told: bool

    def alert(self) -> Alert:
        return Alert(
            id=self.id,
            integration=self.integration,
            fingerprint=self.fingerprint,
            title=self.title,
            description="",
            labels=self.labels,
            annotations={},
            source_url="",
            sender_severity=self.sender_severity,
            sender_service=self.sender_service,
            starts_at=self.starts_at,
            ends_at=None,
            ends_by_timeout=False,
            opened_at=self.opened_at,
            last_signal_at=self.last_signal_at,
            resolved_at=self.resolved_at,
            occurrences=self.occurrences,
            told=self.told,
        )


async def version(tx: Tx) -> int:
    """How often rules were changed."""
    return await tx.value(int, "SELECT version FROM noise_version") or 0


async def count_change(tx: Tx) -> None:
    """Say that rules change with this transaction. Who changes rules at the same time waits here."""
    await tx.execute("UPDATE noise_version SET version = version + 1")


async def silences(tx: Tx, ending_after: datetime) -> list[Silence]:
    """All that had not ended then."""
    rows = await tx.many(
        _SilenceRow,
        """SELECT id::text AS id, matchers, starts_at, ends_at, created_by, comment, updated_at, notice_given, end_told
           FROM silence WHERE ends_at > %s ORDER BY ends_at, silence.id""",
        (ending_after,),
    )
    return [row.silence() for row in rows]


async def expired_silences(tx: Tx, now: datetime, limit: int) -> list[Silence]:
    """Those that ended last."""
    rows = await tx.many(
        _SilenceRow,
        """SELECT id::text AS id, matchers, starts_at, ends_at, created_by, comment, updated_at, notice_given, end_told
           FROM silence WHERE ends_at <= %s ORDER BY ends_at DESC, silence.id LIMIT %s""",
        (now, limit),
    )
    return [row.silence() for row in rows]


async def lock_silence(tx: Tx, silence_id: str) -> Silence | None:
    row = await tx.maybe(
        _SilenceRow,
        """SELECT id::text AS id, matchers, starts_at, ends_at, created_by, comment, updated_at, notice_given, end_told
           FROM silence WHERE id = %s FOR UPDATE""",
        (silence_id,),
    )
    return row.silence() if row is not None else None


async def lock_ending_silences(tx: Tx, now: datetime, soon: datetime, limit: int) -> list[Silence]:
    """Lock some of those whose end is to be told, or announced if it comes before `soon`. Those locked by another are left to it."""
    rows = await tx.many(
        _SilenceRow,
        """SELECT id::text AS id, matchers, starts_at, ends_at, created_by, comment, updated_at, notice_given, end_told
           FROM silence WHERE ends_at <= %s AND NOT end_told AND (ends_at <= %s OR NOT notice_given)
           ORDER BY ends_at LIMIT %s FOR UPDATE SKIP LOCKED""",
        (soon, now, limit),
    )
    return [row.silence() for row in rows]


async def save_silence(tx: Tx, silence: Silence) -> None:
    """Make it, or write everything that can change of it."""
    await tx.execute(
        """INSERT INTO silence (id, matchers, starts_at, ends_at, created_by, comment, updated_at, notice_given, end_told)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (id) DO UPDATE SET starts_at = excluded.starts_at, ends_at = excluded.ends_at, comment = excluded.comment,
               updated_at = excluded.updated_at, notice_given = excluded.notice_given, end_told = excluded.end_told""",
        (
            silence.id,
            [str(matcher) for matcher in silence.matchers],
            silence.starts_at,
            silence.ends_at,
            silence.created_by,
            silence.comment,
            silence.updated_at,
            silence.notice_given,
            silence.end_told,
        ),
    )


async def count_held(tx: Tx, rules: Sequence[str]) -> Mapping[str, int]:
    """How many open alerts each of these rules, by id or name, holds back. None of them is of a flood: that needs no other reason."""
    rows = await tx.many(
        Openings,
        """SELECT rule.name AS alert_id, (
               SELECT count(*) FROM alert WHERE NOT told AND (holds -> 0 ->> 'kind') <> 'STORM'
                   AND holds @> jsonb_build_array(jsonb_build_object('rule', rule.name))
           ) AS openings FROM unnest(%s::text[]) AS rule (name)""",
        (list(rules),),
    )
    return {row.alert_id: row.openings for row in rows}


async def windows(tx: Tx) -> list[Window]:
    """All, by name."""
    rows = await tx.many(
        _WindowRow,
        """SELECT name, description, services, matchers, zone, starts_at, length, recurrence, created_by, created_at, kept_in_files,
               closed_at FROM maintenance_window ORDER BY name""",
    )
    return [row.window() for row in rows]


async def save_window(tx: Tx, window: Window) -> None:
    await tx.execute(
        """INSERT INTO maintenance_window (name, description, services, matchers, zone, starts_at, length, recurrence, created_by,
               created_at, kept_in_files, closed_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET description = excluded.description, services = excluded.services, matchers = excluded.matchers,
               zone = excluded.zone, starts_at = excluded.starts_at, length = excluded.length, recurrence = excluded.recurrence,
               created_by = excluded.created_by, kept_in_files = excluded.kept_in_files, closed_at = excluded.closed_at""",
        (
            window.name,
            window.description,
            list(window.services),
            [str(matcher) for matcher in window.matchers],
            window.zone,
            window.starts_at,
            window.length,
            window.recurrence,
            window.created_by,
            window.created_at,
            window.kept_in_files,
            window.closed_at,
        ),
    )


async def delete_window(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM maintenance_window WHERE name = %s", (name,))


async def definitions(tx: Tx) -> list[Definition]:
    """All inhibitions and noise rules, by name."""
    return await tx.many(Definition, "SELECT kind, name, definition FROM noise_rule ORDER BY kind, name")


async def save_definition(tx: Tx, given: Definition) -> None:
    await tx.execute(
        """INSERT INTO noise_rule (kind, name, definition) VALUES (%s, %s, %s)
           ON CONFLICT (kind, name) DO UPDATE SET definition = excluded.definition""",
        (given.kind, given.name, Jsonb(given.definition)),
    )


async def delete_definition(tx: Tx, kind: str, name: str) -> None:
    await tx.execute("DELETE FROM noise_rule WHERE kind = %s AND name = %s", (kind, name))


async def note_sources(tx: Tx, found: Sequence[tuple[Inhibition, str, str]]) -> None:
    """Note open alerts that may hold others back: the rule, the hash of the equal labels, the alert's id.

    Where that is news, those that were told before are looked at soon (`take_newly_explained`).
    """
    await tx.execute(
        """WITH noted AS (
               INSERT INTO noise_source (rule, key, alert_id)
               SELECT * FROM unnest(%s::text[], %s::text[], %s::uuid[]) AS given (rule, key, id)
               ORDER BY rule, key, id ON CONFLICT DO NOTHING RETURNING rule, key
           )
           INSERT INTO noise_newly_explained (rule, key) SELECT DISTINCT rule, key FROM noted ORDER BY rule, key ON CONFLICT DO NOTHING""",
        ([rule.name for rule, _, _ in found], [key for _, key, _ in found], [alert_id for _, _, alert_id in found]),
    )


async def sources(tx: Tx, wanted: Iterable[tuple[str, str]]) -> list[Source]:
    """Open alerts that may hold others back, for each of these rules and hashes."""
    pairs = sorted(set(wanted))
    return await tx.many(
        Source,
        """SELECT given.rule, given.key, found.* FROM unnest(%s::text[], %s::text[]) AS given (rule, key), LATERAL (
               SELECT alert.id::text AS id, title, integration, fingerprint, labels, sender_severity, sender_service
               FROM noise_source JOIN alert ON alert.id = noise_source.alert_id
               WHERE noise_source.rule = given.rule AND noise_source.key = given.key LIMIT %s
           ) AS found""",
        ([rule for rule, _ in pairs], [key for _, key in pairs], MOST_SOURCES),
    )


async def take_newly_explained(tx: Tx, limit: int) -> list[tuple[str, str]]:
    """Some rules and hashes for which an alert has begun to explain others. Those locked by another are left to it."""
    rows = await tx.many(
        _ExplainedRow,
        """DELETE FROM noise_newly_explained WHERE (rule, key) IN (
               SELECT rule, key FROM noise_newly_explained ORDER BY rule, key LIMIT %s FOR UPDATE SKIP LOCKED
           ) RETURNING rule, key""",
        (limit,),
    )
    return [(row.rule, row.key) for row in rows]


async def told_alerts(tx: Tx, labels: Mapping[str, str], limit: int) -> list[OpenAlert]:
    """Open alerts that were told, are not put aside and have these labels, the newest first."""
    return await tx.many(
        OpenAlert,
        """SELECT id::text AS id, title, integration, fingerprint, labels, sender_severity, sender_service FROM alert
           WHERE told AND snoozed_until IS NULL AND holds = '[]' AND labels @> %s ORDER BY opened_at DESC LIMIT %s""",
        (Jsonb(dict(labels)), limit),
    )


async def judge_again(tx: Tx, alert_ids: Sequence[str], now: datetime) -> None:
    """Have open alerts judged again, in one order for all."""
    await tx.execute(
        """UPDATE alert SET reconsider_at = %s FROM (SELECT id FROM alert WHERE id = ANY(%s::uuid[]) ORDER BY id FOR UPDATE) AS given
           WHERE alert.id = given.id""",
        (now, list(alert_ids)),
    )


async def open_alerts(tx: Tx, after: str, limit: int) -> list[OpenAlert]:
    """Open alerts after an id (empty: from the first on), by id."""
    return await tx.many(
        OpenAlert,
        """SELECT id::text AS id, title, integration, fingerprint, labels, sender_severity, sender_service
           FROM alert WHERE id > coalesce(nullif(%s, '')::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY alert.id LIMIT %s""",
        (after, limit),
    )


async def source_ids(tx: Tx, rules: Sequence[str]) -> list[str]:
    """The ids of the alerts that may hold others back by these rules."""
    return await tx.values(str, "SELECT DISTINCT alert_id::text FROM noise_source WHERE rule = ANY(%s)", (list(rules),))


async def forget_sources(tx: Tx) -> None:
    """Forget which alerts may hold others back: the rules are other ones now."""
    await tx.execute("DELETE FROM noise_source")


async def forget_ended_sources(tx: Tx) -> None:
    await tx.execute("DELETE FROM noise_source WHERE NOT EXISTS (SELECT FROM alert WHERE alert.id = noise_source.alert_id)")


async def openings(tx: Tx, asked: Sequence[tuple[str, str, str, datetime, datetime]]) -> Mapping[str, int]:
    """How often things opened and ended within a time: for each (alert's id, integration, fingerprint, since, before), by that id."""
    rows = await tx.many(
        Openings,
        """SELECT given.id AS alert_id, (
               SELECT count(*) FROM resolved_alert
               WHERE integration = given.integration AND fingerprint = given.fingerprint
                 AND resolved_at >= given.since AND opened_at >= given.since AND opened_at <= given.before
           ) AS openings
           FROM unnest(%s::text[], %s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
               AS given (id, integration, fingerprint, since, before)""",
        tuple(list(column) for column in zip(*asked, strict=True)),
    )
    return {row.alert_id: row.openings for row in rows}


async def counts(tx: Tx, things: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], Count]:
    """What is counted of things, each an integration and a fingerprint."""
    rows = await tx.many(
        _CountRow,
        """SELECT integration, fingerprint, alert_id::text AS alert_id, occurrences, marks FROM noise_count
           WHERE (integration, fingerprint) IN (SELECT * FROM unnest(%s::text[], %s::text[]))""",
        ([integration for integration, _ in things], [fingerprint for _, fingerprint in things]),
    )
    return {(row.integration, row.fingerprint): row.count() for row in rows}


async def save_counts(tx: Tx, given: Sequence[Count], now: datetime) -> None:
    await tx.execute_many(
        """INSERT INTO noise_count (integration, fingerprint, alert_id, occurrences, marks, counted_at) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (integration, fingerprint) DO UPDATE SET alert_id = excluded.alert_id, occurrences = excluded.occurrences,
               marks = excluded.marks, counted_at = excluded.counted_at""",
        [(count.integration, count.fingerprint, count.alert_id, count.occurrences, list(count.marks), now) for count in given],
    )


async def forget_counts(tx: Tx, before: datetime) -> None:
    await tx.execute("DELETE FROM noise_count WHERE counted_at < %s", (before,))


async def storms_now(tx: Tx) -> list[Storm]:
    """All that have not ended."""
    return await tx.many(
        Storm,
        """SELECT id::text AS id, integration, rule, alerts, within, service, started_at, ended_at, alert_id, release_at
           FROM storm WHERE ended_at IS NULL ORDER BY integration""",
    )


async def find_storm(tx: Tx, storm_id: str) -> Storm | None:
    return await tx.maybe(
        Storm,
        """SELECT id::text AS id, integration, rule, alerts, within, service, started_at, ended_at, alert_id, release_at
           FROM storm WHERE id = %s""",
        (storm_id,),
    )


async def begin_storm(tx: Tx, storm: Storm) -> bool:
    """False if another one of the integration has just begun."""
    begun = await tx.execute(
        """INSERT INTO storm (id, integration, rule, alerts, within, service, started_at, alert_id)
           VALUES (%s, %s, %s, %s, %s, %s, %s, '') ON CONFLICT (integration) WHERE ended_at IS NULL DO NOTHING""",
        (storm.id, storm.integration, storm.rule, storm.alerts, storm.within, storm.service, storm.started_at),
    )
    return begun == 1


async def lock_storm(tx: Tx, storm_id: str, unless_summarised_after: datetime) -> Storm | None:
    """Lock a storm that goes on and is due to be looked at. One that is locked by another is left to it."""
    return await tx.maybe(
        Storm,
        """SELECT id::text AS id, integration, rule, alerts, within, service, started_at, ended_at, alert_id, release_at
           FROM storm WHERE id = %s AND ended_at IS NULL AND (summarised_at IS NULL OR summarised_at <= %s)
           FOR NO KEY UPDATE SKIP LOCKED""",
        (storm_id, unless_summarised_after),
    )


async def save_storm(tx: Tx, storm: Storm, now: datetime) -> None:
    await tx.execute(
        "UPDATE storm SET ended_at = %s, alert_id = %s, release_at = %s, summarised_at = %s WHERE id = %s",
        (storm.ended_at, storm.alert_id, storm.release_at, now, storm.id),
    )


async def release_storms(tx: Tx, now: datetime) -> list[str]:
    """The ids of storms whose alerts are to be told one by one from now on."""
    return await tx.values(
        str, "UPDATE storm SET released = true WHERE release_at <= %s AND NOT released AND ended_at IS NOT NULL RETURNING id::text", (now,)
    )


async def released_storms(tx: Tx, ids: Sequence[str]) -> set[str]:
    """Those of these storms whose alerts are told one by one."""
    return set(await tx.values(str, "SELECT id::text FROM storm WHERE id = ANY(%s::uuid[]) AND released", (list(ids),)))


async def forget_storms(tx: Tx, before: datetime) -> None:
    await tx.execute("DELETE FROM storm WHERE ended_at < %s", (before,))


async def passed_services(tx: Tx, storm_id: str) -> set[str]:
    """The services one of whose alerts has woken somebody."""
    return set(await tx.values(str, "SELECT service FROM storm_service WHERE storm_id = %s", (storm_id,)))


async def let_pass(tx: Tx, storm_id: str, services: Iterable[str]) -> set[str]:
    """Let one alert pass for each of these services; returns those for which none had."""
    new = await tx.values(
        str,
        """INSERT INTO storm_service (storm_id, service) SELECT %s, service FROM unnest(%s::text[]) AS given (service) ORDER BY service
           ON CONFLICT DO NOTHING RETURNING service""",
        (storm_id, sorted(services)),
    )
    return set(new)


async def add_tallies(tx: Tx, storm_id: str, given: Sequence[Tally]) -> None:
    """Add to what a storm has held back."""
    ordered = sorted(given, key=lambda tally: (tally.service, tally.severity))
    await tx.execute(
        """INSERT INTO storm_tally (storm_id, service, severity, alerts)
           SELECT %s, service, severity, alerts FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS given (service, severity, alerts)
           WHERE EXISTS (SELECT FROM storm WHERE id = %s)
           ON CONFLICT (storm_id, service, severity) DO UPDATE SET alerts = storm_tally.alerts + excluded.alerts""",
        (
            storm_id,
            [tally.service for tally in ordered],
            [tally.severity for tally in ordered],
            [tally.alerts for tally in ordered],
            storm_id,
        ),
    )


async def tallies(tx: Tx, storm_id: str) -> list[Tally]:
    return await tx.many(Tally, "SELECT service, severity, alerts FROM storm_tally WHERE storm_id = %s", (storm_id,))


async def count_opened(tx: Tx, integration: str, since: datetime, most: int) -> int:
    """How many alerts an integration opened since then; counted as far as `most`."""
    return (
        await tx.value(
            int,
            """SELECT count(*) FROM (
                   SELECT FROM alert WHERE opened_at > %(since)s AND integration = %(integration)s
                   UNION ALL SELECT FROM resolved_alert
                   WHERE resolved_at > %(since)s AND opened_at > %(since)s AND integration = %(integration)s
                   LIMIT %(most)s
               ) AS opened""",
            {"since": since, "integration": integration, "most": most},
        )
        or 0
    )


async def opened_by_hour(tx: Tx, since: datetime) -> list[OpenedHour]:
    """How many alerts opened in each hour since the beginning of one, where any did."""
    return await tx.many(
        OpenedHour,
        """SELECT date_bin('1 hour', opened_at, %(since)s) AS began, count(*) FILTER (WHERE told) AS told,
               count(*) FILTER (WHERE NOT told) AS held
           FROM (SELECT opened_at, told FROM alert WHERE opened_at >= %(since)s
                 UNION ALL SELECT opened_at, told FROM resolved_alert WHERE resolved_at >= %(since)s AND opened_at >= %(since)s) AS opened
           GROUP BY 1 ORDER BY 1""",
        {"since": since},
    )


async def count_episodes(tx: Tx, since: datetime) -> int:
    """How many alerts opened since then."""
    return (
        await tx.value(
            int,
            """SELECT (SELECT count(*) FROM alert WHERE opened_at >= %(since)s)
                 + (SELECT count(*) FROM resolved_alert WHERE resolved_at >= %(since)s AND opened_at >= %(since)s)""",
            {"since": since},
        )
        or 0
    )


async def episodes(tx: Tx, after: tuple[datetime, str], until: datetime, limit: int) -> list[Alert]:
    """Alerts as simulations need them, in the order in which they opened: those after an instant and id."""
    opened_at, alert_id = after
    rows = await tx.many(
        _Episode,
        """SELECT * FROM (
               (SELECT id::text AS id, integration, fingerprint, title, labels, sender_severity, sender_service, starts_at, opened_at,
                    last_signal_at, resolved_at, occurrences, told
                FROM alert WHERE (opened_at, id) > (%(opened_at)s, %(id)s::uuid) AND opened_at <= %(until)s
                ORDER BY opened_at, alert.id LIMIT %(limit)s)
               UNION ALL
               (SELECT id::text AS id, integration, fingerprint, title, labels, sender_severity, sender_service, starts_at, opened_at,
                    last_signal_at, resolved_at, occurrences, told
                FROM resolved_alert WHERE (opened_at, id) > (%(opened_at)s, %(id)s::uuid) AND opened_at <= %(until)s
                ORDER BY opened_at, resolved_alert.id LIMIT %(limit)s)
           ) AS episode ORDER BY opened_at, id LIMIT %(limit)s""",
        {"opened_at": opened_at, "id": alert_id, "until": until, "limit": limit},
    )
    return [row.alert() for row in rows]


async def episodes_before(tx: Tx, since: datetime, after: str, limit: int) -> list[Alert]:
    """Alerts that opened before an instant and were open then, by id."""
    rows = await tx.many(
        _Episode,
        """SELECT id::text AS id, integration, fingerprint, title, labels, sender_severity, sender_service, starts_at, opened_at,
               last_signal_at, resolved_at, occurrences, told
           FROM (SELECT id, integration, fingerprint, title, labels, sender_severity, sender_service, starts_at, opened_at,
                     last_signal_at, resolved_at, occurrences, told FROM alert WHERE opened_at < %(since)s
                 UNION ALL
                 SELECT id, integration, fingerprint, title, labels, sender_severity, sender_service, starts_at, opened_at,
                     last_signal_at, resolved_at, occurrences, told
                 FROM resolved_alert WHERE resolved_at > %(since)s AND opened_at < %(since)s) AS episode
           WHERE id > coalesce(nullif(%(after)s, '')::uuid, '00000000-0000-0000-0000-000000000000') ORDER BY episode.id LIMIT %(limit)s""",
        {"since": since, "after": after, "limit": limit},
    )
    return [row.alert() for row in rows]
