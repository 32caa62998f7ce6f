"""`tocsin evidence`: add, find, look at and hand over evidence; verify it and its ledger; export it for somebody who trusts nobody."""

import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client import evidence_bundle, times
from tocsin_client.commands.incident import Reference
from tocsin_client.commands.options import DEFAULTS, Options
from tocsin_client.errors import TocsinError, Unavailable, UsageError
from tocsin_client.later import later
from tocsin_client.screen import as_data, coloured, facts, grid, heading, short, stack

if TYPE_CHECKING:
    from rich.console import RenderableType
    from tocsin.response.v1 import evidence_pb2 as evidence
    from tocsin.response.v1 import evidence_service_pb2 as service
    from tocsin.review.v1 import review_service_pb2 as review

    from tocsin_client.client import Tocsin
else:
    evidence = later("tocsin.response.v1.evidence_pb2")
    service = later("tocsin.response.v1.evidence_service_pb2")
    review = later("tocsin.review.v1.review_service_pb2")

PIECE = 512 * 1024
TRIES = 5


ITEM = Annotated[str, Parameter(help="The item's id; `tocsin evidence list INCIDENT` shows it.")]


def add(
    incident: Reference,
    file: Path,
    /,
    *,
    name: str = "",
    kind: str = "",
    source: str = "",
    tool: str = "",
    command: str = "",
    collector: str = "",
    started: str = "",
    ended: str = "",
    clock_offset: str = "",
    parent: str = "",
    note: str = "",
    hold: bool = False,
    options: Options = DEFAULTS,
) -> None:
    """Put a file into custody. An upload that breaks off goes on where it was.

    Parameters
    ----------
    file
        The file.
    name
        What it is called; else the file's name.
    kind
        What sort of thing it is: log, memory, disk, network, document, ….
    source
        Where it is from: host and path.
    tool
        The tool and its version.
    command
        The command as it was given.
    collector
        Who collected it; else you.
    started
        When the collection began: ISO 8601, "2h ago".
    ended
        When it ended.
    clock_offset
        How far the source's clock was ahead: "90s"; "-90s" if it was behind.
    parent
        The item that it was derived from, by id.
    note
        Anything else.
    hold
        It may not be released until somebody allows it.
    """
    with options.open() as tocsin:
        said = evidence.Collected(
            incident_id=tocsin.incident_id(incident),
            name=name or file.name,
            kind=kind,
            media_type=mimetypes.guess_type(file.name)[0] or "application/octet-stream",
            source=source,
            tool=tool,
            command=command,
            collector=collector,
            parent_id=parent,
            note=note,
        )
        for field, given in (("started_at", started), ("ended_at", ended)):
            if given:
                getattr(said, field).FromDatetime(times.instant(given, options.now, f"--{field.removesuffix('_at')}"))
        if clock_offset:
            said.clock_offset.FromTimedelta(times.duration(clock_offset.removeprefix("-"), "--clock-offset"))
            if clock_offset.startswith("-"):
                said.clock_offset.FromTimedelta(-said.clock_offset.ToTimedelta())
        options.screen.result(sent(tocsin, file, said, hold), drawn)


def list_(incident: Reference, /, *, options: Options = DEFAULTS) -> None:
    """List the evidence of an incident, oldest first."""
    with options.open() as tocsin:
        found = list(items_of(tocsin, tocsin.incident_id(incident)))
    options.screen.table(found, COLUMNS, nothing="There is no evidence.")


def show(item: ITEM, /, *, options: Options = DEFAULTS) -> None:
    """Show an item and everything that was done with it."""
    with options.open() as tocsin:
        answer = tocsin.evidence.GetEvidence(service.GetEvidenceRequest(evidence_id=item))
    options.screen.result(answer, shown)


def download(item: ITEM, /, *, to: Path | None = None, reason: str, options: Options = DEFAULTS) -> None:
    """Write the bytes of an item into a file. The access is entered in the ledger.

    Parameters
    ----------
    to
        The file, which must not be there; else the item's name, here.
    reason
        What for, for the ledger.
    """
    with options.open() as tocsin:
        kept, pieces = received(tocsin, item, reason)
        file = to or Path(Path(kept.collected.name).name or item)
        try:
            with file.open("xb") as opened:
                for piece in checked(pieces, kept):
                    opened.write(piece)
        except FileExistsError:
            raise UsageError(f"--to: {file} is there already; give another name") from None
    options.screen.say(f"{file}: {kept.size} bytes, SHA-256 {kept.sha256}")


def verify(incident: Annotated[str, Parameter()] = "", /, *, ledger_only: bool = False, options: Options = DEFAULTS) -> None:
    """Compute everything anew: the ledger, what review kept of it, and the bytes. Fails if something is not as it should be.

    Parameters
    ----------
    incident
        Read the bytes of this incident's items; without it those of all.
    ledger_only
        Read no bytes.
    """
    with options.open() as tocsin:
        heads = tocsin.walk(tocsin.review.ListCustodyHeads, review.ListCustodyHeadsRequest(page_size=500), evidence.TreeHead)
        request = service.VerifyEvidenceRequest(
            incident_id=tocsin.incident_id(incident) if incident else "",
            heads=[head for _, head in zip(range(1000), heads, strict=False)],
            ledger_only=ledger_only,
        )
        answer = tocsin.evidence.VerifyEvidence(request, timeout=3600)
    options.screen.result(answer, verified)
    if answer.findings:
        raise TocsinError(f"{len(answer.findings)} things are not as they should be")


def export(incident: Reference, file: Path, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Write all evidence of an incident into a zip file that verifies by itself: items, ledger, proofs, signed head, a small script.

    Parameters
    ----------
    file
        The zip file, which must not be there.
    reason
        For whom and why, for the ledger.
    """
    with options.open() as tocsin:
        incident_id = tocsin.incident_id(incident)
        items = list(items_of(tocsin, incident_id))
        told = tocsin.evidence.ExportCustody(service.ExportCustodyRequest(incident_id=incident_id, reason=reason))
        head, *entries = list(told)
        contents = ((each.sha256, checked(received(tocsin, each.id, reason)[1], each)) for each in items)
        try:
            evidence_bundle.write(file, incident, head.head, [part.entry for part in entries], [as_data(each) for each in items], contents)
        except FileExistsError:
            raise UsageError(f"FILE: {file} is there already; give another name") from None
    options.screen.say(f"{file}: {len(items)} items, {len(entries)} entries, public key {head.head.public_key}")


def hold(item: ITEM, /, *, reason: str, off: bool = False, options: Options = DEFAULTS) -> None:
    """Forbid the release of an item, because of a dispute or an investigation.

    Parameters
    ----------
    reason
        Why.
    off
        Allow it again.
    """
    with options.open() as tocsin:
        answer = tocsin.evidence.SetLegalHold(service.SetLegalHoldRequest(evidence_id=item, on=not off, reason=reason))
    options.screen.result(answer.evidence, drawn)


def release(item: ITEM, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """End the custody of an item. It takes two people: the first asks, somebody else agrees by the same command.

    Parameters
    ----------
    reason
        Why.
    """
    with options.open() as tocsin:
        kept = tocsin.evidence.ReleaseEvidence(service.ReleaseEvidenceRequest(evidence_id=item, reason=reason)).evidence
    options.screen.result(kept, drawn)
    if kept.state == evidence.Evidence.STATE_RELEASE_ASKED:
        options.screen.note("somebody else has to agree: they say the same command")


def custody(item: ITEM, to: str, /, *, reason: str, options: Options = DEFAULTS) -> None:
    """Enter that somebody else has an item in custody now.

    Parameters
    ----------
    to
        A person, an authority, a place.
    reason
        Why.
    """
    with options.open() as tocsin:
        answer = tocsin.evidence.TransferCustody(service.TransferCustodyRequest(evidence_id=item, to=to, reason=reason))
    options.screen.result(answer.evidence, drawn)


def sent(tocsin: "Tocsin", file: Path, said: "evidence.Collected", hold: bool) -> "evidence.Evidence":
    """Send a file; where the way breaks off, ask how much came and go on from there."""
    request_id = tocsin.new_id()
    for attempt in range(TRIES):
        begins = service.EvidenceBegins(request_id=request_id, collected=said, legal_hold=hold)
        try:
            if attempt:
                begins.offset = tocsin.evidence.GetUpload(service.GetUploadRequest(request_id=request_id)).received
            return tocsin.evidence.AddEvidence(pieces_of(file, begins)).evidence
        except Unavailable:
            if attempt == TRIES - 1:
                raise
        except OSError as error:
            raise UsageError(f"FILE: cannot read {file}: {error.strerror}") from error
    raise AssertionError("the last try returns or raises")


def pieces_of(file: Path, begins: "service.EvidenceBegins") -> "Iterator[service.AddEvidenceRequest]":
    yield service.AddEvidenceRequest(begins=begins)
    with file.open("rb") as opened:
        opened.seek(begins.offset)
        while piece := opened.read(PIECE):
            yield service.AddEvidenceRequest(piece=piece)


def items_of(tocsin: "Tocsin", incident_id: str) -> "Iterator[evidence.Evidence]":
    return tocsin.walk(tocsin.evidence.ListEvidence, service.ListEvidenceRequest(incident_id=incident_id, page_size=500), evidence.Evidence)


def received(tocsin: "Tocsin", item: str, reason: str) -> "tuple[evidence.Evidence, Iterator[bytes]]":
    """An item and its bytes, as they come."""
    parts = iter(tocsin.evidence.DownloadEvidence(service.DownloadEvidenceRequest(evidence_id=item, reason=reason)))
    return next(parts).evidence, (part.piece for part in parts)


def checked(pieces: Iterator[bytes], kept: "evidence.Evidence") -> Iterator[bytes]:
    try:
        yield from evidence_bundle.hashed(pieces, kept.sha256)
    except ValueError as error:
        raise TocsinError(f"{kept.collected.name}: {error}") from error


def shown(answer: "service.GetEvidenceResponse") -> "RenderableType":
    parts = [drawn(answer.evidence), heading("Custody"), grid(answer.custody, CUSTODY)]
    if answer.derived:
        parts += [heading("Derived from it"), grid(answer.derived, COLUMNS)]
    return stack(*parts)


def drawn(item: "evidence.Evidence") -> "RenderableType":
    said = item.collected
    asked = f"by {item.release_asked_by}: {item.release_reason}" if item.release_asked_by else ""
    return facts(
        {
            "evidence": item.id,
            "name": said.name,
            "kind": said.kind,
            "SHA-256": item.sha256,
            "size": f"{item.size} bytes",
            "source": said.source,
            "tool": said.tool,
            "command": said.command,
            "collector": said.collector,
            "collected": " – ".join(filter(None, [times.local(said, "started_at"), times.local(said, "ended_at")])),
            "added": f"{times.local(item, 'added_at')} by {item.added_by}",
            "custodian": item.custodian,
            "state": coloured(short(evidence.Evidence.State, item.state).replace("_", " ")),
            "legal hold": "yes" if item.legal_hold else "",
            "release asked": asked,
            "derived from": said.parent_id,
            "note": said.note,
        }
    )


def verified(answer: "service.VerifyEvidenceResponse") -> "RenderableType":
    counts = facts(
        {
            "entries": str(answer.entries),
            "items": str(answer.items),
            "heads": str(answer.heads),
            "root": answer.root,
            "findings": str(len(answer.findings)),
        }
    )
    columns: dict[str, Any] = {
        "KIND": lambda found: short(service.CustodyFinding.Kind, found.kind).replace("_", " "),
        "ENTRY": lambda found: str(found.index) if found.index >= 0 else "",
        "EVIDENCE": lambda found: found.evidence_id,
        "WHAT": lambda found: found.text,
    }
    return stack(counts, grid(answer.findings, columns)) if answer.findings else counts


COLUMNS: dict[str, Any] = {
    "EVIDENCE": lambda item: item.id,
    "NAME": lambda item: item.collected.name,
    "KIND": lambda item: item.collected.kind,
    "SIZE": lambda item: str(item.size),
    "SHA-256": lambda item: item.sha256[:16] + "…",
    "SOURCE": lambda item: item.collected.source,
    "CUSTODIAN": lambda item: item.custodian,
    "STATE": lambda item: coloured(short(evidence.Evidence.State, item.state).replace("_", " ") + (" (hold)" if item.legal_hold else "")),
}
CUSTODY: dict[str, Any] = {
    "ENTRY": lambda entry: str(entry.index),
    "AT": lambda entry: times.local(entry, "at"),
    "WHAT": lambda entry: entry.action,
    "WHO": lambda entry: entry.actor,
    "WHY": lambda entry: entry.reason,
}
