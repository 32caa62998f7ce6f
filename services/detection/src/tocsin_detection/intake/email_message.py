"""An e-mail message (RFC 5322) of a stranger, taken apart: the headers that are read here, and its text."""

from collections.abc import Callable, Mapping
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32
from itertools import islice
from re import compile as expression

from tocsin_detection.intake.plain_text import from_html
from tocsin_detection.signal import storable

# The headers by which a sender says what its message is about; they need not be there.
KEY, STATUS, SEVERITY, SERVICE = "x-tocsin-key", "x-tocsin-status", "x-tocsin-severity", "x-tocsin-service"
READ = frozenset({"subject", "from", "message-id", "in-reply-to", "references", "auto-submitted", KEY, STATUS, SEVERITY, SERVICE})
# Text comes before attachments. What is parsed is bounded, so that no message keeps others waiting.
MOST_PARSED = 262_144
MOST_BOUNDARIES = 20
MOST_PARTS = 200
MOST_HEADER = 8_192
MOST_ANSWERED = 50
MESSAGE_ID = expression(r"<[^<>\s]{1,996}>")
READERS: tuple[tuple[str, Callable[[str], str]], ...] = (("text/plain", str), ("text/html", from_html))


class TooNested(Exception):
    """It would take too long to take apart; the text says what to do."""


def parsed(body: bytes) -> "Message[str, str]":
    """The message. Whatever the bytes are, they are one. Raises TooNested."""
    head = body[:MOST_PARSED]
    if head.lower().count(b"boundary") > MOST_BOUNDARIES:
        raise TooNested(f"the message has more than {MOST_BOUNDARIES} nested parts: send its text alone")
    try:
        return BytesParser(policy=compat32).parsebytes(head)
    except RecursionError as error:
        raise TooNested("the message is nested too deeply: send its text alone") from error


def headers_of(body: bytes) -> Mapping[str, str]:
    """Only the headers of a message: see `texts_of`."""
    return texts_of(BytesHeaderParser(policy=compat32).parsebytes(body[:MOST_PARSED]))


def texts_of(message: "Message[str, str]") -> Mapping[str, str]:
    """The headers that are read here, decoded, by their lower-case names. The first of a name counts."""
    found: dict[str, str] = {}
    for name, raw in message.raw_items():
        if name.lower() in READ:
            found.setdefault(name.lower(), _decoded(str(raw)[:MOST_HEADER]))
    return found


def message_id(headers: Mapping[str, str]) -> str:
    """The message's own id; empty if it has none."""
    found = MESSAGE_ID.search(headers.get("message-id", ""))
    return found[0] if found else ""


def answered_ids(headers: Mapping[str, str]) -> list[str]:
    """The ids of the messages that it answers, the nearest first."""
    found = MESSAGE_ID.findall(f"{headers.get('references', '')} {headers.get('in-reply-to', '')}")
    return list(dict.fromkeys(reversed(found)))[:MOST_ANSWERED]


def text_of(message: "Message[str, str]") -> str:
    """The text of the message: plain if it has that, otherwise what its HTML says."""
    parts = [part for part in islice(message.walk(), MOST_PARTS) if part.get_content_disposition() != "attachment"]
    for kind, reader in READERS:
        for part in parts:
            if part.get_content_type() == kind and (text := reader(_content(part)).strip()):
                return text
    return ""


def _content(part: "Message[str, str]") -> str:
    content = part.get_payload(decode=True)
    return _in_charset(content, _charset(part)) if isinstance(content, bytes) else ""


def _charset(part: "Message[str, str]") -> str | None:
    try:
        return part.get_content_charset()
    except ValueError:  # the parameter cannot be decoded itself
        return None


def _decoded(raw: str) -> str:
    """A header's text. Bytes that are not ASCII are taken for UTF-8; encoded words that cannot be decoded stay as they are."""
    text = raw.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    try:
        pieces = decode_header(text)
    except ValueError:
        return storable(text)
    return storable("".join(_in_charset(piece, charset) if isinstance(piece, bytes) else piece for piece, charset in pieces))


def _in_charset(content: bytes, charset: str | None) -> str:
    try:
        return storable(content.decode(charset or "utf-8", "replace"))
    except (LookupError, ValueError):  # a charset that does not exist, or is none
        return storable(content.decode("utf-8", "replace"))
