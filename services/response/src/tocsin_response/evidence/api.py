"""EvidenceService: requests become commands, answers become messages."""

from collections.abc import AsyncIterator

from tocsin.response.v1 import evidence_service_pb2 as pb
from tocsin.response.v1.evidence_pb2 import Evidence as EvidenceMessage
from tocsin.response.v1.evidence_pb2 import ProvenEntry
from tocsin.response.v1.evidence_service_pb2_grpc import EvidenceServiceServicer

from tocsin_chassis.grpc.caller import caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres.database import Database
from tocsin_chassis.postgres.inbox import once
from tocsin_chassis.telemetry import name_incident
from tocsin_kernel.errors import Invalid
from tocsin_response.evidence.blobs import Blobs
from tocsin_response.evidence.custody import Custody
from tocsin_response.evidence.heads import Heads
from tocsin_response.evidence.item import Evidence
from tocsin_response.evidence.spool import Spool
from tocsin_response.evidence.verification import Found, Verification
from tocsin_response.evidence.wire import collected, entry_to_proto, evidence_to_proto, head_of, head_to_proto
from tocsin_response.oncall.wire import text


class EvidenceApi(EvidenceServiceServicer):
    """The RPCs about evidence."""

    def __init__(self, database: Database, custody: Custody, heads: Heads, verification: Verification, blobs: Blobs, spool: Spool) -> None:
        self._database = database
        self._custody = custody
        self._heads = heads
        self._verification = verification
        self._blobs = blobs
        self._spool = spool

    async def AddEvidence(self, requests: AsyncIterator[pb.AddEvidenceRequest], context: Context) -> pb.AddEvidenceResponse:
        begins = await _beginning(requests)
        said, by = collected(begins.collected), caller().name
        name_incident(said.incident_id)
        async with self._spool.arriving(_upload(begins.request_id), begins.offset) as arriving:
            async for request in requests:
                if request.WhichOneof("part") != "piece":
                    raise Invalid(field="begins", detail="comes once, as the first message")
                await arriving.take(request.piece)
            arrived = await arriving.complete(begins.sha256)
            await self._custody.keep(arrived)
        async with self._database.transaction() as tx:

            async def make() -> pb.AddEvidenceResponse:
                item = await self._custody.add(tx, said, arrived, by, legal_hold=begins.legal_hold)
                return pb.AddEvidenceResponse(evidence=evidence_to_proto(item))

            return await once(tx, "AddEvidence", text("request_id", begins.request_id), pb.AddEvidenceResponse, make)

    async def GetUpload(self, request: pb.GetUploadRequest, context: Context) -> pb.GetUploadResponse:
        return pb.GetUploadResponse(received=await self._spool.received(_upload(request.request_id)))

    async def ListEvidence(self, request: pb.ListEvidenceRequest, context: Context) -> pb.ListEvidenceResponse:
        name_incident(request.incident_id)
        found, token = await self._custody.listed(request.incident_id, request.page_size, request.page_token)
        return pb.ListEvidenceResponse(evidence=[evidence_to_proto(item) for item in found], next_page_token=token)

    async def GetEvidence(self, request: pb.GetEvidenceRequest, context: Context) -> pb.GetEvidenceResponse:
        shown = await self._custody.shown(request.evidence_id)
        return pb.GetEvidenceResponse(
            evidence=evidence_to_proto(shown.item),
            custody=[entry_to_proto(entry) for entry in shown.custody],
            derived=[evidence_to_proto(item) for item in shown.derived],
        )

    async def DownloadEvidence(self, request: pb.DownloadEvidenceRequest, context: Context) -> AsyncIterator[pb.DownloadEvidenceResponse]:
        item = await self._custody.access(request.evidence_id, caller().name, text("reason", request.reason))
        yield pb.DownloadEvidenceResponse(evidence=evidence_to_proto(item))
        async for piece in self._blobs.read(item.sha256):
            yield pb.DownloadEvidenceResponse(piece=piece)

    async def TransferCustody(self, request: pb.TransferCustodyRequest, context: Context) -> pb.TransferCustodyResponse:
        to, reason = text("to", request.to), text("reason", request.reason)
        async with self._database.transaction() as tx:

            async def make() -> pb.TransferCustodyResponse:
                item = await self._custody.transfer(tx, request.evidence_id, to, caller().name, reason)
                return pb.TransferCustodyResponse(evidence=_named(item))

            return await once(tx, "TransferCustody", text("request_id", request.request_id), pb.TransferCustodyResponse, make)

    async def SetLegalHold(self, request: pb.SetLegalHoldRequest, context: Context) -> pb.SetLegalHoldResponse:
        reason = text("reason", request.reason)
        async with self._database.transaction() as tx:

            async def make() -> pb.SetLegalHoldResponse:
                item = await self._custody.hold(tx, request.evidence_id, request.on, caller().name, reason)
                return pb.SetLegalHoldResponse(evidence=_named(item))

            return await once(tx, "SetLegalHold", text("request_id", request.request_id), pb.SetLegalHoldResponse, make)

    async def ReleaseEvidence(self, request: pb.ReleaseEvidenceRequest, context: Context) -> pb.ReleaseEvidenceResponse:
        reason = text("reason", request.reason)
        async with self._database.transaction() as tx:

            async def make() -> pb.ReleaseEvidenceResponse:
                item = await self._custody.release(tx, request.evidence_id, caller().name, reason)
                return pb.ReleaseEvidenceResponse(evidence=_named(item))

            return await once(tx, "ReleaseEvidence", text("request_id", request.request_id), pb.ReleaseEvidenceResponse, make)

    async def VerifyEvidence(self, request: pb.VerifyEvidenceRequest, context: Context) -> pb.VerifyEvidenceResponse:
        given = [head_of(number, head) for number, head in enumerate(request.heads)]
        verdict = await self._verification.verify(request.incident_id, given, caller().name, ledger_only=request.ledger_only)
        return pb.VerifyEvidenceResponse(
            findings=[_finding(found) for found in verdict.findings],
            entries=verdict.entries,
            items=verdict.items,
            heads=verdict.heads,
            root=verdict.root.hex(),
        )

    async def ExportCustody(self, request: pb.ExportCustodyRequest, context: Context) -> AsyncIterator[pb.ExportCustodyResponse]:
        name_incident(request.incident_id)
        head, entries = await self._heads.export(request.incident_id, caller().name, text("reason", request.reason))
        yield pb.ExportCustodyResponse(head=head_to_proto(head))
        async for proven in entries:
            proof = [each.hex() for each in proven.proof]
            yield pb.ExportCustodyResponse(entry=ProvenEntry(entry=entry_to_proto(proven.entry), proof=proof))

    async def ListTreeHeads(self, request: pb.ListTreeHeadsRequest, context: Context) -> pb.ListTreeHeadsResponse:
        found, token = await self._heads.listed(request.page_size, request.page_token)
        return pb.ListTreeHeadsResponse(heads=[head_to_proto(head) for head in found], next_page_token=token)

    async def ProveConsistency(self, request: pb.ProveConsistencyRequest, context: Context) -> pb.ProveConsistencyResponse:
        proof, first, second = await self._heads.consistency(request.first, request.second)
        return pb.ProveConsistencyResponse(proof=[each.hex() for each in proof], first_root=first.hex(), second_root=second.hex())


async def _beginning(requests: AsyncIterator[pb.AddEvidenceRequest]) -> pb.EvidenceBegins:
    async for request in requests:
        if request.WhichOneof("part") == "begins":
            return request.begins
        break
    raise Invalid(field="begins", detail="must be the first message")


def _upload(request_id: str) -> str:
    """Whose upload it is belongs to its name: nobody goes on with that of somebody else."""
    return f"{caller().name}\n{request_id}"


def _named(item: Evidence) -> EvidenceMessage:
    name_incident(item.collected.incident_id)
    return evidence_to_proto(item)


def _finding(found: Found) -> pb.CustodyFinding:
    kind = pb.CustodyFinding.Kind.Value(f"KIND_{found.flaw.value}")
    return pb.CustodyFinding(kind=kind, index=found.index, evidence_id=found.evidence_id, text=found.text)
