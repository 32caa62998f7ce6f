"""Requests are checked against the rules in their protos before a handler sees them."""

from typing import Any

import protovalidate
from google.protobuf.message import Message

from tocsin_chassis.grpc.errors import ManyInvalid
from tocsin_chassis.grpc.wrapping import Around


class Validation(Around):
    """Refuses a message that breaks its proto's rules, naming every field that does."""

    def inspect(self, request: Message) -> None:
        validate(request)


def validate(message: Message) -> None:
    """Raises ManyInvalid naming each field that breaks a rule of the message's proto."""
    violations = protovalidate.collect_violations(message)
    if violations:
        raise ManyInvalid([(_path(violation.proto.field), violation.proto.message or violation.proto.rule_id) for violation in violations])


def _path(field: Any) -> str:
    """The field's path as people write it: configuration.services[2].name."""
    parts = []
    for element in field.elements if field is not None else ():
        part = str(element.field_name)
        subscript = getattr(element, "subscript", None)
        if subscript is not None:
            part += f"[{subscript.value}]"
        parts.append(part)
    return ".".join(parts)
