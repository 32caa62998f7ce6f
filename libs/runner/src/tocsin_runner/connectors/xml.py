"""XML answers as expressions see them: maps, texts, and lists where the elements are named item or member."""

from xml.etree import ElementTree

from tocsin_runner.assignment import Json

LISTED = ("item", "member")


def plain(content: bytes) -> Json:
    """The document; None if it is none. A document with a DOCTYPE is not read: entities may grow without end."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        return None
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  # without entities it ends, and the answer was bounded
    except ElementTree.ParseError:
        return None
    return {_name(root): _value(root)}


def _value(element: ElementTree.Element) -> Json:
    children = list(element)
    if not children:
        return (element.text or "").strip()
    if all(_name(child) in LISTED for child in children):
        return [_value(child) for child in children]
    return {_name(child): _value(child) for child in children}


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
