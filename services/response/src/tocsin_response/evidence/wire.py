"""Words of evidence between protobuf and the domain."""

from datetime import UTC, datetime
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from tocsin.response.v1 import evidence_events_pb2 as facts
from tocsin.response.v1 import evidence_pb2 as pb

from tocsin_chassis.paging import refused
from tocsin_kernel.errors import Invalid
from tocsin_response.evidence.item import Collected, Evidence
from tocsin_response.evidence.ledger import Action, Deed, Entry, Head
from tocsin_response.oncall.wire import instant, text, timestamp

WORDS = ("name", "kind", "media_type", "source", "tool", "command", "collector", "note")


def collected(said: pb.Collected) -> Collected:
    """Raises Invalid, naming the field."""
    if said.HasField("started_at") and said.HasField("ended_at") and said.ended_at.ToDatetime() < said.started_at.ToDatetime():
        raise Invalid(field="begins.collected.ended_at", detail="must not be before started_at")
    return Collected(
        incident_id=said.incident_id.lower(),
        parent_id=_maybe_id("parent_id", said.parent_id),
        run_id=_maybe_id("run_id", said.run_id),
        started_at=instant("started_at", said.started_at) if said.HasField("started_at") else None,
        ended_at=instant("ended_at", said.ended_at) if said.HasField("ended_at") else None,
        clock_offset=said.clock_offset.ToTimedelta() if said.HasField("clock_offset") else None,
        **{word: text(f"begins.collected.{word}", getattr(said, word)) for word in WORDS},
    )


def evidence_to_proto(item: Evidence) -> pb.Evidence:
    return pb.Evidence(
        id=item.id,
        collected=_collected_to_proto(item.collected),
        sha256=item.sha256,
        size=item.size,
        added_at=timestamp(item.added_at),
        added_by=item.added_by,
        custodian=item.custodian,
        state=pb.Evidence.State.Value(f"STATE_{item.state.name}"),
        legal_hold=item.legal_hold,
        release_asked_by=item.release_asked_by,
        release_reason=item.release_reason,
        entry=item.entry,
    )


def _collected_to_proto(said: Collected) -> pb.Collected:
    made = pb.Collected(
        incident_id=said.incident_id,
        parent_id=said.parent_id,
        run_id=said.run_id,
        started_at=timestamp(said.started_at),
        ended_at=timestamp(said.ended_at),
        **{word: getattr(said, word) for word in WORDS},
    )
    if said.clock_offset is not None:
        offset = Duration()
        offset.FromTimedelta(said.clock_offset)
        made.clock_offset.CopyFrom(offset)
    return made


def entry_to_proto(entry: Entry) -> pb.CustodyEntry:
    deed = entry.deed
    return pb.CustodyEntry(
        index=entry.index,
        action=deed.action.value,
        actor=deed.actor,
        at=timestamp(deed.at),
        evidence_id=deed.evidence_id,
        incident_id=deed.incident_id,
        reason=deed.reason,
        payload=deed.payload,
        hash=entry.hash.hex(),
        canonical=entry.canonical,
    )


def head_to_proto(head: Head) -> pb.TreeHead:
    return pb.TreeHead(
        size=head.size,
        root=head.root.hex(),
        signed_at=timestamp(head.signed_at),
        text=head.text,
        signature=head.signature.hex(),
        public_key=head.public_key.hex(),
    )


def head_of(number: int, given: pb.TreeHead) -> Head:
    """Raises Invalid, naming the field."""
    try:
        root, signature, key = bytes.fromhex(given.root), bytes.fromhex(given.signature), bytes.fromhex(given.public_key)
    except ValueError as error:
        raise Invalid(field=f"heads[{number}]", detail="root, signature and public_key must be hexadecimal") from error
    return Head(given.size, root, given.signed_at.ToDatetime(UTC), signature, key)


def collected_fact(item: Evidence) -> Message:
    return facts.EvidenceCollected(evidence=evidence_to_proto(item), at=timestamp(item.added_at))


def deed_fact(deed: Deed, before: Evidence, after: Evidence) -> Message:
    """What others are told of a deed."""
    kept, at = evidence_to_proto(after), timestamp(deed.at)
    match deed.action:
        case Action.TRANSFER:
            return facts.CustodyTransferred(evidence=kept, before=before.custodian, by=deed.actor, reason=deed.reason, at=at)
        case Action.RELEASE_ASKED:
            return facts.EvidenceReleaseAsked(evidence=kept, at=at)
        case Action.RELEASE:
            return facts.EvidenceReleased(evidence=kept, by=deed.actor, at=at)
        case _:
            return facts.LegalHoldChanged(evidence=kept, by=deed.actor, reason=deed.reason, at=at)


def exported_fact(incident_id: str, by: str, reason: str, items: int, at: datetime) -> Message:
    return facts.EvidenceExported(incident_id=incident_id, by=by, reason=reason, items=items, at=timestamp(at))


def head_fact(head: Head) -> Message:
    return facts.CustodyHeadSigned(head=head_to_proto(head))


def id_of(token: str) -> str:
    """The id that a page token holds. Raises PageTokenInvalid."""
    try:
        return str(UUID(token))
    except ValueError:
        raise refused() from None


def _maybe_id(field: str, given: str) -> str:
    if not given:
        return ""
    try:
        return str(UUID(given))
    except ValueError:
        raise Invalid(field=f"begins.collected.{field}", detail="must be an id, or empty") from None
