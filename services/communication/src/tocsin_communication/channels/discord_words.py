"""What Discord is told and what it means by its answers: messages, error codes, the signature of its requests."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.channels.chat import RESENT, Button, Offered, clip, plain_markdown, state_line, text_at
from tocsin_communication.channels.http import Answer, wait_of
from tocsin_communication.channels.inbound import BadSignature
from tocsin_communication.pages.receipt import Outcome, Receipt

STYLES = {Button.ACKNOWLEDGE: 3, Button.ESCALATE: 4, Button.RESOLVE: 3}
LINK_STYLE = 5
STALE_SECONDS = 300
LONGEST_CONTENT = 1000
LONGEST_DESCRIPTION = 1900
LONGEST_NONCE = 25
EPOCH_MS = 1_420_070_400_000
# A form that is not filled in well is our fault, but a person who cannot be written to is one of these.
DEAD = frozenset({10003, 10008, 10013, 10015, 50001, 50007, 50013, 50033, 50278})


def message(outgoing: Outgoing, key: str, offered: Iterable[Offered]) -> dict[str, object]:
    """The page as a message of the bot."""
    row: list[dict[str, object]] = [
        _link(each.label, each.url) if each.url else {"type": 2, "style": STYLES[each.button], "label": each.label, "custom_id": each.value}
        for each in offered
    ]
    if outgoing.incident_url:
        row.append(_link("Open", outgoing.incident_url))
    components = [{"type": 1, "components": row}] if row else []
    return {**_words_of(outgoing, key, ()), "components": components}


def _link(label: str, url: str) -> dict[str, object]:
    return {"type": 2, "style": LINK_STYLE, "label": label, "url": url}


def webhook_message(outgoing: Outgoing, key: str) -> dict[str, object]:
    """The page for a webhook, which has links instead of buttons."""
    links = ((outgoing.yes, outgoing.acknowledge_url), (outgoing.no, outgoing.escalate_url), ("Open", outgoing.incident_url))
    return _words_of(outgoing, key, tuple(f"{title}: {url}" for title, url in links if url))


def _words_of(outgoing: Outgoing, key: str, links: Sequence[str]) -> dict[str, object]:
    """Nobody is called by text of others, and nothing in it is a link."""
    page = outgoing.page
    remarks = [state_line(outgoing.incident), RESENT if page.resent_after_unknown else ""]
    parts = [plain_markdown(clip(page.body, LONGEST_DESCRIPTION // 2)), *links, *(plain_markdown(remark) for remark in remarks if remark)]
    embed = {"description": "\n".join(part for part in parts if part), "footer": {"text": footer(key)}}
    content = plain_markdown(clip(page.subject, LONGEST_CONTENT))
    return {"content": content, "embeds": [embed], "allowed_mentions": {"parse": []}}


def footer(page_id: str) -> str:
    """What a page is found by."""
    return f"Tocsin page {page_id}"


def nonce(key: str) -> str:
    """The key in as many characters as Discord takes."""
    return hashlib.sha256(key.encode()).hexdigest()[:LONGEST_NONCE]


def snowflake_of(text: str) -> int:
    """An id as a number; 0 if it is none."""
    return int(text) if text.isascii() and text.isdigit() else 0


def snowflake(seconds: float) -> int:
    """The smallest id that Discord gives at that time."""
    return max(int(seconds * 1000) - EPOCH_MS, 0) << 22


class NotDiscord(BadSignature):
    """Discord tries whether this is refused in the way that it wants, before it takes an address."""

    status = 401


def verify(key: Ed25519PublicKey | None, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Raises NotDiscord unless the request is Discord's, and fresh."""
    if key is None:
        raise NotDiscord("TOCSIN_DISCORD_PUBLIC_KEY is not set")
    timestamp = headers.get("x-signature-timestamp", "")
    try:
        key.verify(bytes.fromhex(headers.get("x-signature-ed25519", "")), timestamp.encode() + body)
        age = abs(now.timestamp() - int(timestamp))
    except (InvalidSignature, ValueError) as error:
        raise NotDiscord("X-Signature-Ed25519 does not fit") from error
    if age > STALE_SECONDS:
        raise NotDiscord(f"signed {age:.0f} s ago")


def refusal(answer: Answer) -> Receipt | None:
    """Why Discord did not do it; None if it did."""
    if answer.success:
        return None
    found = answer.json.get("code", 0)
    code = found if isinstance(found, int) else 0
    detail = clip(f"Discord: HTTP {answer.status} {code or ''} {text_at(answer.json, 'message')}".strip(), 200)
    wish = wait_of(answer.json.get("retry_after", "")) or answer.retry_after
    return Receipt(_outcome(answer.status, code), detail, retry_after=wish if answer.status in (429, 503) else None)


def refusal_of_webhook(answer: Answer) -> Receipt | None:
    """A webhook's address holds its key: one that is refused is dead, and must not be tried again."""
    refused = refusal(answer)
    if refused is not None and answer.status in (401, 403):
        return Receipt(Outcome.PERMANENT_TARGET, refused.detail)
    return refused


def _outcome(status: int, code: int) -> Outcome:
    match status:
        case 429:
            return Outcome.THROTTLED
        case 503:
            return Outcome.TRANSIENT
        case 404 | 410:
            return Outcome.PERMANENT_TARGET
        case _ if status >= 500 or status == 408:
            return Outcome.UNKNOWN
        case _:
            return Outcome.PERMANENT_TARGET if code in DEAD else Outcome.PERMANENT_CONFIG


def footer_in(listed: dict[str, Any]) -> str:
    embeds = listed.get("embeds")
    return text_at(embeds[0], "footer", "text") if isinstance(embeds, list) and embeds else ""
