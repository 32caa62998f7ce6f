"""`tocsin dump`: everything that the platform holds, in an open format: files of JSON, one object a line, and what is in them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from tocsin_client.commands.options import REACH, Reach
from tocsin_client.errors import UsageError
from tocsin_client.later import later
from tocsin_client.screen import as_data, plain

if TYPE_CHECKING:
    from tocsin.communication.v1 import contact_pb2 as contact_contract
    from tocsin.communication.v1 import contact_service_pb2 as contacts
    from tocsin.communication.v1 import paging_service_pb2 as paging
    from tocsin.detection.v1 import detection_service_pb2 as detection
    from tocsin.response.v1 import oncall_service_pb2 as oncall
    from tocsin.review.v1 import review_service_pb2 as review

    from tocsin_client import configuration
    from tocsin_client.client import Tocsin
else:
    configuration = later("tocsin_client.configuration")
    contact_contract = later("tocsin.communication.v1.contact_pb2")
    contacts = later("tocsin.communication.v1.contact_service_pb2")
    detection = later("tocsin.detection.v1.detection_service_pb2")
    oncall = later("tocsin.response.v1.oncall_service_pb2")
    paging = later("tocsin.communication.v1.paging_service_pb2")
    review = later("tocsin.review.v1.review_service_pb2")

FORMAT = "tocsin-dump/1"
MANIFEST = "manifest.json"


def dump(
    output: Path,
    /,
    *,
    without: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    reach: Reach = REACH,
) -> None:
    """Write everything that the platform holds: one file of JSON for each kind of thing, one object a line, and manifest.json.

    What is written, line by line: incidents with their alerts, timeline and review; alerts; pages with every attempt; contact methods, also
    those added by hand; who really was on call; who changed what. The configuration goes beside them as `tocsin export` writes it.
    Objects are those of the API, so its contracts say what each field means. The manifest comes last: a dump without one is not whole.

    Parameters
    ----------
    output
        The directory; made if it is not there, and refused if a dump is in it.
    without
        Leave out one kind of thing: incidents, alerts, pages, contacts, duties, audit, configuration; may be given several times.
    """
    unknown = sorted(set(without) - {*KINDS, "configuration"})
    if unknown:
        raise UsageError(f"--without: {unknown[0]!r} is none of {', '.join([*KINDS, 'configuration'])}")
    try:
        output.mkdir(parents=True, exist_ok=True)
        if (output / MANIFEST).exists():
            raise UsageError(f"OUTPUT: there is a dump in {output} already; give another directory")
        files = list(written(output, without, reach))
        manifest = json.dumps({"format": FORMAT, "files": files}, indent=2)
        (output / MANIFEST).write_text(manifest + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"OUTPUT: cannot write to {output}: {error.strerror}") from error
    print(plain(f"Wrote {sum(each['objects'] for each in files):,} objects in {len(files)} files to {output}."))


def written(output: Path, without: Iterable[str], reach: Reach) -> Iterator[dict[str, Any]]:
    """Writes one file after the other; what the manifest says of each."""
    with reach.open() as tocsin:
        for kind, objects in KINDS.items():
            if kind not in without:
                yield write(output / f"{kind}.ndjson", kind, objects(tocsin))
    if "configuration" not in without:
        for name, text in configuration.export(reach.found()).items():
            if text:
                yield write_text(output / "configuration" / name, text)


def write(file: Path, kind: str, objects: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One object a line, as they come: none is held longer than it takes to write it."""
    digest = hashlib.sha256()
    count = 0
    with file.open("wb") as target:
        for each in objects:
            line = json.dumps(each, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
            digest.update(line)
            target.write(line)
            count += 1
        target.flush()
        os.fsync(target.fileno())
    return {"name": file.name, "kind": kind, "objects": count, "sha256": digest.hexdigest()}


def write_text(file: Path, text: str) -> dict[str, Any]:
    """A file of configuration."""
    file.parent.mkdir(exist_ok=True)
    content = text.encode()
    file.write_bytes(content)
    count = content.count(b"\n---\n") + 1
    name = f"{file.parent.name}/{file.name}"
    return {"name": name, "kind": "configuration", "objects": count, "sha256": hashlib.sha256(content).hexdigest()}


def incidents(tocsin: "Tocsin") -> Iterator[dict[str, Any]]:
    """Every incident with its alerts, its timeline and its review."""
    from tocsin_client.errors import NotFound

    for incident in tocsin.incidents():
        found = as_data(tocsin.incident(incident.id))
        found["timeline"] = [as_data(entry) for entry in tocsin.timeline(incident.id)]
        try:
            found["review"] = as_data(tocsin.review.GetReview(review.GetReviewRequest(incident_id=incident.id)))
        except NotFound:
            found["review"] = None
        yield found


def alerts(tocsin: "Tocsin") -> Iterator[dict[str, Any]]:
    """Every alert."""
    for answer in tocsin.detection.ExportAlerts(detection.ExportAlertsRequest()):
        yield from map(as_data, answer.alerts)


def pages(tocsin: "Tocsin") -> Iterator[dict[str, Any]]:
    """Every page with what it says and every attempt."""
    for page in tocsin.pages():
        yield as_data(tocsin.paging.GetPage(paging.GetPageRequest(page_id=page.id)))


def contact_methods(tocsin: "Tocsin") -> Iterator[dict[str, Any]]:
    """Every contact method, what is known of it, and once for each responder the rules that count."""
    seen: set[str] = set()
    for contact in tocsin.walk(tocsin.contacts.ListContacts, contacts.ListContactsRequest(page_size=500), contact_contract.Contact):
        yield as_data(contact)
        responder = contact.contact_method.responder
        if responder not in seen:
            seen.add(responder)
            rules = tocsin.contacts.GetPersonalRules(contacts.GetPersonalRulesRequest(responder=responder))
            if rules.HasField("rules"):
                yield {"responder": responder, "personal_rules": as_data(rules)}


def duties(tocsin: "Tocsin") -> Iterator[dict[str, Any]]:
    """Who really was on call."""
    return map(as_data, tocsin.walk(tocsin.oncall.ListPastDuties, oncall.ListPastDutiesRequest(page_size=500), oncall.PastDuty))


def audit(tocsin: "Tocsin") -> Iterator[dict[str, Any]]:
    """Who changed what."""
    return map(as_data, tocsin.audit_entries())


KINDS: "dict[str, Callable[[Tocsin], Iterator[dict[str, Any]]]]" = {
    "incidents": incidents,
    "alerts": alerts,
    "pages": pages,
    "contacts": contact_methods,
    "duties": duties,
    "audit": audit,
}
