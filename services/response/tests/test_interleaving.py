"""Acknowledgements, endings, timers, commands and restarts in any order, on a real database: nobody is asked after the answer."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.response.v1.escalation_pb2 import EscalationPolicy, EscalationStep, Target
from tocsin.response.v1.oncall_pb2 import Responder
from tocsin.response.v1.response_service_pb2_grpc import ResponseServiceStub
from tocsin.triage.v1.events_pb2 import IncidentAcknowledged, IncidentOpened, IncidentReopened, IncidentResolved
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_chassis.events.fact import Fact
from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.postgres.database import Database, Tx, postgres
from tocsin_kernel.clock import ManualClock
from tocsin_kernel.errors import DomainError
from tocsin_kernel.ids import RandomIds, uuid7
from tocsin_response.app import response
from tocsin_response.escalation import store
from tocsin_response.escalation.acknowledgements import Acknowledgements
from tocsin_response.escalation.by_hand import ByHand, Wish
from tocsin_response.escalation.escalations import Escalations
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.world import World

MONDAY_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SEEDS = range(100)
MOVES = 14


class Replica:
    """The use cases of response, as one process has them."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        acknowledgements = Acknowledgements(database, clock)
        self.escalations = Escalations(database, clock, RandomIds(), acknowledgements)
        self.by_hand = ByHand(clock, RandomIds(), acknowledgements)

    async def hear(self, message: Message, version: int, clock: ManualClock, then: Any = None) -> None:
        """One fact, as the consumer would handle it; `then` looks at what is there in the same transaction."""
        subject = f"{message.DESCRIPTOR.full_name}.x"
        fact: Fact[Any] = Fact(uuid7(), message, subject, "x", version, clock.now(), "", "")
        opening = isinstance(message, IncidentOpened | IncidentReopened)
        async with self.database.transaction() as tx:
            await (self.escalations.on_opening if opening else self.escalations.on_change)(tx, fact)
            if then is not None:
                await then(tx)


@pytest.fixture
async def database(world: World) -> AsyncIterator[Database]:
    """The database of response with three people and a policy of three steps."""
    settings = world.settings("response", ResponseSettings)
    async with world.running(response(settings, clock=world.clock)) as app:
        stub = world.stub(ResponseServiceStub, app, Caller("alice", Role.ROLE_MANAGER))
        steps = [EscalationStep(targets=[Target(responder=name)], delay=Duration(seconds=60)) for name in ("ann", "bob", "cid")]
        configuration = response_pb.Configuration(
            responders=[Responder(name=name) for name in ("ann", "bob", "cid")],
            escalation_policies=[EscalationPolicy(name="p", steps=steps, repeat=2)],
        )
        await stub.ApplyConfiguration(response_pb.ApplyConfigurationRequest(configuration=configuration))
    async with open_database(world) as opened:
        yield opened


@asynccontextmanager
async def open_database(world: World) -> AsyncIterator[Database]:
    async with postgres(world.servers.postgres_url(world.database, "tocsin_response"), "response") as opened:
        yield opened


class Interleaving:
    """One incident, and moves about it in an order that the seed decides; two replicas at once where it says so."""

    def __init__(self, database: Database, seed: int) -> None:
        self.database = database
        self.chance = random.Random(seed)
        self.clock = ManualClock(MONDAY_NOON)
        self.replicas = [Replica(database, self.clock), Replica(database, self.clock)]
        self.incident_id = str(uuid7())
        self.version = 1
        self.state = Incident.STATE_OPEN
        self.final: int | None = None

    async def run(self) -> None:
        await self.tell(IncidentOpened)
        moves = [
            self.tick,
            self.tick,
            self.tick,
            self.wait,
            self.wait,
            self.restart,
            self.escalate,
            self.acknowledge,
            self.both,
            self.again,
        ]
        for _ in range(MOVES):
            await self.chance.choice(moves)()
        await self.resolve()
        for _ in range(5):
            await self.wait()
            await self.tick()
        await self.nobody_since()

    def incident(self) -> Incident:
        by = "ann" if self.state == Incident.STATE_ACKNOWLEDGED else ""
        return Incident(id=self.incident_id, state=self.state, escalation_policy="p", version=self.version, acknowledged_by=by, severity=3)

    def replica(self) -> Replica:
        return self.chance.choice(self.replicas)

    async def tell(self, kind: Any, then: Any = None) -> None:
        await self.replica().hear(kind(incident=self.incident()), self.version, self.clock, then)

    async def wait(self) -> None:
        self.clock.forward(timedelta(seconds=self.chance.choice([1, 30, 61, 600])))

    async def tick(self) -> None:
        await self.replica().escalations.step_on()

    async def restart(self) -> None:
        self.replicas[self.chance.randrange(2)] = Replica(self.database, self.clock)

    async def escalate(self) -> None:
        """A person wants the next step; after an acknowledgement that is what they may."""
        if self.state != Incident.STATE_OPEN:
            return
        async with self.database.transaction() as tx:
            await self.replica().by_hand.escalate(tx, Wish(self.incident_id, "eve", ""), None)

    async def acknowledge(self) -> None:
        if self.state != Incident.STATE_OPEN:
            return
        await self.end(Incident.STATE_ACKNOWLEDGED, IncidentAcknowledged)

    async def both(self) -> None:
        """The answer and the timers of both replicas at the same moment."""
        if self.state != Incident.STATE_OPEN:
            return
        self.clock.forward(timedelta(seconds=61))
        ticks = [replica.escalations.step_on() for replica in self.replicas]
        await asyncio.gather(*ticks, self.end(Incident.STATE_ACKNOWLEDGED, IncidentAcknowledged))

    async def again(self) -> None:
        """It is open again: people may be asked."""
        if self.state == Incident.STATE_OPEN:
            return
        await self.nobody_since()
        self.final, self.state, self.version = None, Incident.STATE_OPEN, self.version + 1
        await self.tell(IncidentReopened)

    async def resolve(self) -> None:
        if self.state != Incident.STATE_RESOLVED:
            await self.nobody_since()
            await self.end(Incident.STATE_RESOLVED, IncidentResolved)

    async def end(self, state: Any, kind: Any) -> None:
        """The number of those who were asked is fixed from the commit of the answer on."""
        self.state, self.version = state, self.version + 1

        async def look(tx: Tx) -> None:
            self.final = await self.count(tx)

        await self.tell(kind, look)

    async def nobody_since(self) -> None:
        if self.final is not None:
            async with self.database.transaction() as tx:
                assert await self.count(tx) == self.final, "somebody was asked after the answer was committed"

    async def count(self, tx: Tx) -> int:
        escalations = await store.list_escalations(tx, self.incident_id)
        summonses = await store.list_summonses(tx, [each.id for each in escalations])
        places = [(each.escalation_id, each.responder, each.step, each.round, each.at) for each in summonses]
        assert len(places) == len(set(places)), "nobody is asked twice at the same moment"
        return len(summonses)


async def test_nobody_is_asked_after_the_answer_is_committed(database: Database) -> None:
    for seed in SEEDS:
        try:
            await Interleaving(database, seed).run()
        except AssertionError as problem:
            raise AssertionError(f"with seed {seed}: {problem}") from problem


async def test_a_process_that_was_asleep_is_fenced(database: Database, world: World) -> None:
    """Fault test 8: one process claims a timer and falls asleep; its claim goes with its connection, and what it does then is refused."""
    clock = ManualClock(MONDAY_NOON)
    replica, other = Replica(database, clock), Replica(database, clock)
    incident_id = str(uuid7())
    opened = Incident(id=incident_id, state=Incident.STATE_OPEN, escalation_policy="p", version=1)
    await replica.hear(IncidentOpened(incident=opened), 1, clock)
    clock.forward(timedelta(seconds=61))
    with pytest.raises(DomainError):
        async with database.transaction() as tx:
            [asleep] = await store.claim_due(tx, clock.now(), 10)
            assert asleep.escalation.incident_id == incident_id
            assert await other.escalations.step_on() == 0, "what one has claimed no other takes"
            pid = await tx.value(int, "SELECT pg_backend_pid()")
            with psycopg.connect(world.servers.postgres_url("postgres"), autocommit=True) as admin:
                admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
            # The server ends a connection in its own time.
            await world.eventually(other.escalations.step_on, 30, "the other one takes the step")
            await store.update_escalation(tx, asleep.escalation, clock.now())
    async with database.transaction() as tx:
        [running] = await store.list_escalations(tx, incident_id)
        summonses = await store.list_summonses(tx, [running.id])
    assert (running.step, [each.responder for each in summonses]) == (1, ["bob", "ann"])
