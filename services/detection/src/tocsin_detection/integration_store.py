"""The SQL of integrations."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from tocsin_chassis.postgres.database import Tx
from tocsin_detection.integration import InsufficientData, Integration, Options, RateLimit
from tocsin_detection.integration import Mapping as FieldMapping


@dataclass(frozen=True, slots=True)
class Stored:
    """An integration as it lies in the table: its secrets sealed, under one key, or from before they were."""

    integration: Integration
    secrets_key: str
    sealed: tuple[bytes, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    kind: str
    service: str
    description: str
    created_at: datetime
    last_report_at: datetime | None
    options: Mapping[str, Any]
    secrets: Sequence[str]
    secrets_key: str
    sealed_secrets: Sequence[bytes]

    def integration(self) -> Integration:
        return Integration(
            self.name,
            self.kind,
            self.service,
            self.description,
            self.created_at,
            self.last_report_at,
            options_of(self.options),
            len(self.sealed_secrets) + len(self.secrets),
        )

    def stored(self) -> Stored:
        return Stored(self.integration(), self.secrets_key, tuple(map(bytes, self.sealed_secrets)), tuple(self.secrets))


@dataclass(frozen=True, slots=True)
class _KeyRow:
    name: str
    key_hash: bytes


async def integration_by_key(tx: Tx, key_hash: bytes) -> Stored | None:
    row = await tx.maybe(
        _Row,
        """SELECT name, kind, service, description, created_at, last_report_at, options, secrets, secrets_key, sealed_secrets
           FROM integration WHERE key_hash = %s""",
        (key_hash,),
    )
    return row.stored() if row else None


async def integrations(tx: Tx) -> list[Integration]:
    """All, by name."""
    rows = await tx.many(
        _Row,
        """SELECT name, kind, service, description, created_at, last_report_at, options, secrets, secrets_key, sealed_secrets
           FROM integration ORDER BY name""",
    )
    return [row.integration() for row in rows]


async def lock_integrations(tx: Tx) -> list[Integration]:
    """All, by name; nobody else changes any until the transaction ends."""
    await tx.execute("LOCK TABLE integration IN SHARE ROW EXCLUSIVE MODE")
    return await integrations(tx)


async def lock_integration(tx: Tx, name: str) -> Stored | None:
    """One integration; nobody else changes it until the transaction ends."""
    row = await tx.maybe(
        _Row,
        """SELECT name, kind, service, description, created_at, last_report_at, options, secrets, secrets_key, sealed_secrets
           FROM integration WHERE name = %s FOR UPDATE""",
        (name,),
    )
    return row.stored() if row else None


async def lock_sealed_otherwise(tx: Tx, key: str) -> list[Stored]:
    """The integrations whose secrets are not sealed under this key, by name; nobody else changes them until the transaction ends."""
    rows = await tx.many(
        _Row,
        """SELECT name, kind, service, description, created_at, last_report_at, options, secrets, secrets_key, sealed_secrets
           FROM integration WHERE cardinality(secrets) > 0 OR (cardinality(sealed_secrets) > 0 AND secrets_key <> %s)
           ORDER BY name FOR UPDATE""",
        (key,),
    )
    return [row.stored() for row in rows]


async def save_integration(tx: Tx, integration: Integration) -> None:
    """Make it, or give it this kind, service, description and options; its key and its secrets stay."""
    await tx.execute(
        """INSERT INTO integration (name, kind, service, description, created_at, options) VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, service = excluded.service, description = excluded.description,
               options = excluded.options""",
        (
            integration.name,
            integration.kind,
            integration.service,
            integration.description,
            integration.created_at,
            json.dumps(asdict(integration.options)),
        ),
    )


async def delete_integration(tx: Tx, name: str) -> None:
    await tx.execute("DELETE FROM integration WHERE name = %s", (name,))


async def key_hashes(tx: Tx) -> dict[str, bytes]:
    """The hashes of the keys that open integrations, by name."""
    rows = await tx.many(_KeyRow, "SELECT name, key_hash FROM integration WHERE key_hash IS NOT NULL")
    return {row.name: bytes(row.key_hash) for row in rows}


async def replace_key(tx: Tx, name: str, key_hash: bytes) -> None:
    """Give an integration another key."""
    await tx.execute("UPDATE integration SET key_hash = %s WHERE name = %s", (key_hash, name))


async def replace_secrets(tx: Tx, name: str, key: str, sealed: Sequence[bytes]) -> None:
    """Give an integration these secrets and no others."""
    await tx.execute(
        "UPDATE integration SET secrets = '{}', secrets_key = %s, sealed_secrets = %s::bytea[] WHERE name = %s", (key, list(sealed), name)
    )


async def note_reports(tx: Tx, heard: Mapping[str, datetime]) -> None:
    """Note when integrations, by name, last had a report."""
    await tx.execute(
        """UPDATE integration SET last_report_at = greatest(last_report_at, heard.at)
           FROM unnest(%s::text[], %s::timestamptz[]) AS heard (name, at) WHERE integration.name = heard.name""",
        (list(heard), list(heard.values())),
    )


def options_of(stored: Mapping[str, Any]) -> Options:
    """The options as they lie in the database. What another version wrote beside them is left out."""
    mapping, rate_limit = stored.get("mapping"), stored.get("rate_limit")
    return Options(
        mapping=FieldMapping(**{name: mapping[name] for name in FieldMapping.__slots__ if name in mapping}) if mapping else None,
        allowed_topics=tuple(stored.get("allowed_topics", ())),
        accepts_batches=stored.get("accepts_batches", False),
        insufficient_data=InsufficientData(stored.get("insufficient_data", InsufficientData.NOTHING)),
        rate_limit=RateLimit(rate_limit["per_second"], rate_limit["burst"]) if rate_limit else None,
        requires_signature=stored.get("requires_signature", False),
    )
