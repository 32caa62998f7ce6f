"""Every SQL statement of every service is valid in the migrated schema: a slip in a rare one fails here, not at night."""

import ast
import importlib
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from tocsin_testkit.world import World

ROOT = Path(__file__).parents[2]
SERVICES = ("detection", "triage", "response", "communication", "review", "edge")
# What runs a statement, and which of its arguments is it.
ASKS = dict.fromkeys(("one", "maybe", "many", "each", "value", "values"), 1)
ASKS |= dict.fromkeys(("execute", "execute_many", "execute_set", "executemany"), 0)
# Functions whose statements are put together while the program runs; tests of their services run them.
PUT_TOGETHER = {
    "tocsin_communication.pages.store.list_pages",
    "tocsin_detection.intake.alertmanager_store.shown_alerts",
    "tocsin_detection.intake.opsgenie_api.search_store._count",
    "tocsin_detection.intake.opsgenie_api.search_store.next_ids",
    "tocsin_detection.intake.opsgenie_api.search_store.find_all",
    "tocsin_detection.intake.opsgenie_api.search_store.count_all",
    "tocsin_detection.alert_rows.read_alerts",
    "tocsin_detection.alert_list_store._along",
    "tocsin_detection.alert_list_store.are_few",
    "tocsin_detection.alert_list_store._settled",
}


def modules(distribution: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(distribution.rglob("*.py")):
        name = ".".join(path.relative_to(distribution).with_suffix("").parts).removesuffix(".__init__")
        yield name, ast.parse(path.read_text())


def known(module: str, expression: ast.expr) -> object:
    """What an expression is if only constants of its module make it; None if it is known only while the program runs."""
    parts = list(ast.walk(expression))
    if not all(isinstance(part, ast.Constant | ast.BinOp | ast.Add | ast.Name | ast.Load) for part in parts):
        return None
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    there = vars(importlib.import_module(module)) if names else {}
    return eval(compile(ast.Expression(expression), module, "eval"), dict(there)) if names <= set(there) else None


def statements(distribution: Path) -> Iterator[tuple[str, str]]:
    """(where, statement): every text with which something is called and that is one."""
    for module, tree in modules(distribution):
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
                text = known(module, argument)
                if isinstance(text, str) and re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE)\s", text) and "{}" not in text:
                    yield f"{module}:{argument.lineno}", text


@pytest.mark.parametrize("service", SERVICES)
async def test_every_statement_can_be_prepared(world: World, service: str) -> None:
    found = list(statements(ROOT / "services" / service / "src"))
    found += list(statements(ROOT / "libs" / "chassis" / "src"))
    assert len(found) >= 15
    wrong = []
    with psycopg.connect(world.servers.postgres_url(world.database, f"tocsin_{service}"), autocommit=True) as connection:
        for number, (where, text) in enumerate(found):
            try:
                connection.execute(f"PREPARE statement_{number} AS {numbered(text)}".encode())
            except errors.IndeterminateDatatype:
                # All its names are known; only the driver knows what is given.
                continue
            except psycopg.Error as error:
                wrong.append(f"{where}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("service", SERVICES)
def test_nothing_is_sorted_by_the_text_of_what_is_read(service: str) -> None:
    """`SELECT id::text … ORDER BY id` sorts by the text, which no index has: `ORDER BY page.id` is by the column."""
    sorted_by_text = [
        f"{where}: ORDER BY {name}"
        for source in (ROOT / "services" / service / "src", ROOT / "libs" / "chassis" / "src")
        for where, text in statements(source)
        for name in named_as_read(text) & sorted_by(text)
    ]
    assert not sorted_by_text, "\n".join(sorted_by_text)


def named_as_read(text: str) -> set[str]:
    """What of the outermost SELECT is called like a column, and is its text."""
    return set(re.findall(r"\b(\w+)::text(?: AS \1)?(?=,| FROM )", " ".join(text.split()).partition(" FROM ")[0] + " FROM "))


def sorted_by(text: str) -> set[str]:
    """By which bare names the outermost SELECT is sorted."""
    last = " ".join(text.split()).rpartition(" ORDER BY ")[2].partition(" LIMIT ")[0].partition(" FOR ")[0]
    return set() if ")" in re.sub(r"\([^()]*\)", "", last) else {part.split()[0] for part in last.split(", ") if part}


@pytest.mark.parametrize("service", SERVICES)
def test_no_other_statement_is_put_together_while_the_program_runs(service: str) -> None:
    """What no test can see beforehand is listed above, so that somebody looks whether tests run it."""
    for module, tree in modules(ROOT / "services" / service / "src"):
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)):
            for argument in asked(function):
                if known(module, argument) is None:
                    assert f"{module}.{function.name}" in PUT_TOGETHER, ast.unparse(argument)


def asked(function: ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """The statement of everything that is asked of a transaction."""
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        whom, _, how = ast.unparse(call.func).rpartition(".")
        if whom == "tx" and how in ASKS and len(call.args) > ASKS[how]:
            yield call.args[ASKS[how]]


def numbered(text: str) -> str:
    """The statement with PostgreSQL's own placeholders: $1, $2, …"""
    numbers: dict[str, int] = {}
    counter = itertools.count(1)
    named = re.sub(r"%\((\w+)\)s", lambda match: f"${numbers.setdefault(match[1], len(numbers) + 1)}", text)
    return re.sub("%s", lambda _: f"${next(counter)}", named).replace("%%", "%")
