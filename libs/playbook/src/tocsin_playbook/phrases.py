"""The words of the short form for commands: `action`, `ask`, `bash`, `http`, … as the commands of CACAO."""

import json
from typing import Any

from tocsin_playbook.catalogue import ACTION_TYPE
from tocsin_playbook.terms import iso, long

Plain = dict[str, Any]


def commands_of(body: Plain) -> list[Any]:
    """The CACAO commands behind the word that says what a step does."""
    if "commands" in body:
        return list(body["commands"]) if isinstance(body["commands"], list) else [body["commands"]]
    if "action" in body:
        until = {"until": iso(long(str(body["until"])))} if "until" in body else {}
        return [
            {
                "type": ACTION_TYPE,
                "action": body["action"],
                **({"connector": body["using"]} if "using" in body else {}),
                "arguments": long(body.get("with", {})),
                **until,
            }
        ]
    for verb in ("bash", "ssh", "powershell"):
        if verb in body:
            return [{"type": verb, "command": body[verb]}]
    if "ask" in body:
        return [{"type": "manual", "command": long(body["ask"])}]
    verb = "http" if "http" in body else "openc2"
    return [{"type": "http-api" if verb == "http" else "openc2-http", "command": long(body.get(verb, "")), **_http(body)}]


def _http(body: Plain) -> Plain:
    headers = body.get("headers") or {}
    made: Plain = {}
    if headers:
        made["headers"] = {key: long(each if isinstance(each, list) else [str(each)]) for key, each in headers.items()}
    if "body" in body:
        given = body["body"]
        made["content"] = long(given if isinstance(given, str) else json.dumps(given, ensure_ascii=False))
    return made
