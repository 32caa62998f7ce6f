"""Mail that answers a page, or tells what became of one: handed to communication, which alone knows whether the address is genuine."""

import logging
import re

from google.rpc import code_pb2
from tocsin.communication.v1.communication_service_pb2 import ReceiveInboundRequest, ReceiveInboundResponse

from tocsin_chassis.grpc.errors import to_status
from tocsin_edge.http.channel_hooks import LIMIT, RECEIVE
from tocsin_edge.http.room import Full, Room
from tocsin_edge.upstream import Upstream

log = logging.getLogger(__name__)

SECONDS = 10.0
TAKEN = "250 2.0.0 accepted"
LATER = "451 4.3.0 not accepted; nothing is lost, send it again"
NOT_OURS = "550 5.1.1 there is no such address"
UNREADABLE = "554 5.6.0 the mail cannot be read"
TOO_LARGE = "552 5.3.4 an answer has at most 1 MiB"
_ADDRESS = re.compile(r"(?:reply|bounce)\+[a-z2-7]{42}@[^@\s]+", re.IGNORECASE)


def is_answer(address: str) -> bool:
    """It has the form of the addresses that pages are answered to."""
    return _ADDRESS.fullmatch(address) is not None


class AnswersByMail:
    """Hands answers over."""

    def __init__(self, upstream: Upstream, room: Room) -> None:
        self._upstream = upstream
        self._room = room

    async def hand_over(self, address: str, content: bytes) -> str:
        """What the sender is told."""
        if len(content) > LIMIT:
            return TOO_LARGE
        headers = {"content-type": "message/rfc822", "x-original-to": address}
        request = ReceiveInboundRequest(kind="email", method="POST", path="/inbox", headers=headers, body=content)
        try:
            with self._room.taken(len(content)):
                packed = await self._upstream.call(RECEIVE, request.SerializeToString(), SECONDS)
        except Full:
            return LATER
        except Exception as error:  # whatever it was, the sender must hear that it should repeat, or that it is wrong
            return _refusal(error)
        return _told(ReceiveInboundResponse.FromString(packed).status)


def _told(status: int) -> str:
    match status:
        case 403 | 404:
            return NOT_OURS
        case 400:
            return UNREADABLE
    return TAKEN if status < 300 else LATER


def _refusal(error: Exception) -> str:
    if to_status(error).code in (code_pb2.INVALID_ARGUMENT, code_pb2.NOT_FOUND):
        return NOT_OURS
    log.warning("an answer by mail could not be handed over; its sender was told to repeat it: %s", error)
    return LATER
