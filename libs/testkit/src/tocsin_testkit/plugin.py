"""The pytest fixtures: `servers` for the session, `world` for each test."""

import gc
import itertools
import os
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import psycopg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

from tocsin_testkit.platform import Platform
from tocsin_testkit.platform import platform as running_platform
from tocsin_testkit.servers import Servers, servers
from tocsin_testkit.template import copy_template, drop, make_template
from tocsin_testkit.world import Keys, World, empty_streams

if TYPE_CHECKING:
    from tocsin_testkit.spreading import LongestFirst

Found = TypeVar("Found")
_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """A law holds or does not: how long its examples take on a busy machine is no part of it. A gate (CI) asks about the same examples
    each time, so that it refuses a change for what the change did; every other run looks for new ones."""
    settings.register_profile("tocsin", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize="CI" in os.environ)
    settings.load_profile("tocsin")
    if worker := getattr(config, "workerinput", None):
        config.pluginmanager.register(Reading(config, int(worker["workerid"].removeprefix("gw")), worker["workercount"]))


class Reading:
    """The order in which one of several workers reads the folders with tests."""

    def __init__(self, config: pytest.Config, number: int, of: int) -> None:
        self.number = number
        self.of = of
        config.args = self._turned(config.args)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        report = yield
        if isinstance(collector, pytest.Directory):
            report.result = self._turned(report.result)
        return report

    def _turned(self, found: Sequence[Found]) -> list[Found]:
        from tocsin_testkit.spreading import turned

        return turned(found, self.number, self.of)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> "LongestFirst | None":
    """The order of several workers, where `--dist loadfile` asks for files."""
    from tocsin_testkit.spreading import LongestFirst

    return LongestFirst(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Only in a worker: alone, tests run in the order in which they are written."""
    if hasattr(config, "workerinput"):
        from tocsin_testkit.spreading import longest_first

        items[:] = longest_first(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """What has been loaded stays until the end: looking at it again and again took an eighth of the processor."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


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
