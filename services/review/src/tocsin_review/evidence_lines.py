"""What the facts about evidence mean for people."""

from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.message import Message
from tocsin.response.v1 import evidence_events_pb2 as evidence

from tocsin_review.line import Line, instant


def _evidence_collected(fact: evidence.EvidenceCollected) -> Line:
    said = fact.evidence.collected
    source = f" from {said.source}" if said.source else ""
    reason = f"SHA-256 {fact.evidence.sha256}" + (f", by {said.tool}" if said.tool else "")
    return Line(f"Evidence collected: {said.name}{source}", said.collector, reason, incident_id=said.incident_id)


def _custody_transferred(fact: evidence.CustodyTransferred) -> Line:
    said = fact.evidence.collected
    return Line(f"{fact.evidence.custodian} has {said.name} in custody now", fact.by, fact.reason, incident_id=said.incident_id)


def _legal_hold_changed(fact: evidence.LegalHoldChanged) -> Line:
    said = fact.evidence.collected
    verb = "put on" if fact.evidence.legal_hold else "taken off"
    return Line(f"{said.name} {verb} legal hold", fact.by, fact.reason, incident_id=said.incident_id)


def _evidence_release_asked(fact: evidence.EvidenceReleaseAsked) -> Line:
    item = fact.evidence
    summary = f"{item.release_asked_by} wants to release {item.collected.name}; somebody else has to agree"
    return Line(summary, item.release_asked_by, item.release_reason, incident_id=item.collected.incident_id)


def _evidence_released(fact: evidence.EvidenceReleased) -> Line:
    item = fact.evidence
    summary = f"Evidence released: {item.collected.name}, by {item.release_asked_by} and {fact.by}"
    return Line(summary, fact.by, item.release_reason, incident_id=item.collected.incident_id)


def _evidence_exported(fact: evidence.EvidenceExported) -> Line:
    return Line(f"Evidence handed out: {fact.items} items", fact.by, fact.reason, incident_id=fact.incident_id)


def _custody_head_signed(fact: evidence.CustodyHeadSigned) -> Line:
    """About the whole ledger; review keeps it, and no incident asks for it."""
    return Line(f"Custody ledger signed: {fact.head.size} entries", reason=f"root {fact.head.root}", at=instant(fact.head.signed_at))


EVIDENCE: Mapping[type[Message], Callable[[Any], Line]] = {
    evidence.EvidenceCollected: _evidence_collected,
    evidence.CustodyTransferred: _custody_transferred,
    evidence.LegalHoldChanged: _legal_hold_changed,
    evidence.EvidenceReleaseAsked: _evidence_release_asked,
    evidence.EvidenceReleased: _evidence_released,
    evidence.EvidenceExported: _evidence_exported,
    evidence.CustodyHeadSigned: _custody_head_signed,
}
