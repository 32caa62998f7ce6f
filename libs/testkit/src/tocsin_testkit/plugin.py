"""The pytest fixtures: `servers` for the session, `world` for each test."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
import pytest_asyncio

from tocsin_testkit.platform import Platform
from tocsin_testkit.platform import platform as running_platform
from tocsin_testkit.servers import Servers, servers
from tocsin_testkit.template import copy_template, drop, make_template
from tocsin_testkit.world import Keys, World, empty_streams

_numbers = itertools.count(1)


@pytest.fixture(scope="session", name="servers")
def _servers() -> Iterator[Servers]:
    """PostgreSQL and NATS, started once, with every installed service's schema migrated in a template database."""
    with servers() as started:
        make_template(started)
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
        copy_template(connection, database)
    async with empty_streams(servers) as jetstream:
        yield World(servers, database, keys, jetstream)
    with psycopg.connect(servers.postgres_url("postgres"), autocommit=True) as connection:
        drop(connection, database)


@pytest_asyncio.fixture
async def platform(world: World) -> AsyncIterator[Platform]:
    """All six services in this process, with the world's clock and a mail server."""
    async with running_platform(world) as started:
        yield started
