"""From a committed transaction to a handled fact: once, whatever comes between."""

import asyncio
import contextlib
import os
import signal

import psycopg
import pytest
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.events_pb2 import AlertOpened, AlertResolved

from tocsin_chassis.events import arrivals
from tocsin_chassis.events import consumer as consumers
from tocsin_chassis.events import relay as relays
from tocsin_chassis.events.bus import event_bus
from tocsin_chassis.events.consumer import Consumer, Patience, Together
from tocsin_chassis.events.dead import DeadLetters
from tocsin_chassis.events.hearing import Hearing
from tocsin_chassis.events.relay import Relay
from tocsin_chassis.postgres import outbox
from tocsin_chassis.postgres.database import postgres
from tocsin_chassis.postgres.dead_letters import dead_letters
from tocsin_chassis.postgres.inbox import once
from tocsin_kernel.errors import Conflict, Unavailable
from tocsin_testkit.world import eventually


@pytest.fixture
async def detection(world):
    """The producer's database."""
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as database:
        yield database


@pytest.fixture
async def triage(world):
    """The consumer's database."""
    async with postgres(world.servers.postgres_url(world.database, "tocsin_triage"), "triage") as database:
        yield database


@pytest.fixture
async def bus(world):
    async with event_bus(world.servers.nats_url, "test") as opened:
        yield opened


@contextlib.asynccontextmanager
async def working(*workers):
    tasks = [asyncio.create_task(worker.run()) for worker in workers]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def emit(database, *titles):
    async with database.transaction() as tx:
        for title in titles:
            tx.emit(AlertOpened(alert=Alert(title=title)), aggregate="a1", version=1)


async def unpublished(database):
    async with database.transaction() as tx:
        return await outbox.count_unpublished(tx.connection)


async def test_a_fact_travels_from_the_outbox_to_the_handler(detection, triage, bus):
    heard = []

    async def hear(tx, fact):
        heard.append((fact.message.alert.title, fact.aggregate, fact.version, fact.source, fact.name))

    async with working(Relay(detection, bus), Consumer(triage, bus, "triage", "detection", {AlertOpened: hear})):
        await emit(detection, "disk full")

        async def arrived():
            return heard == [("disk full", "a1", 1, "detection", "AlertOpened")] and await unpublished(detection) == 0

        await eventually(arrived)


async def test_what_is_rolled_back_is_never_told(detection, bus):
    with contextlib.suppress(LookupError):
        async with detection.transaction() as tx:
            tx.emit(AlertOpened(), aggregate="a1", version=1)
            raise LookupError
    assert await unpublished(detection) == 0


async def test_what_did_not_get_through_is_called_back(detection):
    undone = []
    async with detection.transaction() as tx:
        tx.after_rollback(lambda: undone.append("transaction"))
        with contextlib.suppress(LookupError):
            async with tx.savepoint():
                tx.after_rollback(lambda: undone.append("savepoint"))
                raise LookupError
    assert undone == ["savepoint"]
    with contextlib.suppress(LookupError):
        async with detection.transaction() as tx:
            tx.after_rollback(lambda: undone.append("transaction"))
            raise LookupError
    assert undone == ["savepoint", "transaction"]


async def test_a_late_commit_with_a_lower_id_is_published_too(detection, bus):
    """The relay reads by state: what commits after newer facts were published is not skipped."""
    async with working(Relay(detection, bus)):
        async with detection.transaction() as slow:
            slow.emit(AlertOpened(alert=Alert(title="slow")), aggregate="a1", version=1)
            await emit(detection, "fast")

            async def fast_is_out():
                return (await bus.jetstream.stream_info("DETECTION")).state.messages == 1

            await eventually(fast_is_out)

        async def both_are_out():
            return (await bus.jetstream.stream_info("DETECTION")).state.messages == 2

        await eventually(both_are_out)


async def test_publishing_twice_counts_once(detection, bus):
    """A crash between publishing and marking: the row is published again, and the stream drops it."""
    await emit(detection, "disk full")
    async with detection.transaction() as tx:
        [row] = await outbox.unpublished(tx.connection, 10)
    relay = Relay(detection, bus)
    assert await relay._publish([row]) == [row]
    async with working(relay):

        async def marked():
            return await unpublished(detection) == 0

        await eventually(marked)
    assert (await bus.jetstream.stream_info("DETECTION")).state.messages == 1


async def test_a_relay_that_stands_still_gives_way_to_the_one_of_another_process(detection, bus, monkeypatch):
    """It holds its lock and asks for nothing any more, as a process that was stopped, or whose machine is gone."""
    monkeypatch.setattr(relays, "SILENT_SECONDS", 1)
    with contextlib.suppress(psycopg.OperationalError):  # whoever wakes up finds out that it leads no more
        async with Relay(detection, bus)._leadership(), working(Relay(detection, bus)):
            await emit(detection, "disk full")

            async def told_by_the_other():
                return await unpublished(detection) == 0

            await eventually(told_by_the_other, within=20)
    assert (await bus.jetstream.stream_info("DETECTION")).state.messages == 1


async def test_one_bad_fact_does_not_hold_up_the_others(detection, triage, bus):
    heard = []

    async def hear(tx, fact):
        if fact.message.alert.title == "bad":
            raise Conflict(detail="this cannot be handled")
        heard.append(fact.message.alert.title)

    consumer = Consumer(triage, bus, "triage", "detection", {AlertOpened: hear})
    async with working(Relay(detection, bus)):
        await emit(detection, "one", "bad", "two")

        async def all_out():
            return (await bus.jetstream.stream_info("DETECTION")).state.messages == 3

        await eventually(all_out)
    async with working(consumer):

        async def letters():
            async with triage.transaction() as tx:
                return await dead_letters(tx)

        async def all_handled():
            return {"one", "two"} <= set(heard) and await letters()

        await eventually(all_handled)
        [letter] = await letters()
        assert "cannot be handled" in letter.error


async def test_a_dead_letter_can_be_handled_again(detection, triage, bus):
    mended = False
    heard = []

    async def hear(tx, fact):
        if not mended:
            raise Conflict(detail="not yet")
        heard.append(fact.message.alert.title)

    consumer = Consumer(triage, bus, "triage", "detection", {AlertOpened: hear})
    async with working(Relay(detection, bus), consumer):
        await emit(detection, "one")

        async def letters():
            async with triage.transaction() as tx:
                return await dead_letters(tx)

        await eventually(letters)
    mended = True
    await consumer.retry((await letters())[0])
    assert heard == ["one"]
    assert await letters() == []


async def test_all_dead_letters_are_handled_again_and_one_that_fails_holds_up_no_other(detection, triage, bus):
    """More than a page of them. The one that fails again is told, and stays."""
    mended = False
    heard = []

    async def hear(tx, fact):
        if not mended or fact.message.alert.title == "bad":
            raise Conflict(detail="not yet")
        heard.append(fact.message.alert.title)

    consumer = Consumer(triage, bus, "triage", "detection", {AlertOpened: hear})
    letters = DeadLetters(triage, [consumer])
    titles = ["bad", *(f"alert {number}" for number in range(120))]
    async with working(Relay(detection, bus), consumer):
        await emit(detection, *titles)

        async def all_dead():
            return len([letter async for letter in letters.all()]) == len(titles)

        await eventually(all_dead, within=60)
    mended = True
    retried = [again async for again in letters.retry_all()]
    assert sorted(heard) == sorted(titles[1:])
    assert [again.problem for again in retried if again.problem] == ["Conflict: not yet"]
    [left] = [letter async for letter in letters.all()]
    assert [again.problem for again in await letters.retry(left.id)] == ["Conflict: not yet"]
    with pytest.raises(LookupError, match="dead list"):
        await letters.retry(retried[1].letter.id)


async def test_a_passing_failure_is_tried_again(detection, triage, bus):
    tries = []

    async def hear(tx, fact):
        tries.append(fact.id)
        if len(tries) < 3:
            raise Unavailable(detail="not now")

    async with working(Relay(detection, bus), Consumer(triage, bus, "triage", "detection", {AlertOpened: hear})):
        await emit(detection, "one")

        async def third_time():
            return len(tries) >= 3

        await eventually(third_time, within=15)
    assert len(set(tries)) == 1


async def test_a_fact_that_comes_again_is_not_handled_again(detection, triage, bus):
    """The broker forgets what the consumer had acknowledged, and delivers everything once more."""
    heard = []

    async def hear(tx, fact):
        heard.append(fact.message.alert.title)

    async def heard_of(title):
        async def there():
            return title in heard

        await eventually(there)

    async with working(Relay(detection, bus)):
        async with working(Consumer(triage, bus, "triage", "detection", {AlertOpened: hear})):
            await emit(detection, "one")
            await heard_of("one")
        await bus.jetstream.delete_consumer("DETECTION", "triage-detection")
        async with working(Consumer(triage, bus, "triage", "detection", {AlertOpened: hear})):
            await emit(detection, "two")
            await heard_of("two")
    assert heard == ["one", "two"]


async def test_what_a_process_had_in_hand_when_it_died_the_next_one_handles_at_once(detection, triage, bus, world, monkeypatch):
    """The broker would wait a minute for the dead one. What comes after is handled after it, and each fact once."""
    monkeypatch.setattr(consumers, "ACK_WAIT_SECONDS", 60.0)
    heard = []

    async def hear(tx, fact):
        if fact.message.alert.title == "bad":
            raise Conflict("not with me")
        tx.after_commit(lambda: heard.append(fact.message.alert.title))

    def listener(hearing=None):
        return Consumer(triage, bus, "triage", "detection", {AlertOpened: hear}, hearing=hearing)

    async with working(Relay(detection, bus)):
        async with working(listener()):
            await emit(detection, "before")
            await eventually(lambda: _holds(heard, ["before"]))
        await emit(detection, "taken", "bad", "also taken")
        await world.lose("triage", "detection", 3)
        await emit(detection, "after")
        hearing = Hearing(bus.line)
        async with working(listener(hearing)):
            await hearing.wait()
            assert heard == ["before", "taken", "also taken", "after"]


async def test_a_broker_that_comes_back_is_heard_at_once(detection, triage, bus, world, monkeypatch):
    """Neither the relay waits for acknowledgements that were lost with the line, nor a consumer for its pull."""
    monkeypatch.setattr(arrivals, "SILENCE_SECONDS", 300.0)
    monkeypatch.setattr(relays, "PUBLISH_TIMEOUT_SECONDS", 300.0)
    heard = []

    async def hear(tx, fact):
        heard.append(fact.message.alert.title)

    hearing = Hearing(bus.line)
    consumer = Consumer(triage, bus, "triage", "detection", {AlertOpened: hear}, hearing=hearing)
    async with working(Relay(detection, bus), consumer):
        await hearing.wait()
        os.kill(world.servers.nats.child.pid, signal.SIGSTOP)  # what is published now is never acknowledged
        await emit(detection, "in flight")
        await eventually(lambda: _holds(bus.jetstream.publish_async_pending(), 1))
        async with world.without_nats():
            await eventually(lambda: _holds(bus.line.is_up, False))
            assert not hearing.is_clear
            await emit(detection, "meanwhile")
        await hearing.wait()
        await eventually(lambda: _holds(heard, ["in flight", "meanwhile"]), within=30)


async def _holds(found, wanted):
    return found == wanted


async def test_facts_nobody_handles_are_not_even_sent(detection, triage, bus):
    heard = []

    async def hear(tx, fact):
        heard.append(fact.name)

    async with working(Relay(detection, bus), Consumer(triage, bus, "triage", "detection", {AlertResolved: hear})):
        await emit(detection, "one")
        async with detection.transaction() as tx:
            tx.emit(AlertResolved(), aggregate="a1", version=2)

        async def resolved():
            return heard == ["AlertResolved"]

        await eventually(resolved)
        assert (await bus.jetstream.consumer_info("DETECTION", "triage-detection")).delivered.consumer_seq == 1


async def test_a_repeated_request_gets_the_first_answer(triage):
    answers = iter(["first", "second"])

    async def work():
        return Alert(title=next(answers))

    for _ in range(2):
        async with triage.transaction() as tx:
            assert (await once(tx, "Declare", "r1", Alert, work)).title == "first"


async def test_facts_nobody_waits_for_are_gathered_and_handled_together(detection, triage, bus):
    batches = []

    async def hear(tx, facts):
        batches.append([fact.message.alert.title for fact in facts])

    consumer = Consumer(triage, bus, "triage", "detection", Together((AlertOpened,), hear), Patience((AlertOpened,), 3.0))
    async with working(Relay(detection, bus), consumer):
        await emit(detection, "one")

        async def waits():
            return (await bus.jetstream.consumer_info("DETECTION", "triage-detection")).num_ack_pending == 1

        await eventually(waits)
        await emit(detection, "two", "three")

        async def handled():
            return [sorted(batch) for batch in batches] == [["one", "three", "two"]]

        await eventually(handled)


async def test_facts_of_one_transaction_leave_in_the_order_in_which_they_were_told(detection, bus, world):
    titles = [str(number) for number in range(200)]
    subscription = await world.jetstream.subscribe("tocsin.detection.v1.AlertOpened.a1", ordered_consumer=True)
    await emit(detection, *titles)
    async with working(Relay(detection, bus)):
        heard = [AlertOpened.FromString((await subscription.next_msg(30)).data).alert.title for _ in titles]
    assert heard == titles
