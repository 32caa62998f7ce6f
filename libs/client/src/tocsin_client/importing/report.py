"""What an import found, for people (Markdown) and for programs (JSON)."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tocsin_client.importing.fidelity import Difference, Fidelity
from tocsin_client.importing.model import Imported

MOST_LISTED = 200


def markdown(system: str, imported: Imported, past: Sequence[Fidelity], coming: Sequence[Fidelity], now: datetime) -> str:
    """The whole report."""
    parts = [
        f"# Import from {system}",
        f"Read on {_time(now)}.",
        *_counts(imported),
        "## Who is on call: there and here",
        "The coming range proves that the schedules mean the same: nobody can have edited it in between. The past shows what was edited,",
        "overridden or forwarded since; it is compared, and never rewritten.",
        *_fidelity("### Coming", coming),
        *_fidelity("### Past", past),
        *_senders(imported),
        *_lost(imported),
    ]
    return "\n".join(parts) + "\n"


def as_json(system: str, imported: Imported, past: Sequence[Fidelity], coming: Sequence[Fidelity], now: datetime) -> str:
    """The same for programs. No keys are in it."""
    found = {
        "system": system,
        "read_at": now.isoformat(),
        "resources": dict(sorted(Counter(document.kind for document in imported.documents).items())),
        "coming": [_fidelity_json(each) for each in coming],
        "past": [_fidelity_json(each) for each in past],
        "senders": [asdict(sender) for sender in imported.senders],
        "lost": [asdict(lost) for lost in imported.lost],
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def is_clean(coming: Iterable[Fidelity]) -> bool:
    """Whether both sides agree on every second to come."""
    return all(each.share == 1.0 for each in coming)


def _counts(imported: Imported) -> list[str]:
    counts = Counter(document.kind for document in imported.documents)
    return ["", "| Kind | Resources |", "|---|---|", *(f"| {kind} | {count} |" for kind, count in sorted(counts.items())), ""]


def _fidelity(title: str, found: Sequence[Fidelity]) -> list[str]:
    if not found:
        return ["", title, "", "The other system gave nothing to compare with.", ""]
    lines = ["", title, "", "| Schedule | From | Until | Agrees | Differences |", "|---|---|---|---|---|"]
    for each in found:
        share = "100 %" if each.share == 1.0 else f"{each.share * 100:.3f} %"
        lines.append(f"| {each.schedule} | {_time(each.since)} | {_time(each.until)} | {share} | {len(each.differences)} |")
    differing = [(each.schedule, difference) for each in found for difference in each.differences]
    if differing:
        lines += ["", "| Schedule | From | Until | There | Here | Kind |", "|---|---|---|---|---|---|"]
        lines += [_difference(schedule, difference) for schedule, difference in differing[:MOST_LISTED]]
        if len(differing) > MOST_LISTED:
            lines.append(f"\n{len(differing) - MOST_LISTED} more are in report.json.")
    return [*lines, ""]


def _difference(schedule: str, found: Difference) -> str:
    there, here = (", ".join(sorted(people)) or "nobody" for people in (found.there, found.here))
    return f"| {schedule} | {_time(found.start)} | {_time(found.end)} | {_cell(there)} | {_cell(here)} | {found.kind} |"


def _fidelity_json(found: Fidelity) -> dict[str, Any]:
    return {
        "schedule": found.schedule,
        "since": found.since.isoformat(),
        "until": found.until.isoformat(),
        "agree_seconds": found.agreed.total_seconds(),
        "total_seconds": (found.until - found.since).total_seconds(),
        "differences": [
            {
                "start": each.start.isoformat(),
                "end": each.end.isoformat(),
                "there": sorted(each.there),
                "here": sorted(each.here),
                "kind": each.kind,
            }
            for each in found.differences
        ],
    }


def _senders(imported: Imported) -> list[str]:
    if not imported.senders:
        return []
    lines = ["## Senders", "", "| Integration | Kind there | Same key | What to do |", "|---|---|---|---|"]
    known = ("no", "yes")
    return [
        *lines,
        *(f"| {_cell(each.name)} | {_cell(each.kind)} | {known[each.key_known]} | {_cell(each.note)} |" for each in imported.senders),
        "",
    ]


def _lost(imported: Imported) -> list[str]:
    if not imported.lost:
        return ["## What does not come over", "", "Nothing: everything that was read has its counterpart."]
    lines = ["## What does not come over as it was", "", "| Where | What | Instead |", "|---|---|---|"]
    return [*lines, *(f"| {_cell(each.where)} | {_cell(each.what)} | {_cell(each.instead)} |" for each in imported.lost)]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M UTC")
