"""Mail that comes back: answers of responders, and reports of mail servers on what became of a page. Pure."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from email.utils import getaddresses, parseaddr
from enum import StrEnum
from html.parser import HTMLParser
from uuid import UUID

from tocsin_communication.pages.receipt import Outcome

LONGEST_LINE = 400
LONGEST_TEXT = 20_000
SHORTEST_SECRET = 16
PROOF_BYTES = 10
RECIPIENTS = ("to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to")
NOT_BY_PEOPLE = ("bulk", "junk", "list", "auto_reply")
MARKS_OF_PROGRAMS = ("x-autoreply", "x-autorespond", "x-auto-response-suppress", "list-id", "x-loop")
DEAD = re.compile(r"5\.1\.(?:1|2|3|6|10)|5\.2\.1")
_ADDRESS = re.compile(r"(reply|bounce)\+([a-z2-7]{26})([a-z2-7]{16})@([a-z0-9.-]+)", re.IGNORECASE)
_ATTRIBUTION = re.compile(r"(?:on|am|le|el|il|op|em)\b", re.IGNORECASE)
_WROTE = re.compile(r"\b(?:wrote|schrieb|écrit|escribió|scritto|schreef|escreveu)\b", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"-{2,}\s*(?:original message|ursprüngliche nachricht|message d'origine)|_{10,}|(?:from|von|de|da)\s*:\s.*@", re.IGNORECASE
)


class Purpose(StrEnum):
    """What an address of ours is for."""

    REPLY = "reply"
    BOUNCE = "bounce"


class ReplyAddresses:
    """Addresses that name a page and prove that they are ours. Small letters are enough: mail servers change that."""

    def __init__(self, domain: str, secret: bytes) -> None:
        """Raises ValueError for a secret that can be guessed."""
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"the secret of reply addresses must have at least {SHORTEST_SECRET} characters")
        self.domain = domain.lower()
        self._secret = secret

    def make(self, purpose: Purpose, page_id: str) -> str:
        """The address; empty for a page whose id is no UUID."""
        try:
            name = UUID(page_id).bytes
        except ValueError:
            return ""
        return f"{purpose.value}+{_small(name)}{_small(self._proof(purpose, name))}@{self.domain}"

    def find(self, texts: Iterable[str]) -> tuple[Purpose, str] | None:
        """The purpose and the page of the first address of ours in these texts."""
        for text in texts:
            for purpose, name, proof, domain in _ADDRESS.findall(text.lower()):
                if domain == self.domain and hmac.compare_digest(_large(proof), self._proof(Purpose(purpose), _large(name))):
                    return Purpose(purpose), str(UUID(bytes=_large(name)))
        return None

    def _proof(self, purpose: Purpose, name: bytes) -> bytes:
        return hmac.new(self._secret, purpose.value.encode() + name, hashlib.sha256).digest()[:PROOF_BYTES]


@dataclass(frozen=True, slots=True)
class Fate:
    """What a mail server reports: `outcome` is DELIVERED, or why it failed."""

    outcome: Outcome
    why: str


def recipients(message: Message) -> list[str]:
    """Everywhere that the address it was sent to may stand."""
    return [str(value) for name in RECIPIENTS for value in message.get_all(name, [])]


def by_a_program(message: Message) -> bool:
    """A vacation notice, a mailing list, a report: no person has answered. RFC 3834."""
    if str(message.get("auto-submitted", "no")).partition(";")[0].strip().lower() != "no":
        return True
    if str(message.get("return-path", "")).strip() == "<>" or message.get_content_type() == "multipart/report":
        return True
    if str(message.get("precedence", "")).strip().lower() in NOT_BY_PEOPLE:
        return True
    return any(message.get(name) is not None for name in MARKS_OF_PROGRAMS)


def sender(message: Message, authserv_id: str) -> str:
    """Who sent it, if our own mail server (by its name in Authentication-Results) says that this is proven; otherwise nobody knows."""
    if not authserv_id:
        return ""
    for value in message.get_all("authentication-results", []):
        server, _, results = str(value).partition(";")
        # The first one of that name is the newest; whoever forges one has it further down.
        if server.split()[:1] == [authserv_id]:
            proven = re.search(r"\bdmarc\s*=\s*pass\b", results, re.IGNORECASE) is not None
            single = len(getaddresses([str(found) for found in message.get_all("from", [])])) == 1
            return parseaddr(str(message.get("from", "")))[1].lower() if proven and single else ""
    return ""


def said(message: Message) -> str:
    """The first line that the person wrote, without what they quote; empty if there is none."""
    lines = [line.strip() for line in _text(message)[:LONGEST_TEXT].splitlines()]
    for line, following in zip(lines, [*lines, ""][1:], strict=True):
        if line == "--" or _ORIGINAL.match(line):
            return ""
        if line and not line.startswith((">", "|")) and not _introduces(line, following):
            return line[:LONGEST_LINE]
    return ""


def _introduces(line: str, following: str) -> bool:
    """ "On Monday Tocsin wrote:", which mail programs put before a quote, in one line or two."""
    if _WROTE.search(line) and line.endswith(":"):
        return True
    return _ATTRIBUTION.match(line) is not None and following.endswith(":") and _WROTE.search(f"{line} {following}") is not None


def fate(message: Message) -> Fate | None:
    """What a report says of the only recipient; None for a delay, and for what is no report. RFC 3464."""
    if message.get_content_type() != "multipart/report":
        return None
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status" and isinstance(part.get_payload(), list):
            for block in part.get_payload():
                if isinstance(block, Message) and block.get("action") is not None:
                    return _fate(block)
    return None


def _fate(block: Message) -> Fate | None:
    action, status = str(block.get("action")).strip().lower(), str(block.get("status", "")).strip()
    words = " ".join(str(block.get("diagnostic-code", "")).split())[:LONGEST_LINE]
    why = f"the mail came back: {status} {words}".strip()
    match action:
        case "delivered":
            return Fate(Outcome.DELIVERED, f"delivered: {status}")
        case "failed" if DEAD.match(status):
            return Fate(Outcome.PERMANENT_TARGET, why)
        case "failed" if status.startswith("5."):
            return Fate(Outcome.PERMANENT_CONFIG, why)
        case "failed":
            return Fate(Outcome.TRANSIENT, why)
    return None


def _text(message: Message) -> str:
    """The plain text, or the HTML without its tags."""
    parts = [part for part in message.walk() if part.get_content_disposition() != "attachment"]
    for kind in ("text/plain", "text/html"):
        for part in parts:
            if part.get_content_type() == kind:
                text = _decoded(part)
                return text if kind == "text/plain" else _without_tags(text)
    return ""


def _decoded(part: Message) -> str:
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    try:
        return raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


class _Lines(HTMLParser):
    """The text of HTML as lines; quotes and what is not shown are left out."""

    SKIPPED = ("style", "script", "head", "title", "blockquote")
    BREAKS = ("br", "p", "div", "tr", "li", "h1", "h2", "h3")

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self._skipping = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.SKIPPED:
            self._skipping += 1
        if tag in self.BREAKS:
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self.SKIPPED:
            self._skipping = max(self._skipping - 1, 0)
        if tag in self.BREAKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.text.append(" ".join(data.split()) + " " if data.strip() else "")


def _without_tags(text: str) -> str:
    lines = _Lines()
    lines.feed(text)
    lines.close()
    return "".join(lines.text)


def _small(content: bytes) -> str:
    return base64.b32encode(content).decode().rstrip("=").lower()


def _large(text: str) -> bytes:
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))
