"""Facts as rows; rows as what a draft is made of, and as protobuf messages."""

from datetime import UTC, datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.communication.v1.page_pb2 import Page
from tocsin.review.v1 import review_pb2 as pb
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_review.draft import Entry, PageStory, Subject
from tocsin_review.figures import Figures
from tocsin_review.narration import CHANNELS, PAGES
from tocsin_review.store import EntryRow, IncidentRow, Means, PageRow, ReviewRow

OUTCOMES = {
    Page.STATE_PENDING: "waits",
    Page.STATE_SENDING: "is being sent",
    Page.STATE_SENT: "sent",
    Page.STATE_DELIVERED: "delivered",
    Page.STATE_FAILED: "failed",
    Page.STATE_CANCELLED: "cancelled",
}


def incident_row(incident: Incident) -> IncidentRow:
    resolved = incident.state == Incident.STATE_RESOLVED
    return IncidentRow(
        id=incident.id,
        service=incident.service,
        severity=incident.severity,
        opened_at=incident.opened_at.ToDatetime(UTC),
        acknowledged_at=instant(incident.acknowledged_at),
        resolved_at=instant(incident.resolved_at) if resolved else None,
        latest=incident.SerializeToString(),
        version=incident.version,
    )


def page_row(page: Page) -> PageRow:
    return PageRow(
        id=page.id,
        incident_id=page.incident_id,
        kind=page.kind,
        responder=page.responder,
        contact_method=page.contact_method,
        channel=page.channel,
        state=page.state,
        state_reason=page.state_reason.replace("\x00", " "),
        resent_after_unknown=page.resent_after_unknown,
        created_at=instant(page.created_at),
        sent_at=instant(page.sent_at),
        delivered_at=instant(page.delivered_at),
    )


def subject_of(row: IncidentRow) -> Subject:
    """The incident as last heard of, with its first opening and acknowledgement."""
    latest = Incident.FromString(row.latest)
    return Subject(
        number=latest.number,
        title=latest.title,
        summary=latest.summary,
        service=latest.service,
        team=latest.team,
        severity=latest.severity,
        opened_at=row.opened_at,
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=latest.acknowledged_by,
        resolved_at=row.resolved_at,
        resolved_by=latest.resolved_by,
        resolve_reason=latest.resolve_reason,
        declared_by=latest.declared_by,
        alert_count=latest.alert_count,
    )


def page_story(row: PageRow) -> PageStory:
    return PageStory(
        responder=row.responder,
        channel=CHANNELS.get(row.channel, ""),  # type: ignore[call-overload]  # the column holds the enum's number
        what=PAGES.get(row.kind, "page"),  # type: ignore[call-overload]
        summons=row.kind == Page.KIND_SUMMONS,
        outcome=OUTCOMES.get(row.state, "unknown"),  # type: ignore[call-overload]
        state_reason=row.state_reason,
        created_at=row.created_at,
        sent_at=row.sent_at,
        delivered_at=row.delivered_at,
        answered_at=row.answered_at,
        resent_after_unknown=row.resent_after_unknown,
    )


def entry_of(row: EntryRow) -> Entry:
    return Entry(row.at, row.fact, row.summary, row.actor, row.reason)


def entry_message(incident_id: str, row: EntryRow) -> pb.TimelineEntry:
    return pb.TimelineEntry(
        id=row.id,
        incident_id=incident_id,
        at=timestamp(row.at),
        fact=row.fact,
        source=row.source,
        summary=row.summary,
        actor=row.actor,
        reason=row.reason,
        trace_id=row.trace_id,
    )


def figures_message(figures: Figures) -> pb.IncidentFigures:
    return pb.IncidentFigures(
        time_to_detect=duration(figures.time_to_detect),
        time_to_acknowledge=duration(figures.time_to_acknowledge),
        time_to_resolve=duration(figures.time_to_resolve),
        pages_sent=figures.pages_sent,
        responders_paged=figures.responders_paged,
    )


def review_message(review: ReviewRow, figures: Figures) -> pb.Review:
    return pb.Review(
        id=review.id,
        incident_id=review.incident_id,
        state=pb.Review.STATE_DRAFT,
        markdown=review.markdown,
        figures=figures_message(figures),
        drafted_at=timestamp(review.drafted_at),
    )


def means_message(means: Means) -> pb.Figures:
    return pb.Figures(
        incidents=means.incidents,
        acknowledged=means.acknowledged,
        resolved=means.resolved,
        mean_time_to_acknowledge=duration(means.time_to_acknowledge),
        mean_time_to_resolve=duration(means.time_to_resolve),
        service=means.service or "",
        severity=means.severity or 0,  # type: ignore[arg-type]  # the column holds the enum's number
    )


def instant(stamp: Timestamp) -> datetime | None:
    """None for a time that is not given."""
    return stamp.ToDatetime(UTC) if stamp.seconds or stamp.nanos else None


def timestamp(at: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(at)
    return message


def duration(length: timedelta | None) -> Duration | None:
    if length is None:
        return None
    message = Duration()
    message.FromTimedelta(length)
    return message
