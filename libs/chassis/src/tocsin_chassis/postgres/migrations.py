"""Migrations: numbered SQL files of the chassis and of the service, run by yoyo into the service's schema."""

import importlib.resources
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode, urlsplit, urlunsplit

from yoyo import get_backend, read_migrations
from yoyo.migrations import MigrationList


class SchemaBehind(Exception):
    """The schema lacks migrations that this version needs; the text names them."""


def migrate(url: str, service: str) -> list[str]:
    """Run what has not run yet; returns the names. One process at a time: others wait for the lock."""
    with ExitStack() as stack:
        backend = get_backend(_yoyo_url(url, service))
        stack.callback(backend.connection.close)
        migrations = _migrations(service, stack)
        with backend.lock(timeout=60):
            pending = backend.to_apply(migrations)
            names = [migration.id for migration in pending]
            backend.apply_migrations(pending)
        return names


def require_current(url: str, service: str) -> None:
    """Raises SchemaBehind if a migration of this version has not run.

    A schema that is ahead is fine: versions N and N-1 run side by side.
    """
    with ExitStack() as stack:
        backend = get_backend(_yoyo_url(url, service))
        stack.callback(backend.connection.close)
        missing = [migration.id for migration in backend.to_apply(_migrations(service, stack))]
    if missing:
        raise SchemaBehind(f"the schema of {service} lacks {', '.join(missing)}: run `tocsin-{service} migrate` first")


def _migrations(service: str, stack: ExitStack) -> MigrationList:
    folders = [_folder(package, stack) for package in ("tocsin_chassis.postgres", f"tocsin_{service}")]
    return read_migrations(*(str(folder) for folder in folders))


def _folder(package: str, stack: ExitStack) -> Path:
    return stack.enter_context(importlib.resources.as_file(importlib.resources.files(package) / "migrations"))


def _yoyo_url(url: str, service: str) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode({"schema": service})]))
    return urlunsplit(("postgresql+psycopg", parts.netloc, parts.path, query, ""))
