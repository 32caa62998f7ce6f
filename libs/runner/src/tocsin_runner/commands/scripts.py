"""Commands of a shell: values never become part of them. They are handed over as TOCSIN_<NAME>, and the text refers to them."""

import base64
import re
from collections.abc import Callable, Mapping

from tocsin_runner.assignment import Assignment, Refused, Variable
from tocsin_runner.variables import PLACE, Variables, value_of

Refer = Callable[[str], str]
NAME = re.compile(r"[^A-Z0-9]+")


def environment(variables: Mapping[str, Variable]) -> dict[str, str]:
    """All variables in scope, by the names that scripts see. Raises Refused for a value that no environment can hold."""
    found = {}
    for name, variable in variables.items():
        if "\x00" in variable.value:
            raise Refused(f"the value of {name} has a zero byte")
        found[seen_as(name)] = variable.value
    return found


def seen_as(name: str) -> str:
    """__host__ is TOCSIN_HOST."""
    return "TOCSIN_" + NAME.sub("_", name.strip("_").upper()).strip("_")


def text_of(assignment: Assignment) -> str:
    """The script: `command`, or `command_b64`. Raises Refused."""
    encoded = assignment.command.get("command_b64")
    try:
        text = base64.b64decode(str(encoded), validate=True).decode() if encoded else str(assignment.command.get("command") or "")
    except ValueError as error:
        raise Refused("command_b64 is not text in Base64") from error
    if not text.strip() or "\x00" in text:
        raise Refused("the command is empty, or not text")
    return text


def for_bash(text: str, variables: Variables) -> str:
    """The script with references in place of CACAO's places for values. Raises Refused where a reference would not be one."""
    return _referring(text, variables, lambda name: f'"${{{name}}}"', lambda name: f"${{{name}}}", escape="\\")


def for_powershell(text: str, variables: Variables) -> str:
    """The same for PowerShell."""
    return _referring(text, variables, lambda name: f"${{env:{name}}}", lambda name: f"$(${{env:{name}}})", escape="`")


def _referring(text: str, variables: Variables, bare: Refer, quoted: Refer, escape: str) -> str:
    """Walks through the text and knows whether it is between quotes."""
    made: list[str] = []
    quote, position = "", 0
    while position < len(text):
        found = PLACE.match(text, position)
        if found is not None:
            value_of(variables, found[1])
            if quote == "'":
                raise Refused(f"{found[1]} stands between single quotes, where the shell does not look: use double quotes")
            made.append((quoted if quote else bare)(seen_as(found[1])))
            position = found.end()
            continue
        character = text[position]
        if character == escape and quote != "'":
            made.append(text[position : position + 2])
            position += 2
            continue
        if character in ("'", '"') and quote in ("", character):
            quote = "" if quote else character
        made.append(character)
        position += 1
    return "".join(made)
