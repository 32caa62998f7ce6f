"""What pages say."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tocsin_communication.incidents.incident import Incident
from tocsin_communication.pages.page import Kind

_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
LONGEST_SUBJECT = 150
EXERCISE = "[EXERCISE] "
ASKS, DECIDED = "Approve? ", "No answer needed: "
# How many incidents of a bundle its subject and its body name.
SHOWN, LISTED = 5, 25


@dataclass(frozen=True, slots=True)
class Text:
    """A subject line and a plain-text body."""

    subject: str
    body: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a run of a playbook asks of people. Not an `approval`: something to be done by hand."""

    id: str
    approval: bool
    text: str
    step: str
    playbook: str
    quorum: int = 1
    until: datetime | None = None
    why: str = ""
    simulated: bool = False

    @property
    def command(self) -> str:
        """How to answer by the command line."""
        return f"tocsin playbook answer {self.id} done"


def one_line(text: str, longest: int = LONGEST_SUBJECT) -> str:
    """Sender's text as one line of limited length, without control characters."""
    line = _UNSEEN.sub(" ", text).strip()
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def summons(incident: Incident, explanation: str) -> Text:
    """Asks to respond to an incident."""
    subject = f"[{incident.severity}] #{incident.number} {one_line(incident.title)}"
    lines = [*_facts(incident), "", f"Why you: {explanation}" if explanation else ""]
    return Text(subject, "\n".join(lines).rstrip())


def follow_up(kind: Kind, incident: Incident) -> Text:
    """Tells somebody who was asked that somebody else took the incident, or that it is over."""
    if kind is Kind.TAKEN:
        said = f"Taken by {incident.acknowledged_by}"
        ending = "You were paged for this incident. Nothing more is asked of you."
    else:
        said = "Resolved"
        ending = f"Why: {incident.resolve_reason}" if incident.resolve_reason else "You were paged for this incident."
    return Text(f"{said}: #{incident.number} {one_line(incident.title)}", "\n".join([f"{said}.", "", *_facts(incident), "", ending]))


def direct(sender: str, message: str, incident: Incident | None) -> Text:
    """Somebody asks somebody directly."""
    about = [] if incident is None else ["", *_facts(incident)]
    return Text(f"{one_line(sender, 63)} asks: {one_line(message, 80)}", "\n".join([message, "", f"From {sender}", *about]))


def _facts(incident: Incident) -> list[str]:
    lines = [f"#{incident.number} {one_line(incident.title, 500)}", f"Severity: {incident.severity}", f"Service: {incident.service}"]
    return [*lines, "", incident.summary] if incident.summary else lines


def bundle(incidents: Sequence[Incident]) -> Text:
    """Asks to respond to several incidents at once."""
    worst = min(incidents, key=lambda incident: incident.severity)
    numbers = " ".join(f"#{incident.number}" for incident in incidents[:SHOWN])
    more = f" and {len(incidents) - SHOWN} more" if len(incidents) > SHOWN else ""
    lines = [
        f"[{incident.severity}] #{incident.number} {one_line(incident.title, 100)} ({incident.service})" for incident in incidents[:LISTED]
    ]
    listed = [*lines, f"… and {len(incidents) - LISTED} more"] if len(incidents) > LISTED else lines
    ending = "Acknowledging this takes all of them. They came together because more waited than may be sent to you one by one."
    return Text(f"[{worst.severity}] {len(incidents)} incidents: {numbers}{more}", "\n".join([*listed, "", ending]))


def test(contact_method: str) -> Text:
    """Only a test."""
    return Text(
        f"Test page for {contact_method}",
        f"This is only a test of the contact method {contact_method}. Nothing happened. "
        "Acknowledging it confirms that pages reach you this way.",
    )


def confirmation(contact_method: str, code: str) -> Text:
    """Asks to confirm a contact method."""
    return Text(
        f"{code} confirms {contact_method}",
        f"Somebody wants pages for you to come here. If that is right, acknowledge this message, or enter the code {code} "
        f"(tocsin page confirm {contact_method} {code}). It is good for an hour. If it is not, do nothing.",
    )


def obligation(regime: str, title: str, recipient: str, due_at: datetime, percent: int) -> Text:
    """Reminds of something that has to be told to somebody in time."""
    when = f"{due_at:%Y-%m-%d %H:%M} UTC"
    says = f"{regime}: {title}, " + (f"due at {when}" if percent < 100 else f"was due at {when}")
    over = f"{percent} % of the time is over." if percent < 100 else "The time is up. Being late needs a reason."
    return Text(says, "\n".join([f"{says}.", "", over, f"To: {recipient or 'see the regime'}", "tocsin obligation list"]))


def measure_lost(action: str, target: str, finding: str, measure_id: str) -> Text:
    """Tells that something that was done to contain an incident does not hold any more."""
    says = f"Does not hold any more: {one_line(action, 60)} {one_line(target, 80)}"
    lines = [f"{says}. Nobody lifted it.", "", f"Found: {one_line(finding, 300)}", "", f"tocsin measure show {measure_id}"]
    return Text(says, "\n".join(lines))


def task_due(incident: Incident, title: str, due_at: datetime | None, overdue: bool) -> Text:
    """Reminds the owner of a task."""
    when = f" since {due_at:%Y-%m-%d %H:%M} UTC" if overdue and due_at else f" at {due_at:%Y-%m-%d %H:%M} UTC" if due_at else ""
    said = f"Your task is due{when}: {one_line(title, 120)}"
    return Text(f"#{incident.number} {said}", "\n".join([said, "", *_facts(incident)]))


def update_due(incident: Incident, told_at: datetime | None) -> Text:
    """Reminds whoever tells people how an incident goes."""
    last = f"They were told last at {told_at:%Y-%m-%d %H:%M} UTC." if told_at else "They were not told anything yet."
    said = f"People wait for word of #{incident.number}"
    return Text(said, "\n".join([f"{said}. {last}", "", *_facts(incident)]))


def silence_ends(matchers: Sequence[str], ends_at: datetime, held: int, comment: str) -> Text:
    """Tells whoever made a silence that it ends soon."""
    about = one_line(", ".join(matchers), 120)
    then = f"{held} alerts that it holds back are told then." if held else "It holds nothing back."
    said = f"Your silence ends at {ends_at:%Y-%m-%d %H:%M} UTC"
    return Text(f"{said}: {about}", "\n".join([f"{said}. {then}", "", f"About: {about}", f"Because: {one_line(comment, 200)}"]))


def approval(question: Question, incident: Incident | None) -> Text:
    """Asks whether a run may go on, or tells that it waits for something to be done by hand."""
    about = [] if incident is None else ["", *_facts(incident)]
    title = f": {one_line(incident.title, 80)}" if incident is not None else ""
    exercise = EXERCISE if question.simulated else ""
    if question.simulated:
        about = ["", "This is an exercise: nothing real is touched.", *about]
    if not question.approval:
        lines = [
            question.text,
            "",
            f"The playbook {question.playbook} waits for it. Say what came of it in the console, or by",
            question.command,
        ]
        return Text(f"{exercise}By hand: {one_line(question.step, 60)}{title}", "\n".join([*lines, *about]))
    needed = f"{question.quorum} people have to agree." if question.quorum > 1 else "One approval is enough."
    until = f" It is decided without you at {question.until:%Y-%m-%d %H:%M} UTC." if question.until else ""
    lines = [question.text, "", f"The playbook {question.playbook} wants to: {question.step}. {needed}{until}"]
    because = ["", f"Why you: {question.why}"] if question.why else []
    return Text(f"{exercise}{ASKS}{one_line(question.step, 60)}{title}", "\n".join([*lines, *about, *because]))


def decided(asked: Text, how: str) -> Text:
    """What a message that sought an approval says once nobody needs to answer any more; `how` it ended comes first."""
    said = f"{how[:1].upper()}{how[1:]}" if how else "It is decided"
    return Text(asked.subject.replace(ASKS, DECIDED, 1), f"{said}.\n\n{asked.body}")


def handoff(schedule: str, at: datetime, coming: Sequence[str], going: Sequence[str], responder: str) -> Text:
    """Tells both sides that a duty changes hands."""
    when = f"{at:%Y-%m-%d %H:%M} UTC"
    says = f"You are on call for {schedule} from {when}" if responder in coming else f"Your duty for {schedule} ends at {when}"
    lines = [f"{says}.", "", f"Comes: {', '.join(coming) or 'nobody'}", f"Goes: {', '.join(going) or 'nobody'}"]
    return Text(says, "\n".join(lines))
