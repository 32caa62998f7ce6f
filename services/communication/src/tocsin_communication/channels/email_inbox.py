"""How mail reaches us over HTTP: as it is, or in the forms of the services that receive mail for others."""

import json
from email import message_from_bytes
from email.message import Message
from email.policy import compat32
from urllib.parse import parse_qs

from tocsin_communication.channels.inbound import BadRequest, InboundRequest

MOST_FIELDS = 200
# The mail itself, and whom it was for, in the forms of Mailgun, SendGrid and Postmark.
RAW = ("body-mime", "email", "RawEmail")
FOR = ("recipient", "envelope", "to", "OriginalRecipient")
# Whom it was for, as whoever hands over a mail as it is may say.
ENVELOPE = ("x-original-to", "x-envelope-to", "delivered-to")


def read_mail(request: InboundRequest) -> tuple[Message, list[str]]:
    """The mail, and texts in which its envelope's recipient stands. Raises BadRequest."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        match kind:
            case "application/json":
                fields = _json(request.body)
            case "application/x-www-form-urlencoded":
                fields = {name: values[0] for name, values in parse_qs(request.body.decode(), max_num_fields=MOST_FIELDS).items()}
            case "multipart/form-data":
                fields = _multipart(request)
            case _:
                envelope = [request.headers[name] for name in ENVELOPE if name in request.headers]
                return message_from_bytes(request.body, policy=compat32), envelope
        raw = next((fields[name] for name in RAW if name in fields), "")
        if not raw:
            raise BadRequest("there is no raw mail in it: let the service send the mail as it is (body-mime, email or RawEmail)")
        return message_from_bytes(raw.encode("utf-8", "surrogateescape"), policy=compat32), [fields[name] for name in FOR if name in fields]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise BadRequest("the mail cannot be read") from None


def _json(body: bytes) -> dict[str, str]:
    read = json.loads(body)
    return {name: value for name, value in read.items() if isinstance(value, str)}


def _multipart(request: InboundRequest) -> dict[str, str]:
    """The fields of a form with parts. Its own form is that of a mail."""
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode("utf-8", "replace")
    parts = message_from_bytes(head + request.body, policy=compat32).get_payload()
    fields: dict[str, str] = {}
    for part in parts if isinstance(parts, list) else []:
        name = part.get_param("name", header="content-disposition") if isinstance(part, Message) else None
        content = part.get_payload(decode=True) if isinstance(part, Message) else None
        if isinstance(name, str) and isinstance(content, bytes) and len(fields) < MOST_FIELDS:
            fields[name] = content.decode("utf-8", "surrogateescape")
    return fields
