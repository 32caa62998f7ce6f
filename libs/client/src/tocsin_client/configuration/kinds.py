"""Which kinds of resource there are: read off the `Configuration` message of each service, so that a new kind needs no edit here."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from tocsin.communication.v1 import communication_service_pb2
from tocsin.detection.v1 import detection_service_pb2
from tocsin.response.v1 import response_service_pb2
from tocsin.triage.v1 import triage_service_pb2

# In the order in which they are applied: a resource comes after those that it names.
CONTRACTS: Mapping[str, Any] = {
    "response": response_service_pb2,
    "communication": communication_service_pb2,
    "triage": triage_service_pb2,
    "detection": detection_service_pb2,
}
# Fields whose own name is not that of the kind they name.
NAMED_OTHERWISE = {"members": "Responder", "managers": "Responder", "instead_of_responder": "Responder", "depends_on": "Service"}
# Messages whose fields are expressions: whatever they are called, they name nothing.
EXPRESSIONS = frozenset({"tocsin.detection.v1.Mapping"})
# The name of the one resource of a kind of which there is only one.
ONLY_ONE = "platform"
# Fields that a file may not set, and what to write or do instead. Instants are the server's records too: no configuration field is one.
NOT_IN_FILES = {
    "tocsin.detection.v1.Integration.secrets": "is counted by the server; `tocsin integration secret NAME` gives it one",
    "tocsin.detection.v1.Integration.key": "does not belong into a file that others read; write key_from: {env: NAME} or {file: PATH}",
}
# Where the text of a field is taken from: the field of a spec that says it, and the field that gets the text.
TAKEN_FROM = {"Integration": ("key_from", "key"), "Playbook": ("content_from", "content")}
DURATION = "google.protobuf.Duration"
TIMESTAMP = "google.protobuf.Timestamp"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource: the service that keeps it, the field of its Configuration, and its message."""

    name: str
    service: str
    field: str
    descriptor: Descriptor
    singular: bool

    def message(self) -> Any:
        """A new, empty resource of this kind."""
        return GetMessageClass(self.descriptor)()

    @property
    def fields(self) -> list[FieldDescriptor]:
        """What the spec of a resource may hold."""
        return [field for field in writable(self.descriptor) if self.singular or field.name != "name"]


def configuration_class(service: str) -> Any:
    """The class of a service's Configuration message."""
    return type(CONTRACTS[service].ApplyConfigurationRequest().configuration)


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind by its name, in the order in which they are applied."""
    return {kind.name: kind for service in CONTRACTS for kind in kinds_of(service)}


def kinds_of(service: str) -> list[Kind]:
    fields = configuration_class(service).DESCRIPTOR.fields
    return [Kind(field.message_type.name, service, field.name, field.message_type, not field.is_repeated) for field in fields]


def writable(descriptor: Descriptor) -> list[FieldDescriptor]:
    """The fields that a file may set."""
    return [field for field in descriptor.fields if not is_message(field, TIMESTAMP) and field.full_name not in NOT_IN_FILES]


def is_message(field: FieldDescriptor, name: str) -> bool:
    return field.message_type is not None and field.message_type.full_name == name


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def short_names(enum: EnumDescriptor) -> dict[str, int]:
    """The values of an enum as files write them: without the prefix they share, and without "unspecified"."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.name.removeprefix(prefix): value.number for value in enum.values if value.number != 0}


def referred_kind(field: FieldDescriptor) -> Kind | None:
    """The kind whose resources a text field names: `team` names a Team, `responders` Responders; None if it names none."""
    owner = field.containing_type
    if field.type != FieldDescriptor.TYPE_STRING or (owner is not None and owner.full_name in EXPRESSIONS):
        return None
    for kind in kinds().values():
        words = snake_case(kind.name)
        if field.name in (words, f"{words}s") or NAMED_OTHERWISE.get(field.name) == kind.name:
            return kind
    return None


def snake_case(words: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in words).lstrip("_")
