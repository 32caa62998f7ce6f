"""Who waits takes turns, whatever arrives."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_chassis.events import relay
from tocsin_chassis.events.turns import Turns
from tocsin_chassis.postgres.outbox import OutboxRow
from tocsin_kernel.ids import uuid7


def test_the_first_of_somebody_else_does_not_wait_for_a_storm_to_end() -> None:
    turns = Turns[str]()
    for number in range(1000):
        turns.add(f"storm {number}", f"incident {number % 20}", "crowded")
    turns.add("other", "another incident", "quiet")
    assert turns.take(64) == [*(f"storm {number}" for number in range(63)), "other"]


def test_nobody_waits_for_a_second_turn_of_others() -> None:
    turns = Turns[str]()
    for name in "aaaabbbbcc":
        turns.add(name, name, name)
    assert [turns.take(2) for _ in range(5)] == [["a", "b"], ["a", "c"], ["b", "c"], ["a", "b"], ["a", "b"]]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("xyz"))), st.integers(1, 5), st.integers(1, 5))
def test_nothing_is_lost_and_what_is_told_of_one_thing_stays_in_its_order(told, most, every) -> None:
    turns, taken = Turns[tuple[int, str]](), []
    for number, (thing, whose) in enumerate(told):
        turns.add((number, thing), thing, whose)
        if number % every == 0:
            taken += turns.take(most)
    while turns:
        taken += turns.take(most)
    assert sorted(taken) == [(number, thing) for number, (thing, _) in enumerate(told)]
    for thing in "abcd":
        assert [item for item in taken if item[1] == thing] == sorted(item for item in taken if item[1] == thing)


class Table:
    """The outbox, asked for the oldest that wait."""

    def __init__(self) -> None:
        self.rows: list[OutboxRow] = []
        self.asked = 0

    async def unpublished(self, reader, limit, published):
        self.asked += 1
        done = {row.id for row in published}
        return [row for row in self.rows if row.id not in done][:limit]

    def commit(self, *aggregates: str) -> list[OutboxRow]:
        made = [
            OutboxRow(UUID(str(uuid7())), f"tocsin.response.v1.ResponderSummoned.{name}", b"", 1, "", datetime.now(UTC))
            for name in aggregates
        ]
        self.rows += made
        return made


@pytest.fixture
def table(monkeypatch) -> Table:
    made = Table()
    monkeypatch.setattr(relay.outbox, "unpublished", made.unpublished)
    return made


async def test_the_only_fact_of_one_incident_does_not_wait_for_a_thousand_of_others(table):
    waiting = relay._Waiting()
    assert await waiting.next(None, 1.0, []) == []
    waiting.take_over(table.commit(*(f"incident {number % 20}" for number in range(1000))))
    [other] = table.commit("another incident")
    waiting.take_over([other])
    assert other in await waiting.next(None, 1.5, [])


@pytest.mark.parametrize("storm", [300, 1500, 5000])
async def test_every_fact_is_published_once_whether_it_was_handed_over_or_read(table, storm):
    """More than can be handed over is read from the table, as is what another process has committed."""
    waiting, published, now = relay._Waiting(), [], 0.0
    waiting.take_over(table.commit(*(f"incident {number % 7}" for number in range(storm))))
    while len(published) < len(table.rows):
        published += await waiting.next(None, now, published)
        now += 0.05
        if now < 0.4:
            table.commit("of another process")
            waiting.take_over(table.commit("incident 3", "incident 4"))
        assert now < 60
    assert len({row.id for row in published}) == len(published) == len(table.rows)
    for name in {row.subject for row in table.rows}:
        assert [row for row in published if row.subject == name] == [row for row in table.rows if row.subject == name]
    assert table.asked <= storm / relay.BATCH + now / relay.IDLE_POLL_SECONDS + 10
