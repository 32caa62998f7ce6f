"""Changes as protobuf messages."""

from tocsin.detection.v1.change_pb2 import Change as ChangeMessage

from tocsin_detection.changes.change import Change
from tocsin_detection.wire import timestamp


def change_message(change: Change) -> ChangeMessage:
    return ChangeMessage(
        id=change.id,
        integration=change.integration,
        service=change.service,
        summary=change.summary,
        source=change.source,
        happened_at=timestamp(change.happened_at),
        received_at=timestamp(change.received_at),
        details=change.details,
        links=[ChangeMessage.Link(url=link.url, text=link.text) for link in change.links],
    )
