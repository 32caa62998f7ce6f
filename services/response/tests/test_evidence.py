"""Evidence on real servers: kept once and for good, each deed entered, and every tampering named."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
from grpc import aio
from tocsin.access.v1.access_pb2 import Role
from tocsin.response.v1 import evidence_service_pb2 as pb
from tocsin.response.v1 import obligation_service_pb2 as obligation_pb
from tocsin.response.v1.evidence_events_pb2 import CustodyHeadSigned, EvidenceCollected, EvidenceReleased
from tocsin.response.v1.evidence_pb2 import Collected, Evidence, TreeHead
from tocsin.response.v1.evidence_service_pb2_grpc import EvidenceServiceStub
from tocsin.response.v1.obligation_pb2 import Circumstances
from tocsin.response.v1.obligation_service_pb2_grpc import ObligationServiceStub

from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.postgres.database import Tx
from tocsin_chassis.postgres.privacy import hidden_things
from tocsin_kernel.ids import RandomIds
from tocsin_response.app import response
from tocsin_response.belonging import BELONGING
from tocsin_response.evidence.merkle import is_consistent, is_included
from tocsin_response.settings import ResponseSettings
from tocsin_testkit.world import World

ALICE, BOB = Caller("alice", Role.ROLE_MANAGER), Caller("bob", Role.ROLE_MANAGER)
INCIDENT = "01934000-0000-7000-8000-000000000001"
OTHER = "01934000-0000-7000-8000-000000000002"
Finding = pb.CustodyFinding


@dataclass
class Room:
    """The evidence room: response running, called as alice and as bob."""

    world: World
    folder: Path
    alice: Any
    bob: Any
    obligations: Any

    async def add(self, content: bytes, request_id: str = "", incident: str = INCIDENT, **more: Any) -> Evidence:
        said = {"name": "auth.log", "kind": "log", "tool": "tar 1.35", "source": "web-1:/var/log", **more.pop("said", {})}
        begins = pb.EvidenceBegins(
            request_id=request_id or content.hex()[:60] + incident[-1], collected=Collected(incident_id=incident, **said), **more
        )
        answer = await self.alice.AddEvidence(pieces(begins, content))
        return answer.evidence

    async def verify(self, **more: Any) -> list[tuple[int, int]]:
        answer = await self.alice.VerifyEvidence(pb.VerifyEvidenceRequest(**more), timeout=30)
        return [(found.kind, found.index) for found in answer.findings]

    async def custody(self, evidence_id: str) -> list[tuple[str, str]]:
        answer = await self.alice.GetEvidence(pb.GetEvidenceRequest(evidence_id=evidence_id))
        return [(entry.action, entry.actor) for entry in answer.custody]

    def file(self, item: Evidence) -> Path:
        return self.folder / item.sha256[:2] / item.sha256[2:4] / item.sha256

    def sql(self, statement: str) -> None:
        """As the service itself."""
        with psycopg.connect(self.world.servers.postgres_url(self.world.database, "tocsin_response"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def tamper(self, statement: str) -> None:
        self.world.rewrite("response", statement)


def pieces(begins: pb.EvidenceBegins, content: bytes, size: int = 1000) -> Iterator[pb.AddEvidenceRequest]:
    yield pb.AddEvidenceRequest(begins=begins)
    for start in range(0, len(content), size):
        yield pb.AddEvidenceRequest(piece=content[start : start + size])


@pytest.fixture
async def room(world: World, tmp_path: Path) -> AsyncIterator[Room]:
    settings = world.settings("response", ResponseSettings, evidence_folder=str(tmp_path), evidence_most_bytes=100_000)
    async with world.running(response(settings, clock=world.clock)) as app:
        yield Room(
            world,
            tmp_path,
            world.stub(EvidenceServiceStub, app, ALICE),
            world.stub(EvidenceServiceStub, app, BOB),
            world.stub(ObligationServiceStub, app, ALICE),
        )


async def test_an_item_is_kept_once_and_its_custody_told(room: Room) -> None:
    """Hashed while it arrives, read-only under its hash; looking at it, handing it over and releasing it are entered."""
    content = b"Failed password for root\n" * 200
    item = await room.add(content)
    assert item.sha256 == hashlib.sha256(content).hexdigest() and item.size == len(content)
    assert (item.collected.collector, item.custodian, item.state) == ("alice", "alice", Evidence.STATE_HELD)
    assert room.file(item).stat().st_mode & 0o777 == 0o400
    assert (await room.add(content)).id == item.id, "a repeat is the same item"

    parts = [part async for part in room.bob.DownloadEvidence(pb.DownloadEvidenceRequest(evidence_id=item.id, reason="analysis"))]
    assert b"".join(part.piece for part in parts[1:]) == content
    await room.alice.TransferCustody(pb.TransferCustodyRequest(request_id="t", evidence_id=item.id, to="police", reason="order 7"))
    derived = await room.add(b"root\n", said={"name": "users.txt", "parent_id": item.id})
    assert await room.custody(item.id) == [("collect", "alice"), ("access", "bob"), ("transfer", "alice")]
    assert await room.custody(derived.id) == [("derive", "alice")]
    shown = await room.alice.GetEvidence(pb.GetEvidenceRequest(evidence_id=item.id))
    assert shown.evidence.custodian == "police" and [each.id for each in shown.derived] == [derived.id]
    assert (await room.world.facts(EvidenceCollected, 2))[0].evidence.sha256 == item.sha256
    listed = await room.alice.ListEvidence(pb.ListEvidenceRequest(incident_id=INCIDENT, page_size=1))
    following = await room.alice.ListEvidence(pb.ListEvidenceRequest(incident_id=INCIDENT, page_token=listed.next_page_token))
    assert [each.id for each in (*listed.evidence, *following.evidence)] == [item.id, derived.id]
    assert await room.verify() == []


async def test_a_release_takes_two_people_and_no_hold(room: Room) -> None:
    item = await room.add(b"laptop image", legal_hold=True)

    async def release(by: Any, request_id: str) -> Evidence:
        answer = await by.ReleaseEvidence(pb.ReleaseEvidenceRequest(request_id=request_id, evidence_id=item.id, reason="case closed"))
        return answer.evidence

    with pytest.raises(aio.AioRpcError) as refused:
        await release(room.alice, "1")
    assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION and "legal hold" in (refused.value.details() or "")
    await room.bob.SetLegalHold(pb.SetLegalHoldRequest(request_id="h", evidence_id=item.id, on=False, reason="court said so"))
    assert (await release(room.alice, "2")).state == Evidence.STATE_RELEASE_ASKED
    assert (await release(room.alice, "3")).state == Evidence.STATE_RELEASE_ASKED, "the same person cannot agree"
    assert (await release(room.bob, "4")).state == Evidence.STATE_RELEASED
    assert [deed for deed, _ in await room.custody(item.id)] == ["collect", "hold", "unhold", "release-asked", "release"]
    assert (await room.world.facts(EvidenceReleased))[0].by == "bob"
    with pytest.raises(aio.AioRpcError):
        await room.alice.TransferCustody(pb.TransferCustodyRequest(request_id="t", evidence_id=item.id, to="x", reason="y"))
    assert room.file(item).exists(), "the bytes stay"


async def test_an_upload_that_breaks_off_goes_on(room: Room) -> None:
    content = bytes(range(256)) * 40
    whole = hashlib.sha256(content).hexdigest()
    begins = pb.EvidenceBegins(request_id="big", collected=Collected(incident_id=INCIDENT, name="disk.img"), sha256=whole)

    async def breaks_off() -> AsyncIterator[pb.AddEvidenceRequest]:
        yield pb.AddEvidenceRequest(begins=begins)
        yield pb.AddEvidenceRequest(piece=content[:4000])
        await asyncio.Event().wait()

    call = room.alice.AddEvidence(breaks_off())
    asked = pb.GetUploadRequest(request_id="big")

    async def is_written() -> bool:
        return (await room.alice.GetUpload(asked)).received > 0

    await room.world.eventually(is_written)
    call.cancel()
    received = (await room.alice.GetUpload(asked)).received
    begins.offset = received

    async def goes_on() -> bool:
        try:
            return (await room.alice.AddEvidence(pieces(begins, content[received:]))).evidence.sha256 == whole
        except aio.AioRpcError as error:
            assert error.code() is grpc.StatusCode.ABORTED, error
            return False

    await room.world.eventually(goes_on)
    assert (await room.alice.GetUpload(asked)).received == 0


async def test_what_is_refused(room: Room) -> None:
    """Other bytes than announced, too many, none of a beginning, an unknown parent; nothing is entered."""
    for content, more, reason in (
        (b"x", {"sha256": "0" * 64}, "have the hash"),
        (b"x" * 100_001, {}, "at most 100000 bytes"),
        (b"x", {"offset": 7}, "beyond the 0 bytes"),
        (b"y", {"said": {"parent_id": OTHER}}, "there is no evidence"),
    ):
        with pytest.raises(aio.AioRpcError) as refused:
            await room.add(content, reason, **more)
        assert reason in (refused.value.details() or ""), refused.value.details()
    answer = await room.alice.VerifyEvidence(pb.VerifyEvidenceRequest(ledger_only=True))
    assert answer.entries == 0 and not answer.findings


async def test_appends_at_once_stay_one_chain(room: Room) -> None:
    items = await asyncio.gather(*(room.add(b"%d" % number) for number in range(12)))
    assert sorted(item.entry for item in items) == list(range(12))
    assert await room.verify() == []


async def test_the_service_itself_cannot_rewrite_the_ledger(room: Room) -> None:
    await room.add(b"log")
    for statement in (
        "UPDATE custody_entry SET reason = 'x'",
        "DELETE FROM custody_entry",
        "TRUNCATE custody_entry",
        "DELETE FROM evidence",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            room.sql(statement)


TAMPERING = {
    "a word of an entry": ("UPDATE custody_entry SET reason = 'oops' WHERE index = 2", (Finding.KIND_ENTRY_CHANGED, 2)),
    "an entry with its hash": ("UPDATE custody_entry SET hash = sha256('x') WHERE index = 3", (Finding.KIND_ENTRY_CHANGED, 3)),
    "an entry in the middle gone": ("DELETE FROM custody_entry WHERE index = 1", (Finding.KIND_ENTRY_MISSING, 1)),
    "the last entry gone": ("DELETE FROM custody_entry WHERE index = 4", (Finding.KIND_ENTRY_MISSING, 4)),
    "who collected an item": (
        """UPDATE evidence SET collected = collected || '{"collector": "mallory"}' WHERE entry = 2""",
        (Finding.KIND_ITEM_CHANGED, 2),
    ),
    "an old head": ("UPDATE custody_head SET root = sha256('x')", (Finding.KIND_HEAD_FORGED, 4)),
}


async def test_every_tampering_is_named(room: Room) -> None:
    for number in range(5):
        await room.add(b"%d" % number)
    await head_of(room, 5)
    state = "CREATE TABLE kept_{0} AS TABLE {0}"
    tables = ("custody_entry", "custody_head", "evidence")
    for table in tables:
        room.tamper(state.format(table))
    for what, (statement, finding) in TAMPERING.items():
        room.tamper(statement)
        assert finding in await room.verify(ledger_only=finding[0] != Finding.KIND_ITEM_CHANGED), what
        for table in tables:
            room.tamper(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}")
        room.tamper("UPDATE custody_state SET size = 5, last = (SELECT hash FROM custody_entry WHERE index = 4)")


async def test_bytes_that_were_changed_or_taken_away_are_named(room: Room) -> None:
    first, second = await room.add(b"first"), await room.add(b"second")
    room.file(first).chmod(0o600)
    room.file(first).write_bytes(b"fir$t")
    room.file(second).unlink()
    assert await room.verify(incident_id=OTHER) == []
    found = await room.verify(incident_id=INCIDENT)
    assert found == [(Finding.KIND_BYTES_CHANGED, first.entry), (Finding.KIND_BYTES_MISSING, second.entry)]


async def test_heads_that_others_kept_show_that_all_was_rewritten(room: Room) -> None:
    """Whoever owns the database truncates the ledger, its state and its heads: the head that was told gives it away."""
    await room.add(b"inconvenient")
    kept = await head_of(room, 1)
    room.tamper("DELETE FROM custody_entry; DELETE FROM custody_head; DELETE FROM evidence")
    room.tamper("UPDATE custody_state SET size = 0, last = '', peaks = '{}'")
    assert await room.verify(ledger_only=True) == []
    assert await room.verify(ledger_only=True, heads=[kept]) == [(Finding.KIND_ENTRY_MISSING, 0)]
    await room.add(b"harmless")
    assert await room.verify(ledger_only=True, heads=[kept]) == [(Finding.KIND_HEAD_DIFFERS, 0)]
    kept.signature = "00" * 64
    assert await room.verify(ledger_only=True, heads=[kept]) == [(Finding.KIND_HEAD_FORGED, 0)]


async def test_an_export_proves_the_entries_of_one_incident_only(room: Room) -> None:
    await room.add(b"mine")
    await room.add(b"theirs", incident=OTHER)
    first = await head_of(room, 2)
    request = pb.ExportCustodyRequest(incident_id=INCIDENT, reason="for the authority")
    parts = [part async for part in room.alice.ExportCustody(request)]
    head, entries = parts[0].head, [part.entry for part in parts[1:]]
    assert [proven.entry.action for proven in entries] == ["collect", "export"]
    for proven in entries:
        proof = [bytes.fromhex(each) for each in proven.proof]
        assert is_included(bytes.fromhex(proven.entry.hash), proven.entry.index, head.size, proof, bytes.fromhex(head.root))
    asked = pb.ProveConsistencyRequest(first=first.size, second=head.size)
    answer = await room.alice.ProveConsistency(asked)
    roots = bytes.fromhex(first.root), bytes.fromhex(head.root)
    assert is_consistent(first.size, roots[0], head.size, roots[1], [bytes.fromhex(each) for each in answer.proof])
    listed = (await room.alice.ListTreeHeads(pb.ListTreeHeadsRequest())).heads
    assert [each.size for each in listed] == [3, 2]


async def head_of(room: Room, size: int) -> TreeHead:
    """The head of this size, as it was told."""
    found: list[TreeHead] = []

    async def told() -> bool:
        found[:] = [fact.head for fact in await room.world.facts(CustodyHeadSigned) if fact.head.size == size]
        return bool(found)

    await room.world.eventually(told, 40)
    return found[0]


async def test_who_may_not_know_of_a_private_incident_does_nothing_with_its_evidence(room: Room) -> None:
    """Neither by the item's own id nor by a stream that names the incident; nothing is entered. An administrator is let in."""
    item = await room.add(b"secret")
    room.sql(f"INSERT INTO incident_privacy (incident_id, private, members, version) VALUES ('{INCIDENT}', true, '{{alice}}', 9)")
    forbidden: list[Any] = [
        room.bob.TransferCustody(pb.TransferCustodyRequest(request_id="t", evidence_id=item.id, to="x", reason="y")),
        room.bob.ReleaseEvidence(pb.ReleaseEvidenceRequest(request_id="r", evidence_id=item.id, reason="y")),
        room.bob.SetLegalHold(pb.SetLegalHoldRequest(request_id="h", evidence_id=item.id, on=True, reason="y")),
        room.bob.GetEvidence(pb.GetEvidenceRequest(evidence_id=item.id)),
        anext(aiter(room.bob.DownloadEvidence(pb.DownloadEvidenceRequest(evidence_id=item.id, reason="y")))),
        replace(room, alice=room.bob).add(b"forged", incident=INCIDENT),
        replace(room, alice=room.bob).add(b"derived", incident=OTHER, said={"parent_id": item.id}),
    ]
    for each in forbidden:
        with pytest.raises(grpc.aio.AioRpcError, match=r"there is no (evidence|incident)") as refused:
            await each
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert await room.custody(item.id) == [("collect", "alice")], "only what alice did is entered"
    listed = await room.alice.ListEvidence(pb.ListEvidenceRequest(incident_id=INCIDENT))
    assert [each.id for each in listed.evidence] == [item.id]


async def test_everything_that_belongs_to_incidents_is_looked_up_where_it_is_kept(room: Room) -> None:
    async with await psycopg.AsyncConnection.connect(room.world.servers.postgres_url(room.world.database, "tocsin_response")) as connection:
        for source, _ in BELONGING.values():
            assert await hidden_things(Tx(connection, RandomIds(), room.world.clock), source, "bob", [OTHER]) == {}


async def test_what_was_submitted_to_an_authority_is_an_item_of_the_incidents_evidence_and_its_hash_is_kept(room: Room) -> None:
    notice, others = await room.add(b"dear authority"), await room.add(b"another incident's", incident=OTHER)
    known = Circumstances(traits=["personal-data", "eu"])
    event = obligation_pb.RecordStartEventRequest(request_id="e", incident_id=INCIDENT, event="awareness", circumstances=known)
    [gdpr] = (await room.obligations.RecordStartEvent(event)).obligations

    def submission(**more: str) -> obligation_pb.SubmitObligationRequest:
        return obligation_pb.SubmitObligationRequest(request_id=str(sorted(more)), obligation_id=gdpr.id, **more)

    for refused, code in (
        (submission(evidence_id=others.id), grpc.StatusCode.NOT_FOUND),
        (submission(evidence_id=notice.id, sha256="a" * 64), grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await room.obligations.SubmitObligation(refused)
        assert error.value.code() == code
    done = (await room.obligations.SubmitObligation(submission(evidence_id=notice.id, reference="A-1"))).obligation
    assert done.sha256 == notice.sha256 == hashlib.sha256(b"dear authority").hexdigest()
