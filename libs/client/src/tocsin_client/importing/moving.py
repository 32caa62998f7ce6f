"""The way of an import: read, understand, compare, write, and only then change something."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from tocsin.communication.v1.page_pb2 import ContactMethod

from tocsin_client import configuration
from tocsin_client.configuration.reading import API_VERSION
from tocsin_client.configuration.resources import Configurations
from tocsin_client.configuration.writing import Dumper
from tocsin_client.importing import grafana_oncall, jsm, opsgenie, pagerduty, report, slots
from tocsin_client.importing.api import Api, ImportFailed
from tocsin_client.importing.fidelity import Fidelity, Here, compare, fitted
from tocsin_client.importing.model import Archive, Document, Imported, Unusable
from tocsin_client.importing.names import Names

SYSTEMS: Mapping[str, ModuleType] = {"opsgenie": opsgenie, "jsm": jsm, "pagerduty": pagerduty, "grafana-oncall": grafana_oncall}
SCHEDULE = attrgetter("schedule")
CONFIGURATION = "configuration"
NAMES = "names.json"
# People and how to reach them are matched, not doubled.
PERSONAL = frozenset({"Responder", "ContactMethod", "PersonalRules", "Fallback"})


@dataclass(frozen=True, slots=True)
class Move:
    """What an import found, and the comparison of both systems' answers to "who was on call"."""

    system: str
    imported: Imported
    past: tuple[Fidelity, ...]
    coming: tuple[Fidelity, ...]


def fetch(system: str, api: Api, since: datetime, until: datetime) -> dict[str, Any]:
    """Everything that is imported, from a live system. Raises ImportFailed."""
    archive: dict[str, Any] = SYSTEMS[system].fetch(api, since, until)
    return archive


def understand(system: str, archive: Archive, names: Names, now: datetime, keys: Mapping[str, str], days: int) -> Move:
    """The configuration, and how far it says the same as the other system. Raises ImportFailed naming the field."""
    try:
        imported: Imported = SYSTEMS[system].convert(archive, names, now, keys)
        slots.mend(imported)
        return Move(system, imported, *_compared(imported, now, timedelta(days=days)))
    except (Unusable, ValueError) as error:
        raise ImportFailed(f"{system}: {error}") from error


def _compared(imported: Imported, now: datetime, reach: timedelta) -> tuple[tuple[Fidelity, ...], tuple[Fidelity, ...]]:
    """What can be compared: the range that the other system has rendered, at most `reach` each way."""
    people = frozenset(document.name for document in imported.documents if document.kind == "Responder")
    here = Here(slots.known_of(imported), imported.replayed, people)
    past: list[Fidelity] = []
    coming: list[Fidelity] = []
    # What policies lead to is fitted before.
    for name, spans in sorted(imported.rendered.items(), key=lambda each: (slots.leads_on(imported.replayed[each[0]]), each[0])):
        if not spans:
            continue
        since = max(now - reach, min(span.start for span in spans))
        until = min(now + reach, max(span.end for span in spans))
        schedule = fitted(imported.replayed[name], spans, since, until, here)
        if schedule is not imported.replayed[name]:
            _refit(imported, name, schedule)
        if since < now:
            past.append(compare(schedule, spans, since, min(now, until), here))
        if now < until:
            coming.append(compare(schedule, spans, max(now, since), until, here))
    return tuple(sorted(past, key=SCHEDULE)), tuple(sorted(coming, key=SCHEDULE))


def _refit(imported: Imported, name: str, schedule: Mapping[str, Any]) -> None:
    """The schedule's layers as they were found to reproduce what was rendered."""
    imported.replayed[name] = schedule
    fitting = {layer["name"]: layer for layer in schedule["layers"]}
    for number, document in enumerate(imported.documents):
        if (document.kind, document.name) == ("Schedule", name):
            layers = [fitting[layer["name"]] for layer in document.spec.get("layers", [])]
            imported.documents[number] = Document(document.kind, document.name, {**document.spec, "layers": layers})


def read_names(folder: Path) -> Names:
    """The names that earlier runs have given."""
    try:
        return Names(json.loads((folder / NAMES).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Names()
    except (OSError, ValueError, AttributeError) as error:
        raise ImportFailed(f"{folder / NAMES}: {error}") from error


def heed(names: Names, present: Configurations) -> None:
    """Leave what is here already alone: a thing from there takes none of its names. People are the same where their e-mail is."""
    for resource in present.resources:
        if resource.kind.name not in PERSONAL:
            names.avoid(resource.kind.name, resource.name)
        elif resource.kind.name == "ContactMethod" and resource.message.kind == ContactMethod.KIND_EMAIL:
            names.take("mailbox", resource.message.address.lower(), resource.message.responder)


def write(move: Move, names: Names, folder: Path, now: datetime) -> Configurations:
    """Write everything for people and for the next run, and read it back as the configuration it is. Keys stand in no file.

    Raises ConfigurationError for a resource that is none, which names the file and line.
    """
    files = folder / CONFIGURATION
    files.mkdir(parents=True, exist_ok=True)
    for kind in sorted({document.kind for document in move.imported.documents}):
        (files / f"{kind}.yaml").write_text(_yaml(move.imported, kind), encoding="utf-8")
    (folder / NAMES).write_text(json.dumps(names.kept, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "report.md").write_text(report.markdown(move.system, move.imported, move.past, move.coming, now), encoding="utf-8")
    (folder / "report.json").write_text(report.as_json(move.system, move.imported, move.past, move.coming, now), encoding="utf-8")
    wanted = configuration.load(files)
    for resource in wanted.resources:
        if resource.kind.name == "Integration" and resource.name in move.imported.keys:
            resource.message.key = move.imported.keys[resource.name]
    return wanted


def _yaml(imported: Imported, kind: str) -> str:
    documents = [
        {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": document.name}, "spec": dict(document.spec)}
        for document in sorted(imported.documents, key=lambda each: each.name)
        if document.kind == kind
    ]
    return str(yaml.dump_all(documents, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, explicit_start=True, width=120))


class _NoAliases(Dumper):
    """Writes what stands twice twice: people edit these files."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
