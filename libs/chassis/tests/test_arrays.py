"""Lists and columns as parameters arrive as they were written."""

from datetime import UTC, date, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from tocsin_chassis.postgres import columns
from tocsin_chassis.postgres.database import UnstorableText, postgres

TEXTS = some.text(some.characters(blacklist_characters="\0", blacklist_categories=("Cs",)))
INSTANTS = some.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=some.just(UTC))
ARRAYS = some.one_of(
    some.tuples(some.just("text"), some.lists(TEXTS | some.none())),
    some.tuples(some.just("bytea"), some.lists(some.binary())),
    some.tuples(some.just("uuid"), some.lists(some.uuids())),
    some.tuples(some.just("bigint"), some.lists(some.integers(-(2**63), 2**63 - 1))),
    some.tuples(some.just("boolean"), some.lists(some.booleans())),
    some.tuples(some.just("date"), some.lists(some.dates(date(1900, 1, 1)))),
    some.tuples(some.just("timestamptz"), some.lists(INSTANTS)),
    some.tuples(some.just("interval"), some.lists(some.timedeltas(timedelta(0), timedelta(days=9)))),
    some.tuples(some.just("inet"), some.lists(some.just(IPv4Address("192.0.2.1")), min_size=1)),
)

COLUMNS = some.one_of(
    some.tuples(some.just((columns.texts, "text")), some.lists(TEXTS)),
    some.tuples(some.just((columns.uuids, "text")), some.lists(some.uuids().map(str))),
    some.tuples(some.just((columns.instants, "timestamptz")), some.lists(INSTANTS | some.none())),
    some.tuples(some.just((columns.integers, "bigint")), some.lists(some.integers(-(2**63), 2**63 - 1))),
    some.tuples(some.just((columns.booleans, "boolean")), some.lists(some.booleans())),
)


@pytest.fixture
async def database(world):
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as opened:
        yield opened


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(array=ARRAYS)
async def test_every_list_comes_back(database, array):
    kind, items = array
    async with database.transaction() as tx:
        assert await tx.value(list, f"SELECT %s::{kind}[]", (items,)) == items


async def test_text_that_cannot_be_stored_is_refused(database):
    with pytest.raises(UnstorableText):
        async with database.transaction() as tx:
            await tx.value(list, "SELECT %s::text[]", (["a\0b"],))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(column=COLUMNS)
async def test_every_column_comes_back(database, column):
    (write, kind), values = column
    async with database.transaction() as tx:
        assert await tx.values(object, f"SELECT each::{kind} FROM unnest(%s) AS each", (write(values),)) == values


async def test_a_column_of_documents_comes_back(database):
    async with database.transaction() as tx:
        given = columns.documents([b"{}", '{"a": ["ü", 1]}'.encode()])
        assert await tx.values(object, "SELECT each FROM unnest(%s) AS each", (given,)) == [{}, {"a": ["ü", 1]}]


async def test_a_column_with_text_that_cannot_be_stored_is_refused(database):
    with pytest.raises(UnstorableText):
        async with database.transaction() as tx:
            await tx.values(str, "SELECT each FROM unnest(%s) AS each", (columns.texts(["a\0b"]),))
