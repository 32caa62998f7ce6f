"""The draft of a review, in Markdown: what the facts say, and nothing that they do not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tocsin_review.figures import Figures
from tocsin_review.markdown import bullets, escaped, table

LONGEST_TIMELINE = 1000
SEVERITIES = {
    1: "critical: customers cannot work, or data is at risk",
    2: "major: an important function is down, or many are slow",
    3: "moderate: a function is impaired, and there is a way around",
    4: "minor: few notice",
    5: "informational",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """The incident that is looked back at, as last heard of."""

    number: int
    title: str
    summary: str
    service: str
    team: str
    severity: int
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str
    resolved_at: datetime | None
    resolved_by: str
    resolve_reason: str
    declared_by: str
    alert_count: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline."""

    at: datetime
    fact: str
    summary: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class PageStory:
    """What became of one page. `summons` is true if it asked for a response."""

    responder: str
    channel: str
    what: str
    summons: bool
    outcome: str
    state_reason: str
    created_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    answered_at: datetime | None
    resent_after_unknown: bool

    @property
    def failed(self) -> bool:
        return self.outcome == "failed"


@dataclass(frozen=True, slots=True)
class Past:
    """Everything that is known of an incident."""

    subject: Subject
    figures: Figures
    pages: Sequence[PageStory]
    timeline: Sequence[Entry]

    def count(self, fact: str) -> int:
        return sum(entry.fact == fact for entry in self.timeline)

    @property
    def summoned(self) -> list[str]:
        """The responders who were paged, in the order in which they were."""
        sent = sorted((page.sent_at, page.responder) for page in self.pages if page.summons and page.sent_at)
        return list(dict.fromkeys(responder for _, responder in sent))


def draft(past: Past) -> str:
    """The whole text."""
    subject = past.subject
    sections = [
        f"# Review of incident #{subject.number}: {escaped(subject.title)}",
        "Drafted from the facts of the timeline. All times are UTC.",
        "## Summary",
        _summary(subject),
        *([f"> {escaped(subject.summary, 2000)}"] if subject.summary.strip() else []),
        "## Impact",
        _impact(past),
        "## Figures",
        _figures(past.figures),
        "## Who was paged",
        _pages(past.pages),
        "## What went well",
        bullets(went_well(past)) or "The facts show nothing in particular.",
        "## Needs attention",
        bullets(needs_attention(past)) or "The facts show nothing in particular.",
        "## Timeline",
        _timeline(past.timeline),
    ]
    return "\n\n".join(sections) + "\n"


def went_well(past: Past) -> Iterator[str]:
    """What the facts show to have worked."""
    subject, summoned = past.subject, past.summoned
    first_answered = bool(summoned) and subject.acknowledged_by == summoned[0]
    taken_after = past.figures.time_to_acknowledge
    if first_answered and taken_after is not None:
        yield f"{escaped(summoned[0])}, who was paged first, took the incident {length(taken_after)} after it opened."
    if len(summoned) == 1 and first_answered:
        yield "Nobody else had to be woken."
    sent = [page for page in past.pages if page.summons and page.sent_at]
    if sent and not any(page.failed or page.resent_after_unknown for page in past.pages):
        yield f"Every page arrived at its provider ({len(sent)} that asked for a response)."
    if subject.resolved_at and not subject.resolved_by:
        yield "The incident ended when its alerts did; nobody had to close it."


def needs_attention(past: Past) -> Iterator[str]:
    """What the facts show to have failed, or nearly."""
    subject, summoned = past.subject, past.summoned
    if past.figures.time_to_acknowledge is None:
        yield "Nobody acknowledged the incident." + (f" {len(summoned)} responders were paged." if len(summoned) > 1 else "")
    elif summoned and subject.acknowledged_by not in ("", summoned[0]):
        yield f"{escaped(summoned[0])}, who was paged first, did not take the incident; {escaped(subject.acknowledged_by)} has."
    if not summoned:
        yield "Nobody was paged."
    for entry in past.timeline:
        if entry.fact == "CoverageGapFound":
            yield f"{escaped(entry.summary)}."
    if exhausted := past.count("EscalationExhausted"):
        yield f"The escalation ran out of people to ask{times(exhausted)}."
    for page in past.pages:
        if page.failed:
            yield f"A {page.what} to {escaped(page.responder)} {_over(page)} failed: {escaped(page.state_reason) or 'no reason was given'}."
    if again := sum(page.resent_after_unknown for page in past.pages):
        yield f"The outcome of an attempt was unknown, and the page was sent again ({again} pages): somebody may have been paged twice."
    if reopened := past.count("IncidentReopened"):
        yield f"The incident was reopened{times(reopened)}: it had been resolved too soon, or came back."
    for entry in past.timeline:
        if entry.fact == "SeverityChanged":
            yield f"{escaped(entry.summary)} at {clock(entry.at)}: it was judged otherwise at first."
    if subject.service == "unrouted":
        yield "The incident had no service of the catalogue: a route or a service is missing."


def _summary(subject: Subject) -> str:
    owner = f", owned by {escaped(subject.team)}" if subject.team else ""
    how = f"declared by {escaped(subject.declared_by)}" if subject.declared_by else "opened by an alert"
    parts = [f"A SEV{subject.severity} incident of {escaped(subject.service)}{owner}, {how} at {clock(subject.opened_at)}."]
    if subject.acknowledged_at is not None:
        taken = f"It was first acknowledged at {clock(subject.acknowledged_at)}"
        parts.append(f"{taken}, and {escaped(subject.acknowledged_by)} had it." if subject.acknowledged_by else f"{taken}.")
    if subject.resolved_at is not None:
        by = f" by {escaped(subject.resolved_by)}" if subject.resolved_by else ""
        parts.append(f"It was resolved at {clock(subject.resolved_at)}{by}: {escaped(subject.resolve_reason) or 'no reason was given'}.")
    else:
        parts.append("It is open again.")
    return " ".join(parts)


def _impact(past: Past) -> str:
    subject = past.subject
    lines = [f"Severity SEV{subject.severity} ({SEVERITIES.get(subject.severity, 'unknown')})."]
    if past.figures.time_to_resolve is not None:
        lines.append(f"It lasted {length(past.figures.time_to_resolve)} from its opening to its resolution.")
    lines.append(f"{subject.alert_count} alert{'' if subject.alert_count == 1 else 's'} belonged to it.")
    return bullets(lines)


def _figures(figures: Figures) -> str:
    rows = [
        ("Time to detect", figures.time_to_detect, "from the start of the first alert by its sender's clock to the opening"),
        ("Time to acknowledge", figures.time_to_acknowledge, "from the opening to the first acknowledgement"),
        ("Time to resolve", figures.time_to_resolve, "from the opening to the resolution"),
    ]
    told = [(name, "none" if value is None else length(value), meaning) for name, value, meaning in rows]
    counts = [
        ("Pages sent", str(figures.pages_sent), "that asked for a response"),
        ("Responders paged", str(figures.responders_paged), "that were asked for a response"),
    ]
    return table(("Figure", "Value", "Meaning"), [*told, *counts])


def _pages(pages: Sequence[PageStory]) -> str:
    if not pages:
        return "Nobody."
    rows = [(escaped(page.responder), page.what, _over(page), _sent(page), _outcome(page)) for page in pages]
    return table(("Responder", "What", "How", "Sent", "Outcome"), rows)


def _over(page: PageStory) -> str:
    return f"by {page.channel}" if page.channel else "without a contact method"


def _sent(page: PageStory) -> str:
    return clock(page.sent_at) if page.sent_at else "not sent"


def _outcome(page: PageStory) -> str:
    why = f": {escaped(page.state_reason)}" if page.state_reason and page.outcome in ("failed", "cancelled") else ""
    answered = f", answered at {clock(page.answered_at)}" if page.answered_at else ""
    return f"{page.outcome}{why}{answered}"


def _timeline(entries: Sequence[Entry]) -> str:
    rows = [(clock(entry.at), escaped(entry.summary), escaped(entry.actor), escaped(entry.reason)) for entry in entries[:LONGEST_TIMELINE]]
    text = table(("When", "What", "Who", "Why"), rows)
    left = len(entries) - len(rows)
    return f"{text}\n\n{left} more entries are in the timeline itself." if left else text


def clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def times(count: int) -> str:
    return "" if count == 1 else f" {count} times"


def length(duration: timedelta) -> str:
    """A duration for people: "45 s", "12 min 5 s", "3 h 20 min", "2 d 4 h"."""
    seconds = round(duration.total_seconds())
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for index, (unit, size) in enumerate(units):
        if seconds >= size:
            whole, rest = divmod(seconds, size)
            smaller = [] if index + 1 == len(units) else [(rest // units[index + 1][1], units[index + 1][0])]
            return " ".join(f"{amount} {name}" for amount, name in [(whole, unit), *smaller] if amount)
    return "0 s"
