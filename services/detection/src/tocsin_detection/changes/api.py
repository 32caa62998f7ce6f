"""ChangeService: a request becomes what is wanted, a page becomes messages."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.message import Message
from tocsin.detection.v1 import change_service_pb2 as pb
from tocsin.detection.v1.change_service_pb2_grpc import ChangeServiceServicer

from tocsin_chassis import paging
from tocsin_chassis.grpc.wrapping import Context
from tocsin_detection.changes.changes import Changes, page_token
from tocsin_detection.changes.store import Wanted
from tocsin_detection.changes.wire import change_message
from tocsin_detection.signal import storable
from tocsin_kernel.errors import Invalid


class ChangeApi(ChangeServiceServicer):
    """The RPC of changes."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    async def ListChanges(self, request: pb.ListChangesRequest, context: Context) -> pb.ListChangesResponse:
        wanted = Wanted(
            service=storable(request.service) or None,
            integration=storable(request.integration) or None,
            since=_instant(request, "since"),
            until=_instant(request, "until"),
            before=_page_start(request.page_token),
            limit=paging.page_size(request.page_size),
        )
        listing = await self._changes.list(wanted)
        every = [change_message(change) for change in listing.changes]
        changes, token = paging.fitted(every, listing.next_page_token, lambda last: page_token(listing.changes[last]))
        return pb.ListChangesResponse(changes=changes, next_page_token=token)


def _instant(request: Message, field: str) -> datetime | None:
    """The instant in a field; None if it is absent. Raises Invalid."""
    if not request.HasField(field):
        return None
    try:
        instant: datetime = getattr(request, field).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(field=field, detail="it is not an instant between the years 1 and 9999") from error
    return instant


def _page_start(token: str) -> tuple[datetime, str] | None:
    """Where the page of a token starts; None for the first. Raises PageTokenInvalid."""
    if not token:
        return None
    happened_at, change_id = paging.decode(token, 2)
    try:
        return datetime.fromisoformat(happened_at).astimezone(UTC), str(UUID(change_id))
    except (ValueError, OverflowError) as error:
        raise paging.refused() from error
