"""What Slack is told and what it means by its answers: blocks of a page, error codes, the signature of its requests."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.channels.chat import RESENT, Button, Offered, clip, state_line
from tocsin_communication.channels.http import Answer, wait_of
from tocsin_communication.channels.inbound import BadSignature
from tocsin_communication.pages.receipt import Outcome, Receipt

EVENT_TYPE = "tocsin_page"
LONGEST_HEADLINE = 150
LONGEST_SECTION = 2900
LONGEST_TEXT = 3000
STALE_SECONDS = 300

THROTTLED = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
LATER = frozenset({"service_unavailable", "request_timeout", "team_added_to_org", "update_failed"})
# Their own documentation says that a part of it may have been done.
PERHAPS = frozenset({"internal_error", "fatal_error"})
DEAD = frozenset(
    {
        "channel_not_found",
        "user_not_found",
        "user_disabled",
        "user_not_visible",
        "users_not_found",
        "is_archived",
        "is_inactive",
        "not_in_channel",
        "cannot_dm_bot",
        "cannot_reply_to_message",
        "message_not_found",
        "thread_not_found",
        "edit_window_closed",
        "cant_update_message",
    }
)
RESTRICTED = "restricted_action"


def outcome_of(code: str) -> Outcome:
    """What an error code means for the message."""
    if code in THROTTLED:
        return Outcome.THROTTLED
    if code in LATER:
        return Outcome.TRANSIENT
    if code in PERHAPS:
        return Outcome.UNKNOWN
    return Outcome.PERMANENT_TARGET if code in DEAD or code.startswith(RESTRICTED) else Outcome.PERMANENT_CONFIG


def refusal(answer: Answer) -> Receipt | None:
    """Why Slack did not do it; None if it did. Success and failure are both HTTP 200."""
    said = answer.json
    if answer.status == 429:
        return Receipt(Outcome.THROTTLED, "Slack: ratelimited", retry_after=answer.retry_after)
    if answer.status == 503:
        return Receipt(Outcome.TRANSIENT, "Slack: HTTP 503", retry_after=answer.retry_after)
    if answer.status >= 500 or (answer.success and "ok" not in said):
        return Receipt(Outcome.UNKNOWN, f"Slack: HTTP {answer.status} without an answer that can be read")
    if said.get("ok") is True:
        return None
    code = str(said.get("error") or f"HTTP {answer.status}")
    needed = f" (needed: {said['needed']})" if said.get("needed") else ""
    return Receipt(outcome_of(code), f"Slack: {code}{needed}", retry_after=wait_of(answer.headers.get("retry-after", "")))


def message(outgoing: Outgoing, key: str, offered: Iterable[Offered]) -> dict[str, object]:
    """The page as text for the lock screen, blocks for the window, and metadata to find it by."""
    page = outgoing.page
    return {
        "text": escaped(clip(page.subject, LONGEST_TEXT)),
        "blocks": _blocks(outgoing, offered),
        "metadata": {
            "event_type": EVENT_TYPE,
            "event_payload": {"page_id": key, "incident_id": page.incident_id, "attempt": page.attempts},
        },
        "unfurl_links": False,
        "unfurl_media": False,
    }


def page_id_in(message: Mapping[str, object]) -> str:
    """The page that a message of ours carries in its metadata; empty if none."""
    metadata = message.get("metadata")
    payload = metadata.get("event_payload") if isinstance(metadata, dict) and metadata.get("event_type") == EVENT_TYPE else None
    return str(payload.get("page_id", "")) if isinstance(payload, dict) else ""


def escaped(text: str) -> str:
    """Text of others in Slack's own markup, where it calls nobody and links to nothing."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def verify(secrets: tuple[str, ...], headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Raises BadSignature unless the request is signed with one of the secrets and fresh."""
    timestamp = headers.get("x-slack-request-timestamp", "")
    try:
        age = abs(now - int(timestamp))
    except ValueError:
        raise BadSignature("X-Slack-Request-Timestamp is no time") from None
    if age > STALE_SECONDS:
        raise BadSignature(f"signed {age:.0f} s ago")
    given = headers.get("x-slack-signature", "").encode()
    if not any(hmac.compare_digest(signature(secret, timestamp, body).encode(), given) for secret in secrets):
        raise BadSignature("X-Slack-Signature does not fit")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Version 0 of Slack's signature."""
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()


def _blocks(outgoing: Outgoing, offered: Iterable[Offered]) -> list[dict[str, object]]:
    """Everything that came from outside is plain text, which Slack does not interpret."""
    page = outgoing.page
    blocks: list[dict[str, object]] = [
        {"type": "header", "text": _plain(clip(page.subject, LONGEST_HEADLINE))},
        {"type": "section", "text": _plain(clip(page.body, LONGEST_SECTION))},
    ]
    remarks = [state_line(outgoing.incident), RESENT if page.resent_after_unknown else ""]
    elements: list[dict[str, object]] = [_plain(clip(remark, LONGEST_SECTION)) for remark in remarks if remark]
    if elements:
        blocks.append({"type": "context", "elements": elements})
    actions = [_button(each) for each in offered]
    if outgoing.incident_url:
        actions.append({"type": "button", "action_id": "open", "text": _plain("Open"), "url": outgoing.incident_url})
    if actions:
        blocks.append({"type": "actions", "block_id": f"page:{page.id}", "elements": actions})
    return blocks


def _button(offered: Offered) -> dict[str, object]:
    button = offered.button
    return {
        "type": "button",
        "action_id": button.value,
        "text": _plain(offered.label),
        **({"url": offered.url} if offered.url else {"value": offered.value}),
        "style": "danger" if button is Button.ESCALATE else "primary",
    }


def _plain(text: str) -> dict[str, object]:
    return {"type": "plain_text", "text": text or "–", "emoji": False}
