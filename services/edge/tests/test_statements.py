"""Every statement of the store is valid in the migrated schema."""

import ast
import itertools
import re
from pathlib import Path

import psycopg

from tocsin_edge import store
from tocsin_testkit.world import World


def statements() -> list[str]:
    tree = ast.parse(Path(store.__file__).read_text())
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for text in texts if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)\b", text)]


async def test_every_statement_can_be_prepared(world: World) -> None:
    found = statements()
    assert len(found) >= 15
    with psycopg.connect(world.servers.postgres_url(world.database, "tocsin_edge"), autocommit=True) as connection:
        for number, text in enumerate(found):
            connection.execute(f"PREPARE statement_{number} AS {numbered(text)}".encode())


def numbered(text: str) -> str:
    """The statement with PostgreSQL's own placeholders: $1, $2, …"""
    numbers: dict[str, int] = {}
    counter = itertools.count(1)
    named = re.sub(r"%\((\w+)\)s", lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", text)
    return re.sub("%s", lambda _: f"${next(counter)}", named)
