"""Playbooks and their versions, in the database."""

from dataclasses import dataclass
from datetime import datetime

from tocsin_chassis.postgres.database import Tx


@dataclass(frozen=True, slots=True)
class Version:
    """A playbook as it was kept once."""

    playbook: str
    version: int
    cacao_id: str
    title: str
    description: str
    content: str
    sha256: str
    put_by: str
    put_at: datetime
    retired: bool
    last_dry_run_at: datetime | None


async def lock_newest(tx: Tx, name: str) -> int:
    """The newest version's number, locked for the rest of the transaction; 0 if there is no such playbook."""
    return await tx.value(int, "SELECT version FROM playbook WHERE name = %s FOR UPDATE", (name,)) or 0


async def load(tx: Tx, name: str, version: int = 0) -> Version | None:
    """A version; 0: the newest."""
    return await tx.maybe(
        Version,
        """SELECT v.playbook, v.version, v.cacao_id, v.title, v.description, v.content, v.sha256, v.put_by, v.put_at, p.retired,
               p.last_dry_run_at
           FROM playbook AS p JOIN playbook_version AS v ON v.playbook = p.name AND v.version = coalesce(nullif(%s, 0), p.version)
           WHERE p.name = %s""",
        (version, name),
    )


async def insert(tx: Tx, version: Version) -> None:
    """Keep a new version, which is the newest from now on."""
    await tx.execute(
        """INSERT INTO playbook (name, version) VALUES (%s, %s)
           ON CONFLICT (name) DO UPDATE SET version = excluded.version, retired = false""",
        (version.playbook, version.version),
    )
    await tx.execute(
        """INSERT INTO playbook_version (playbook, version, cacao_id, title, description, content, sha256, put_by, put_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            version.playbook,
            version.version,
            version.cacao_id,
            version.title,
            version.description,
            version.content,
            version.sha256,
            version.put_by,
            version.put_at,
        ),
    )


async def retire(tx: Tx, name: str, *, retired: bool) -> None:
    """Begin no run by it any more, or again."""
    await tx.execute("UPDATE playbook SET retired = %s WHERE name = %s AND retired <> %s", (retired, name, retired))


async def note_dry_run(tx: Tx, name: str, at: datetime) -> None:
    """It was tried."""
    await tx.execute("UPDATE playbook SET last_dry_run_at = %s WHERE name = %s", (at, name))


async def called(tx: Tx, name: str) -> str | None:
    """The playbook that others call by this name of ours, or by this id of CACAO."""
    return await tx.value(
        str,
        """SELECT p.name FROM playbook AS p JOIN playbook_version AS v ON v.playbook = p.name AND v.version = p.version
           WHERE p.name = %(name)s OR v.cacao_id = %(name)s ORDER BY p.name <> %(name)s, p.name LIMIT 1""",
        {"name": name},
    )


async def list_newest(tx: Tx, after: str, limit: int) -> list[Version]:
    """A page of the newest versions, by name, without their texts."""
    return await tx.many(
        Version,
        """SELECT v.playbook, v.version, v.cacao_id, v.title, v.description, '' AS content, v.sha256, v.put_by, v.put_at, p.retired,
               p.last_dry_run_at
           FROM playbook AS p JOIN playbook_version AS v ON v.playbook = p.name AND v.version = p.version
           WHERE p.name > %s ORDER BY p.name LIMIT %s""",
        (after, limit),
    )


async def load_newest(tx: Tx) -> list[Version]:
    """All newest versions that are not retired, with their texts."""
    return await tx.many(
        Version,
        """SELECT v.playbook, v.version, v.cacao_id, v.title, v.description, v.content, v.sha256, v.put_by, v.put_at, p.retired,
               p.last_dry_run_at
           FROM playbook AS p JOIN playbook_version AS v ON v.playbook = p.name AND v.version = p.version
           WHERE NOT p.retired ORDER BY p.name""",
    )


async def list_versions(tx: Tx, name: str, before: int, limit: int) -> list[Version]:
    """A page of the versions of a playbook, newest first, without their texts."""
    return await tx.many(
        Version,
        """SELECT v.playbook, v.version, v.cacao_id, v.title, v.description, '' AS content, v.sha256, v.put_by, v.put_at, p.retired,
               p.last_dry_run_at
           FROM playbook AS p JOIN playbook_version AS v ON v.playbook = p.name
           WHERE p.name = %s AND v.version < %s ORDER BY v.version DESC LIMIT %s""",
        (name, before, limit),
    )
