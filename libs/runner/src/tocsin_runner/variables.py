"""Values of a playbook put where they belong, as data: encoded for the place, or refused; never as part of a language."""

import json
import re
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

from tocsin_runner.assignment import Json, Refused, Variable

PLACE = re.compile(r"(__[A-Za-z][A-Za-z0-9_-]*?__):value")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")

Variables = Mapping[str, Variable]


def value_of(variables: Variables, name: str) -> Variable:
    """The variable. Raises Refused if there is none in scope."""
    if name not in variables:
        raise Refused(f"the variable {name} is not in scope")
    return variables[name]


def typed(variable: Variable) -> Json:
    """The value as JSON knows it. Raises Refused if the text does not fit the type."""
    try:
        match variable.type:
            case "integer" | "long":
                return int(variable.value)
            case "float":
                return float(variable.value)
            case "bool" | "boolean":
                return {"true": True, "false": False}[variable.value.strip().lower()]
            case "dictionary" | "list":
                return json.loads(variable.value)
    except (ValueError, KeyError) as error:
        raise Refused(f"the value {variable.value[:80]!r} is no {variable.type}") from error
    return variable.value


def argument(text: Json, variables: Variables) -> Json:
    """An argument of an action: a text that is one variable is its typed value; within longer texts it stands as text."""
    if isinstance(text, Mapping):
        return {name: argument(item, variables) for name, item in text.items()}
    if isinstance(text, list):
        return [argument(item, variables) for item in text]
    if not isinstance(text, str):
        return text
    if (whole := PLACE.fullmatch(text)) is not None:
        return typed(value_of(variables, whole[1]))
    return in_text(text, variables)


def in_text(text: str, variables: Variables) -> str:
    """Text that nobody parses."""
    return _filled(text, variables, str)


def in_target(target: str, variables: Variables) -> str:
    """The path and query of an address: each value is one piece of one segment. Raises Refused for a value that would climb."""
    path, mark, query = target.partition("?")
    segments = [_segment(segment, variables) for segment in path.split("/")]
    return "/".join(segments) + mark + _filled(query, variables, lambda value: quote(value, safe=""))


def in_header(text: str, variables: Variables) -> str:
    """The value of a header. Raises Refused if it would begin another one."""
    return header(in_text(text, variables))


def header(text: str) -> str:
    """A header's value as it is. Raises Refused if it would begin another one."""
    if CONTROL.search(text.replace("\t", " ")):
        raise Refused("the value of a header has a line break or another control character")
    try:
        text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise Refused("the value of a header has characters outside Latin-1") from error
    return text


def in_host(text: str, variables: Variables) -> str:
    """A host name or address. Raises Refused for anything else."""
    host = in_text(text, variables)
    if HOST.fullmatch(host) is None:
        raise Refused(f"{host[:80]!r} is neither a host name nor an address")
    return host


def in_content(text: str, media_type: str, variables: Variables) -> str:
    """The body of a request of a type whose encoding is known. Raises Refused for other types."""
    if PLACE.search(text) is None:
        return text
    kind = media_type.partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        return _in_json(text, variables)
    if kind == "application/x-www-form-urlencoded":
        return _filled(text, variables, quote_plus)
    if kind == "text/plain":
        return in_text(text, variables)
    raise Refused(f"variables cannot be put into content of type {kind or 'unknown'}: use JSON, a form or plain text")


def _segment(segment: str, variables: Variables) -> str:
    filled = _filled(segment, variables, lambda value: quote(value, safe=""))
    if filled != segment and filled in ("", ".", ".."):
        raise Refused(f"the value of {segment.removesuffix(':value')} would change the path of the address")
    return filled


def _in_json(text: str, variables: Variables) -> str:
    made, inside, position = [], False, 0
    while position < len(text):
        found = PLACE.match(text, position)
        if found is not None:
            variable = value_of(variables, found[1])
            made.append(json.dumps(variable.value)[1:-1] if inside else json.dumps(typed(variable)))
            position = found.end()
            continue
        taken = 2 if inside and text[position] == "\\" else 1
        inside ^= text[position] == '"'
        made.append(text[position : position + taken])
        position += taken
    content = "".join(made)
    try:
        json.loads(content)
    except ValueError as error:
        raise Refused(f"the content is not JSON: {error}") from error
    return content


def _filled(text: str, variables: Variables, encode: Callable[[str], str]) -> str:
    return PLACE.sub(lambda found: encode(value_of(variables, found[1]).value), text)
