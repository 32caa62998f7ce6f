"""What a block list may hold, and how devices read it."""

import re
from dataclasses import dataclass
from datetime import datetime

from tocsin_kernel.errors import Invalid, NotFound
from tocsin_response.containment.measure import TargetKind
from tocsin_response.guard.rails import network_of, problem_of

# A device that reads an empty list may stop enforcing it, or keep the last one: a list that is empty on purpose holds what nobody has.
# Addresses for documentation (RFC 5737), a name that never resolves (RFC 6761).
NOTHING = {TargetKind.ADDRESS: "192.0.2.255", TargetKind.DOMAIN: "nothing.invalid", TargetKind.HASH: "0" * 64}
HASH = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{128}")
LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
LONGEST_NAME = 253


class BlockListNotFound(NotFound):
    reason = "BLOCK_LIST_NOT_FOUND"
    message = "there is no such block list"


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """One line of a list."""

    list: str
    kind: TargetKind
    value: str
    comment: str
    incident_id: str
    since: datetime
    until: datetime | None
    added_by: str


def spelled(kind: TargetKind, value: str) -> str:
    """The value as every list spells it. Raises Invalid if it is not of its kind, or would block far too much."""
    text = value.strip().casefold().rstrip(".")
    match kind:
        case TargetKind.ADDRESS:
            return _address(text)
        case TargetKind.DOMAIN:
            return _domain(text)
        case TargetKind.HASH if HASH.fullmatch(text):
            return text
        case TargetKind.HASH:
            raise Invalid(field="value", detail="must be a hash in hexadecimal: 32, 40, 64 or 128 digits")
    raise Invalid(field="kind", detail="must be an address, a domain or a hash")


def lines(kind: TargetKind, values: list[str]) -> str:
    """The list as devices read it: a line for each value; one that blocks nothing if there is none."""
    return "".join(f"{value}\n" for value in values or [NOTHING[kind]])


def _address(text: str) -> str:
    network = network_of(text)
    problem = problem_of(TargetKind.ADDRESS, text)
    if network is None or problem:
        raise Invalid(field="value", detail=problem)
    if not network.is_global:
        raise Invalid(field="value", detail=f"{text} is not of the public internet: blocking it would hit your own machines")
    return str(network.network_address) if network.num_addresses == 1 else str(network)


def _domain(text: str) -> str:
    name = text.removeprefix("*.")
    try:
        name = name.encode("idna").decode()
    except UnicodeError as error:
        raise Invalid(field="value", detail=f"{text} is not a domain name") from error
    labels = name.split(".")
    if len(name) > LONGEST_NAME or len(labels) < 2 or not all(LABEL.fullmatch(label) for label in labels):
        raise Invalid(field="value", detail=f"{text} is not a domain name with at least two parts")
    return f"*.{name}" if text.startswith("*.") else name
