"""The pytest fixtures: `servers` for the session, `world` for each test."""

import importlib.util
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql

from tocsin_chassis.postgres.migrations import migrate
from tocsin_testkit.platform import Platform
from tocsin_testkit.platform import platform as running_platform
from tocsin_testkit.servers import SERVICES, Servers, servers
from tocsin_testkit.world import Keys, World, empty_streams

TEMPLATE = "template_tocsin"
_numbers = itertools.count(1)


@pytest.fixture(scope="session", name="servers")
def _servers() -> Iterator[Servers]:
    """PostgreSQL and NATS, started once, with every installed service's schema migrated in a template database."""
    with servers() as started:
        with psycopg.connect(started.postgres_url("postgres"), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        with psycopg.connect(started.postgres_url(TEMPLATE), autocommit=True) as connection:
            for service in SERVICES:
                role = sql.Identifier(f"tocsin_{service}")
                connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(service), role))
        for service in SERVICES:
            if importlib.util.find_spec(f"tocsin_{service}") is not None:
                migrate(started.postgres_url(TEMPLATE, f"tocsin_{service}"), service)
        yield started


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Signing keys of every service."""
    return Keys(Path(tmp_path_factory.mktemp("keys")))


@pytest_asyncio.fixture
async def world(servers: Servers, keys: Keys) -> AsyncIterator[World]:
    """A database of its own, empty streams, and a clock that stands still."""
    database = f"world_{next(_numbers)}"
    with psycopg.connect(servers.postgres_url("postgres"), autocommit=True) as connection:
        # Copying files takes a third of the time that writing every block through the log does, where nothing is flushed.
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(statement.format(sql.Identifier(database), sql.Identifier(TEMPLATE)))
    async with empty_streams(servers) as jetstream:
        yield World(servers, database, keys, jetstream)
    with psycopg.connect(servers.postgres_url("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database)))


@pytest_asyncio.fixture
async def platform(world: World) -> AsyncIterator[Platform]:
    """All six services in this process, with the world's clock and a mail server."""
    async with running_platform(world) as started:
        yield started
