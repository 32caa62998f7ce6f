"""What Teams is told and what it means by its answers: Adaptive Cards of a page, error codes."""

from collections.abc import Iterable
from typing import Any

from tocsin_communication.channels.channel import Outgoing
from tocsin_communication.channels.chat import RESENT, Offered, clip, state_line, text_at
from tocsin_communication.channels.http import Answer
from tocsin_communication.pages.receipt import Outcome, Receipt

CARD = "application/vnd.microsoft.card.adaptive"
LONGEST_SUMMARY = 200
LONGEST_BODY = 3000
# Teams takes 28 KB with what it adds itself; a body of three thousand characters of four bytes stays below.
GONE = frozenset(
    {
        "BotNotInConversationRoster",
        "ForbiddenOperationException",
        "BotDisabledByAdmin",
        "MessageWritesBlocked",
        "ConversationNotFound",
        "ConversationBlockedByUser",
        "ActivityNotFoundInConversation",
    }
)


def refusal(answer: Answer) -> Receipt | None:
    """Why the connector did not do it; None if it did."""
    if answer.success:
        return None
    code = text_at(answer.json, "error", "code")
    said = clip(f"Teams: HTTP {answer.status} {code}".rstrip(), 200)
    return Receipt(_outcome(answer.status, code), said, retry_after=answer.retry_after)


def refusal_of_workflow(answer: Answer) -> Receipt | None:
    """The same for a workflow. Its address holds its key: one that is refused is dead, and other workflows are not."""
    if answer.success:
        return None
    dead = answer.status in (401, 403, 404, 410)
    return Receipt(
        Outcome.PERMANENT_TARGET if dead else _outcome(answer.status, ""),
        f"Teams workflow: HTTP {answer.status}",
        retry_after=answer.retry_after,
    )


def activity(outgoing: Outgoing, key: str, offered: Iterable[Offered]) -> dict[str, object]:
    """The page as a message of the bot, with buttons that come back to us."""
    attachment = {"contentType": CARD, "content": card(outgoing, _presses(outgoing, offered))}
    return {
        "type": "message",
        "summary": clip(outgoing.page.subject, LONGEST_SUMMARY),
        "attachments": [attachment],
        "channelData": {"tocsin": {"key": key}, "notification": {"alert": True}},
    }


def workflow_message(outgoing: Outgoing, key: str) -> dict[str, object]:
    """The page for a workflow, whose buttons can only open links. Nothing is done by opening one: the page behind it asks."""
    links = [(outgoing.yes, outgoing.acknowledge_url), (outgoing.no, outgoing.escalate_url), ("Open", outgoing.incident_url)]
    actions: list[dict[str, object]] = [{"type": "Action.OpenUrl", "title": title, "url": url} for title, url in links if url]
    content = card(outgoing, actions, f"Page {key}")
    return {"type": "message", "attachments": [{"contentType": CARD, "contentUrl": None, "content": content}]}


def card(outgoing: Outgoing, actions: list[dict[str, object]], footer: str = "") -> dict[str, object]:
    """The card. Text of others is in text runs, which Teams does not interpret."""
    page = outgoing.page
    remarks = [state_line(outgoing.incident), RESENT if page.resent_after_unknown else "", footer]
    body = [
        _text(clip(page.subject, LONGEST_SUMMARY), size="Large", weight="Bolder"),
        _text(clip(page.body, LONGEST_BODY)),
        *(_text(remark, isSubtle=True) for remark in remarks if remark),
    ]
    return {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": actions,
        "msteams": {"width": "Full"},
    }


def value_in(value: object) -> str:
    """What the button that was pressed carries, by either way that Teams has; empty if it is none of ours."""
    return text_at(value, "action", "data", "tocsin") or text_at(value, "tocsin")


def _presses(outgoing: Outgoing, offered: Iterable[Offered]) -> list[dict[str, object]]:
    """Old clients do not know Execute, and fall back to Submit."""
    actions: list[dict[str, object]] = []
    for each in offered:
        button, data = each.button, {"tocsin": each.value}
        fallback = {"type": "Action.Submit", "title": each.label, "data": data}
        made = {"type": "Action.Execute", "id": button.value, "verb": button.value, "title": each.label, "data": data}
        actions.append({**made, "fallback": fallback})
    if outgoing.incident_url:
        actions.append({"type": "Action.OpenUrl", "title": "Open", "url": outgoing.incident_url})
    return actions


def _text(text: str, **style: Any) -> dict[str, object]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text or "–", **style}]}


def _outcome(status: int, code: str) -> Outcome:
    match status:
        case 429:
            return Outcome.THROTTLED
        case 412 | 503:
            return Outcome.TRANSIENT
        case 403 | 404:
            return Outcome.PERMANENT_TARGET if code in GONE or status == 404 else Outcome.PERMANENT_CONFIG
        case _ if status >= 500 or status == 408:
            return Outcome.UNKNOWN
        case _:
            return Outcome.PERMANENT_CONFIG
