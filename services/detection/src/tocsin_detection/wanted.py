"""What a configuration says of integrations: refused, with the field's name, where it could not work."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from tocsin.detection.v1.integration_pb2 import Integration as IntegrationMessage

from tocsin_detection.intake.mapping import problems_of
from tocsin_detection.intake.signature import SIGNING_KINDS
from tocsin_detection.integration import BUILT_IN, key_hash, problem_of_key
from tocsin_detection.integration_wire import configured, integration_of, mapping_of
from tocsin_detection.signal import storable
from tocsin_kernel.errors import Invalid

MAPPED_KINDS = ("webhook", "cloudevents")
TOPIC = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
# When an integration was made is no part of what is wanted.
NEVER = datetime.min.replace(tzinfo=UTC)


def wanted(given: Sequence[IntegrationMessage]) -> dict[str, IntegrationMessage]:
    """The integrations by name, each as an export would say it. Raises Invalid."""
    found: dict[str, IntegrationMessage] = {}
    for index, message in enumerate(given):
        for field, detail in (*_problems_of_name(message, found), *_problems(message)):
            raise Invalid(field=f"configuration.integrations[{index}].{field}", detail=detail)
        found[message.name] = _as_exported(message)
    return found


def wanted_keys(given: Sequence[IntegrationMessage], opened: Mapping[str, bytes]) -> dict[str, bytes]:
    """The hashes of the keys that integrations get, by name; `opened` holds those of today. Raises Invalid if a key opens another one."""
    keys: dict[str, bytes] = {}
    owners = {hashed: name for name, hashed in opened.items()}
    for index, message in enumerate(given):
        hashed = key_hash(message.key)
        if message.key and owners.setdefault(hashed, message.name) != message.name:
            detail = f"it opens {owners[hashed]!r} already; a key opens one integration"
            raise Invalid(field=f"configuration.integrations[{index}].key", detail=detail)
        if message.key and opened.get(message.name) != hashed:
            keys[message.name] = hashed
    return keys


def _as_exported(message: IntegrationMessage) -> IntegrationMessage:
    said = IntegrationMessage()
    said.CopyFrom(message)
    said.service, said.description = storable(message.service), storable(message.description)
    return configured(integration_of(said, NEVER))


def _problems_of_name(message: IntegrationMessage, found: dict[str, IntegrationMessage]) -> Iterator[tuple[str, str]]:
    if message.name == BUILT_IN:
        yield "name", f"{BUILT_IN!r} is the name of the built-in integration; choose another"
    if message.name in found:
        yield "name", f"{message.name!r} is given twice; names are unique"


def _problems(message: IntegrationMessage) -> Iterator[tuple[str, str]]:
    """Each field that could not work, and why. What its kind would not look at is refused: somebody relies on it."""
    mapping = mapping_of(message.mapping)
    if mapping and message.kind not in MAPPED_KINDS:
        yield "mapping", f"kind {message.kind!r} reads its sender's own format; only {_listed(MAPPED_KINDS)} read by a mapping"
    for field, detail in problems_of(mapping) if mapping else ():
        yield f"mapping.{field}", detail
    if message.allowed_topics and message.kind != "sns":
        yield "allowed_topics", "only kind 'sns' has topics"
    for number, topic in enumerate(message.allowed_topics):
        if TOPIC.fullmatch(topic) is None:
            yield f"allowed_topics[{number}]", "it is not the ARN of a topic, like arn:aws:sns:eu-central-1:123456789012:alarms"
    if message.accepts_batches and message.kind != "cloudevents":
        yield "accepts_batches", "only kind 'cloudevents' knows batches"
    if message.insufficient_data and message.kind != "sns":
        yield "insufficient_data", "only kind 'sns' reads alarms of CloudWatch"
    if message.key and (problem := problem_of_key(message.kind, message.key)):
        yield "key", problem
    if message.requires_signature and message.kind not in SIGNING_KINDS:
        yield "requires_signature", f"only {_listed(SIGNING_KINDS)} sign with a secret"


def _listed(kinds: Sequence[str]) -> str:
    return ", ".join(repr(kind) for kind in kinds)
