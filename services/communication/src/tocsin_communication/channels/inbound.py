"""What providers tell us: requests to /hooks/channels/<kind>/…, and what they mean."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tocsin_communication.pages.receipt import Outcome


class BadSignature(Exception):
    """The request does not prove that it comes from the provider. Answered with `status`; the text goes to the log."""

    status = 403


class BadRequest(Exception):
    """The request is proven to come from the provider, but cannot be understood. Answered with 400; the text goes to the log."""


class NoInbound(Exception):
    """Nobody is expected to call here. Answered with 404."""


@dataclass(frozen=True, slots=True)
class InboundRequest:
    """A request as it came, byte by byte. `url` is the public one, as the provider was told it, with its query; `path` is the part
    below /hooks/channels/<kind>, beginning with a slash; header names are in lower case."""

    method: str
    url: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """`dedup_id` is the provider's id of the event: the same one twice is one event. Empty: harmless to take twice."""

    dedup_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer(_Event):
    """A responder's answer. Which page it is about: `page_id`, if the provider proved that it is an answer to that message; or
    `token`, the secret of the page's link; or `reply_code` as typed by the one at `address`; or the only open page of the one at
    `address`. `address` is who answered, in the channel's own words (phone number, user id): if it is a contact method of a
    responder the answer is theirs, otherwise it is the answer of the one who was paged."""

    page_id: str = ""
    token: str = ""
    reply_code: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledge(_Answer):
    """They take the incident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Escalate(_Answer):
    """They cannot; the next one is to be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve(_Answer):
    """It is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said(_Event):
    """Free text of the one at `address`, to be understood here: SMS, mail, chat. `page_id` or `token` if it answers a certain page."""

    address: str
    text: str
    page_id: str = ""
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered(_Event):
    """A message arrived. Either its `provider_id` or, if the callback brings it along, the `page_id`."""

    at: datetime
    provider_id: str = ""
    page_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered(_Event):
    """A message that had been accepted did not arrive. `outcome`: TRANSIENT, PERMANENT_TARGET or PERMANENT_CONFIG."""

    why: str
    outcome: Outcome
    provider_id: str = ""
    page_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen(_Event):
    """A person has seen it; that is no answer. A call that was picked up counts."""

    at: datetime
    provider_id: str = ""
    page_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OptOut(_Event):
    """Whoever is at `address` wants no more messages, or (with `again`) wants them again."""

    address: str
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered(_Event):
    """Whoever is at `address` showed the confirmation `code` of a contact method: it is theirs, and this is its address from now on."""

    code: str
    address: str


InboundEvent = Acknowledge | Escalate | Resolve | Said | Delivered | Undelivered | Seen | OptOut | Registered


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an event. `text` is one plain sentence for the person: "#7 Checkout fails is yours."; empty if it tells nothing."""

    event: InboundEvent
    done: bool
    text: str


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the provider is answered."""

    status: int = 200
    content_type: str = ""
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InboundAnswer:
    """The events in a request, and the answer. Where the answer depends on what became of the events, `finish` makes it."""

    events: tuple[InboundEvent, ...] = ()
    answer: HttpAnswer = HttpAnswer()
    finish: Callable[[Sequence[Result]], HttpAnswer] | None = None
