"""Whatever an RPC's messages look like: who may not know of a private incident neither names it nor reads of it."""

from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import Default
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2, contact_service_pb2, paging_service_pb2
from tocsin.response.v1 import escalation_service_pb2, oncall_service_pb2, response_service_pb2
from tocsin.review.v1 import review_service_pb2
from tocsin.triage.v1 import triage_service_pb2
from tocsin.triage.v1.triage_service_pb2 import GetIncidentResponse, ListIncidentsRequest, ListIncidentsResponse

from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.grpc.naming import Thing, named, names_of
from tocsin_chassis.grpc.privacy import IncidentNotFound, View, shape_of, view_of
from tocsin_kernel.errors import NotFound

SECRET, KNOWN = "01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-000000000002"
MALLORY = Caller("mallory", Role.ROLE_MANAGER)
ALICE = Caller("alice", Role.ROLE_VIEWER)
ROOT = Caller("root", Role.ROLE_ADMIN)
TRIAGE = Caller("triage", service="triage")


def everything():
    """Every RPC of every service that tells of incidents, those of helpers' new contracts included."""
    for contract in (
        triage_service_pb2, response_service_pb2, escalation_service_pb2, oncall_service_pb2, communication_service_pb2,
        paging_service_pb2, contact_service_pb2, review_service_pb2,
    ):  # fmt: skip
        yield contract.DESCRIPTOR
    import tocsin.response.v1 as folder

    for file in sorted(Path(next(iter(folder.__path__))).glob("*_service_pb2.py")):
        __import__(f"tocsin.response.v1.{file.stem}")
        yield Default().FindFileByName(f"tocsin/response/v1/{file.stem.removesuffix('_pb2')}.proto")


METHODS = list(
    {method.full_name: method for file in everything() for service in file.services_by_name.values() for method in service.methods}.values()
)
NAMING = [method for method in METHODS if shape_of(method.input_type).own]
# The things of incidents that requests name by their own ids; those of tasks come together with that of the incident.
OF_INCIDENTS = ("evidence_id", "parent_id", "obligation_id", "measure_id", "proposal_id", "run_id", "question_id", "summons_id")
# What belongs to no incident, to the responder who asks, or is asked for by services alone.
OF_NONE = {
    "request_id", "incident_id", "task_id", "override_id", "swap_id", "temporary_id", "feed_id", "delegation_id", "page_id", "alert_id",
    "assignment_id",
}  # fmt: skip
NAMING_THINGS = [method for method in METHODS if (found := names_of(method.input_type, frozenset(OF_INCIDENTS))).own or found.parts]
TELLING = [method for method in METHODS if shape_of(method.output_type).own or shape_of(method.output_type).parts]


async def hidden(reader, incidents):
    return {SECRET} & set(incidents) if reader != "alice" else set()


def filled(descriptor, incident):
    """A message that tells of an incident wherever it can; each list has one item."""

    def fill(message, shape):
        if shape.own:
            setattr(message, shape.own, incident)
        for name, many, part in shape.parts:
            field = message.DESCRIPTOR.fields_by_name[name]
            if field.containing_oneof is None or message.WhichOneof(field.containing_oneof.name) is None:
                fill(getattr(message, name).add() if many else getattr(message, name), part)
        return message

    return fill(GetMessageClass(descriptor)(), shape_of(descriptor))


def test_there_is_something_to_look_at():
    names = {method.name for method in NAMING}
    assert {"AcknowledgeIncident", "ChangeType", "ListEscalations", "EscalateNow", "ListPages", "GetTimeline", "GetReview"} <= names
    assert {"ListIncidents", "GetIncident", "GetPage", "ListPages"} <= {method.name for method in TELLING}


@pytest.mark.parametrize("method", NAMING, ids=lambda method: method.name)
async def test_whoever_may_not_know_of_it_cannot_name_it(method):
    request = filled(method.input_type, SECRET)
    with pytest.raises(IncidentNotFound, match="there is no incident"):
        await View(hidden, MALLORY).enter(request)
    view = View(hidden, ALICE)
    await view.enter(request)
    assert not view.opened
    opening = View(hidden, ROOT)
    await opening.enter(request)
    assert opening.opened == {SECRET}


@pytest.mark.parametrize("method", TELLING, ids=lambda method: method.name)
async def test_no_answer_tells_of_it(method):
    response = filled(method.output_type, SECRET)
    try:
        await View(hidden, MALLORY).show(response)
    except IncidentNotFound:
        return
    assert SECRET.encode() not in response.SerializeToString()


@pytest.mark.parametrize("method", TELLING, ids=lambda method: method.name)
async def test_members_read_all_of_it(method):
    response = filled(method.output_type, SECRET)
    before = response.SerializeToString()
    await View(hidden, ALICE).show(response)
    assert response.SerializeToString() == before


def test_services_pass_and_people_and_keys_do_not():
    assert view_of(TRIAGE, hidden) is None
    assert all(view_of(who, hidden) is not None for who in (ALICE, MALLORY, ROOT, replace(MALLORY, api_key=True)))


class Absent(NotFound):
    reason = "ABSENT"
    message = "there is no {thing}"


async def hidden_things(reader, ids):
    return {each: SECRET for each in ids if reader != "alice"}


THINGS = {field: Thing(hidden_things, lambda id: Absent(thing=id)) for field in OF_INCIDENTS}


def naming(descriptor):
    """A message that names a thing wherever it can."""

    def fill(message, names):
        for field in names.own:
            setattr(message, field, KNOWN)
        for name, many, part in names.parts:
            fill(getattr(message, name).add() if many else getattr(message, name), part)
        return message

    return fill(GetMessageClass(descriptor)(), names_of(descriptor, frozenset(OF_INCIDENTS)))


@pytest.mark.parametrize("method", NAMING_THINGS, ids=lambda method: method.name)
async def test_whoever_may_not_know_of_an_incident_finds_nothing_that_belongs_to_it(method):
    request = naming(method.input_type)
    assert named(request, THINGS)
    with pytest.raises(Absent, match=f"there is no {KNOWN}"):
        await View(hidden, MALLORY, THINGS).enter(request)
    await View(hidden, ALICE, THINGS).enter(request)
    opening = View(hidden, ROOT, THINGS)
    await opening.enter(request)
    assert opening.opened == {SECRET}


def test_every_id_in_a_request_is_known_to_belong_to_an_incident_or_to_none():
    """A new noun of an incident goes into OF_INCIDENTS here, and into what its service hides."""
    ids = {field.name for method in METHODS for field in method.input_type.fields if field.name.endswith("_id")}
    assert ids <= {*OF_INCIDENTS, *OF_NONE}
    assert {"SubmitObligation", "ReleaseEvidence", "DownloadEvidence", "AddEvidence", "LiftMeasure", "VoteApproval", "PauseRun"} <= {
        method.name for method in NAMING_THINGS
    }


@given(st.lists(st.sampled_from([SECRET, KNOWN]), max_size=12))
async def test_a_list_keeps_what_may_be_known_in_its_order(incidents):
    response = ListIncidentsResponse(
        incidents=[{"id": each, "number": number} for number, each in enumerate(incidents)], next_page_token="t"
    )
    await View(hidden, MALLORY).show(response)
    assert [(each.id, each.number) for each in response.incidents] == [
        (each, number) for number, each in enumerate(incidents) if each == KNOWN
    ]
    assert response.next_page_token == "t"


async def test_an_administrator_opens_what_they_ask_for_and_lists_nothing_else():
    listed = ListIncidentsResponse(incidents=[{"id": SECRET}, {"id": KNOWN}])
    view = View(hidden, ROOT)
    await view.enter(ListIncidentsRequest())
    await view.show(listed)
    assert ([each.id for each in listed.incidents], view.opened) == ([KNOWN], set())
    by_number = GetIncidentResponse(incident={"id": SECRET})
    await view.show(by_number)
    assert (by_number.incident.id, view.opened) == (SECRET, {SECRET})


def test_no_message_hides_an_incident_from_the_shapes():
    """A field that names an incident in some other way would not be looked at: there is none."""
    own = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
    odd = {
        f"{message.full_name}.{field.name}"
        for message in chain.from_iterable((method.input_type, method.output_type) for method in METHODS)
        for field in message.fields
        if field.type == own and "incident" in field.name and field.name not in ("incident_id", "incident_url")
    }
    assert odd == set()
