"""Fixtures of the edge's tests."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tocsin_testkit.world import World

sys.path.append(str(Path(__file__).parent))

from edge_harness import Edge, running_edge


@pytest_asyncio.fixture(name="door")
async def _door(world: World, tmp_path: Path) -> AsyncIterator[Edge]:
    """A running edge."""
    async with running_edge(world, tmp_path) as running:
        yield running
