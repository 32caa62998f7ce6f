"""Words of block lists between protobuf and the domain."""

from tocsin.response.v1 import containment_pb2 as pb

from tocsin_response.blocklist.blocklists import Shown
from tocsin_response.blocklist.entry import BlockEntry
from tocsin_response.containment.measure import TargetKind
from tocsin_response.containment.wire import kind_to_proto
from tocsin_response.oncall.wire import timestamp


def entry_to_proto(entry: BlockEntry) -> pb.BlockEntry:
    return pb.BlockEntry(
        list=entry.list,
        kind=kind_to_proto(entry.kind),
        value=entry.value,
        comment=entry.comment,
        incident_id=entry.incident_id,
        since=timestamp(entry.since),
        until=timestamp(entry.until),
        added_by=entry.added_by,
    )


def list_to_proto(shown: Shown) -> pb.BlockList:
    return pb.BlockList(
        name=shown.list.name,
        kind=kind_to_proto(TargetKind(shown.list.kind)),
        entries=shown.entries,
        readers=[
            pb.BlockListReader(
                address=reader.address,
                read_at=timestamp(reader.read_at),
                etag=str(reader.version),
                current=reader.version == shown.list.version,
            )
            for reader in shown.readers
        ],
    )
