"""The text to begin a submission with: words of the incident in the places that a template names; nothing is evaluated."""

import re
from collections.abc import Mapping

PLACE = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")
WORDS = frozenset(
    {
        "incident.number", "incident.title", "incident.service", "incident.severity", "incident.opened_at",
        "obligation.title", "obligation.recipient", "obligation.citation", "obligation.started_at", "obligation.due_at",
        "people", "traits", "evidence", "now",
    }
)  # fmt: skip
USUAL = """\
{{obligation.title}}
To: {{obligation.recipient}}
({{obligation.citation}})

Incident {{incident.number}}: {{incident.title}}
Affected service: {{incident.service}}
Opened: {{incident.opened_at}}
Clock started: {{obligation.started_at}}; due: {{obligation.due_at}}
People affected: {{people}}
What is known of it: {{traits}}
Evidence in custody: {{evidence}}

Nature of the incident: [to be filled in]
Likely consequences: [to be filled in]
Measures taken or proposed: [to be filled in]
Contact: [to be filled in]

As of {{now}}.
"""


def unknown_words(template: str) -> list[str]:
    """The places of a template that nothing is known for."""
    return sorted({found[1] for found in PLACE.finditer(template)} - WORDS)


def filled(template: str, words: Mapping[str, str]) -> str:
    """The template with its places filled; what is not known stands in brackets."""
    return PLACE.sub(lambda found: words.get(found[1]) or f"[{found[1]}: not known]", template or USUAL)
