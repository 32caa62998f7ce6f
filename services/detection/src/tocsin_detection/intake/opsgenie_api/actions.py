"""What Opsgenie's API can do to an alert. Pure: the request's fields and the alert in, the decision out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec.structs import replace

from tocsin_detection.alert import Alert, Decision, ResolveReason, Verdict, acknowledge, changed, snooze, unacknowledge
from tocsin_detection.intake.opsgenie import SEVERITIES
from tocsin_detection.intake.opsgenie_fields import (
    MOST_DESCRIPTION,
    MOST_DETAILS,
    MOST_MESSAGE,
    MOST_NOTE,
    MOST_PARTIES,
    MOST_TAGS,
    MOST_WORD,
    Fields,
    size_of,
)
from tocsin_detection.signal import one_line

MOST_KEYS = 1_000


class NotDone(Exception):
    """It cannot be done to this alert now; the text is the request's status."""


Change = Callable[[Alert, str, datetime], Decision]


class How(StrEnum):
    """What is wanted of those who respond."""

    ADD = "ADD"
    ESCALATE = "ESCALATE"
    ASSIGN = "ASSIGN"
    ACTION = "ACTION"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request wants of those who respond: of a party, or an action that means something to people."""

    how: How
    party: Mapping[str, str] = field(default_factory=dict)
    action: str = ""


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of request: its name, what its status says once it is done, and how its fields become a change of an alert.

    `asks` is what it wants of those who respond.
    """

    name: str
    done: str
    read: Callable[[Fields], Change]
    of_closed: bool = False
    asks: Callable[[Fields], Asked] | None = None

    def decide(self, change: Change, alert: Alert, by: str, note: str, now: datetime) -> Decision:
        """The decision, with the note that came with it. Raises NotDone."""
        if not alert.open and not self.of_closed:
            raise NotDone("Alert is already closed")
        return replace(change(alert, by, now), by=by, note=note)


def closed(alert: Alert, by: str, now: datetime) -> Decision:
    """Its sender says that it is over."""
    after = replace(
        alert,
        ends_at=now,
        ends_by_timeout=False,
        resolved_at=now,
        resolve_reason=ResolveReason.RESOLVED_BY_SENDER.value,
        sender_fields={**alert.sender_fields, "closedBy": by},
        version=alert.version + 1,
    )
    return Decision(Verdict.RESOLVED, f"closed by {by}", after)


def _close(fields: Fields) -> Change:
    return closed


def _acknowledge(fields: Fields) -> Change:
    def change(alert: Alert, by: str, now: datetime) -> Decision:
        if alert.acknowledged_at is not None:
            raise NotDone("Alert is already acknowledged")
        return acknowledge(alert, by, now)

    return change


def _unacknowledge(fields: Fields) -> Change:
    def change(alert: Alert, by: str, now: datetime) -> Decision:
        if alert.acknowledged_at is None:
            raise NotDone("Alert is not acknowledged")
        return unacknowledge(alert, by)

    return change


def _snooze(fields: Fields) -> Change:
    until = fields.instant("endTime")

    def change(alert: Alert, by: str, now: datetime) -> Decision:
        if until is None or until <= now:
            raise NotDone("endTime has passed")
        return snooze(alert, until, by, now)

    return change


def _note(fields: Fields) -> Change:
    fields.text("note", MOST_NOTE, required=True)
    return lambda alert, by, now: Decision(Verdict.IGNORED, "a note", alert)


def _message(fields: Fields) -> Change:
    message = one_line(fields.text("message", MOST_MESSAGE, required=True))
    return lambda alert, by, now: changed(alert, replace(alert, title=message), f"{by} changed its message", by)


def _description(fields: Fields) -> Change:
    description = fields.text("description", MOST_DESCRIPTION, required=True)
    return lambda alert, by, now: changed(alert, replace(alert, description=description), f"{by} changed its description", by)


def _priority(fields: Fields) -> Change:
    priority = fields.priority("priority", required=True)

    def change(alert: Alert, by: str, now: datetime) -> Decision:
        after = replace(_keeping(alert, {"priority": priority}), sender_severity=SEVERITIES[priority])
        return changed(alert, after, f"{by} changed its priority to {priority}", by)

    return change


def _add_tags(fields: Fields) -> Change:
    tags = fields.texts("tags", MOST_TAGS, MOST_WORD, required=True)

    def change(alert: Alert, by: str, now: datetime) -> Decision:
        every = tuple(dict.fromkeys((*alert.tags, *tags)))
        _refuse_above(MOST_TAGS, len(every), "tags")
        return changed(alert, replace(alert, tags=every), f"{by} added tags: {', '.join(tags)}", by)

    return change


def _remove_tags(fields: Fields) -> Change:
    tags = fields.texts("tags", MOST_KEYS, MOST_WORD, required=True)

    def change(alert: Alert, by: str, now: datetime) -> Decision:
        left = tuple(tag for tag in alert.tags if tag not in tags)
        return changed(alert, replace(alert, tags=left), f"{by} removed tags: {', '.join(tags)}", by)

    return change


def _add_details(fields: Fields) -> Change:
    details = fields.details("details", required=True)

    def change(alert: Alert, by: str, now: datetime) -> Decision:
        every = {**alert.annotations, **details}
        _refuse_above(MOST_DETAILS, size_of(every), "characters of details")
        return changed(alert, replace(alert, annotations=every), f"{by} added details: {_listed(details)}", by)

    return change


def _remove_details(fields: Fields) -> Change:
    keys = fields.texts("keys", MOST_KEYS, MOST_DETAILS, required=True)

    def change(alert: Alert, by: str, now: datetime) -> Decision:
        left = {name: text for name, text in alert.annotations.items() if name not in keys}
        return changed(alert, replace(alert, annotations=left), f"{by} removed details: {_listed(dict.fromkeys(keys, ''))}", by)

    return change


def _asks_responder(fields: Fields) -> Asked:
    return Asked(How.ADD, fields.party("responder"))


def _asks_team(fields: Fields) -> Asked:
    return Asked(How.ADD, fields.party("team", ("team",), kind="team"))


def _asks_escalation(fields: Fields) -> Asked:
    return Asked(How.ESCALATE, fields.party("escalation", ("escalation",), kind="escalation"))


def _asks_owner(fields: Fields) -> Asked:
    return Asked(How.ASSIGN, fields.party("owner", ("user",), kind="user"))


def _add_responder(fields: Fields) -> Change:
    return _adding(fields.party("responder"))


def _add_team(fields: Fields) -> Change:
    return _adding(fields.party("team", ("team",), kind="team"))


def _escalate(fields: Fields) -> Change:
    return _adding(fields.party("escalation", ("escalation",), kind="escalation"), "escalated it to")


def _adding(party: Mapping[str, str], done: str = "added") -> Change:
    def change(alert: Alert, by: str, now: datetime) -> Decision:
        responders: Any = alert.sender_fields.get("responders", ())
        every = [*responders, *([] if party in responders else [dict(party)])]
        _refuse_above(MOST_PARTIES, len(every), "responders")
        return changed(alert, _keeping(alert, {"responders": every}), f"{by} {done} {_named(party)}", by)

    return change


def _assign(fields: Fields) -> Change:
    owner = fields.party("owner", ("user",), kind="user")

    def change(alert: Alert, by: str, now: datetime) -> Decision:
        name = owner.get("username") or owner.get("name") or owner["id"]
        return changed(alert, _keeping(alert, {"owner": name}), f"{by} assigned it to {name}", by)

    return change


ACTIONS: Mapping[tuple[str, str], Action] = {
    ("POST", "close"): Action("Close", "Closed alert", _close),
    ("POST", "acknowledge"): Action("Acknowledge", "Acknowledged alert", _acknowledge),
    ("POST", "unacknowledge"): Action("UnAcknowledge", "Unacknowledged alert", _unacknowledge),
    ("POST", "snooze"): Action("Snooze", "Snoozed alert", _snooze),
    ("POST", "notes"): Action("AddNote", "Added note", _note, of_closed=True),
    ("POST", "escalate"): Action("EscalateToNext", "Escalated alert", _escalate, asks=_asks_escalation),
    ("POST", "assign"): Action("Assign", "Assigned alert", _assign, asks=_asks_owner),
    ("POST", "responders"): Action("AddResponder", "Added responder", _add_responder, asks=_asks_responder),
    ("POST", "teams"): Action("AddTeam", "Added team", _add_team, asks=_asks_team),
    ("POST", "tags"): Action("AddTags", "Added tags", _add_tags, of_closed=True),
    ("DELETE", "tags"): Action("RemoveTags", "Removed tags", _remove_tags, of_closed=True),
    ("POST", "details"): Action("AddDetails", "Added details", _add_details, of_closed=True),
    ("DELETE", "details"): Action("RemoveDetails", "Removed details", _remove_details, of_closed=True),
    ("PUT", "message"): Action("UpdateMessage", "Updated message", _message, of_closed=True),
    ("PUT", "description"): Action("UpdateDescription", "Updated description", _description, of_closed=True),
    ("PUT", "priority"): Action("UpdatePriority", "Updated priority", _priority, of_closed=True),
}


def custom_action(name: str) -> Action:
    """An action that the alert's sender made up. It is noted and told; what it means is for those who hear that."""

    def read(fields: Fields) -> Change:
        def change(alert: Alert, by: str, now: datetime) -> Decision:
            actions: Any = alert.sender_fields.get("actions", ())
            if name not in actions:
                raise NotDone("Alert does not have this action")
            return Decision(Verdict.CHANGED, f"{by} executed its action {name}", replace(alert, version=alert.version + 1))

        return change

    return Action("CustomAction", "Executed custom action", read, asks=lambda fields: Asked(How.ACTION, action=name))


def _keeping(alert: Alert, fields: Mapping[str, object]) -> Alert:
    return replace(alert, sender_fields={**alert.sender_fields, **fields})


def _refuse_above(most: int, count: int, what: str) -> None:
    if count > most:
        raise NotDone(f"Alert would have {count} {what}; at most {most} are kept")


def _listed(details: Mapping[str, str]) -> str:
    return one_line(", ".join(details))


def _named(party: Mapping[str, str]) -> str:
    return f"{party['type']} {party.get('name') or party.get('username') or party['id']}"
