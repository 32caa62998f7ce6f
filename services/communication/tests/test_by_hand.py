"""What responders add and set by hand: their own contact methods and personal rules."""

import grpc
import pytest
from communication_harness import MANAGER
from google.protobuf.duration_pb2 import Duration
from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import communication_service_pb2 as communication_pb
from tocsin.communication.v1 import contact_service_pb2 as pb
from tocsin.communication.v1.contact_service_pb2_grpc import ContactServiceStub
from tocsin.communication.v1.page_pb2 import Configuration, ContactMethod, Page
from tocsin.communication.v1.rules_pb2 import PersonalRules, PersonalStep, QuietHours, QuietWindow

from tocsin_chassis.grpc.caller import Caller
from tocsin_communication.contacts.by_hand import free_name
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.contacts.contact import ContactMethod as Method

ALICE = Caller("alice", Role.ROLE_RESPONDER)
MAIL, SMS = ContactMethod.KIND_EMAIL, ContactMethod.KIND_SMS
IN_FILES = ContactMethod(name="alice-mail", responder="alice", kind=MAIL, address="alice@example.test")


class Hand:
    """Somebody with their own contact methods and rules."""

    def __init__(self, house, who=ALICE):
        self.api = house.world.stub(ContactServiceStub, house.app, who)
        self.number = 0

    async def add(self, kind=MAIL, address="alice@home.test", **more):
        self.number += 1
        request = pb.AddContactMethodRequest(request_id=f"add-{self.number}", kind=kind, address=address, **more)
        return (await self.api.AddContactMethod(request)).contact

    async def remove(self, name):
        await self.api.RemoveContactMethod(pb.RemoveContactMethodRequest(name=name))

    async def set(self, *methods, who="alice", **more):
        steps = [PersonalStep(contact_method=name) for name in methods]
        await self.api.SetPersonalRules(pb.SetPersonalRulesRequest(rules=PersonalRules(name=who, high=steps, **more)))

    async def rules(self, who=""):
        return await self.api.GetPersonalRules(pb.GetPersonalRulesRequest(responder=who))


async def refused(call, reason):
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call
    assert reason in str(error.value.trailing_metadata()) or reason in str(error.value.details()), error.value
    return error.value


async def test_a_responder_adds_an_address_and_is_paged_there(house):
    hand = Hand(house)
    added = await hand.add()
    assert (added.contact_method.name, added.contact_method.responder, added.added_by) == ("alice-email", "alice", "alice")
    assert (await hand.add(address="alice@other.test")).contact_method.name == "alice-email-2"
    await hand.remove("alice-email-2")
    await house.summon("alice", house.incident())
    await house.expect(contact_method="alice-email", state=Page.STATE_SENT)
    assert [mail["To"] for mail in house.mails] == ["alice@home.test"]


async def test_rules_set_by_hand_come_before_those_in_files_until_they_are_reset(house):
    hand = Hand(house)
    in_files = PersonalRules(name="alice", high=[PersonalStep(contact_method="alice-mail", delay=Duration(seconds=600))])
    await house.reachable(IN_FILES, personal_rules=[in_files])
    await hand.add(name="mine")
    await hand.set("mine")
    found = await hand.rules()
    assert (found.rules.high[0].contact_method, found.set_by, found.in_files) == ("mine", "alice", in_files)
    await house.summon("alice", house.incident())
    await house.expect(contact_method="mine", state=Page.STATE_SENT)
    assert not await house.pages(contact_method="alice-mail")
    after = await hand.api.ResetPersonalRules(pb.ResetPersonalRulesRequest())
    assert after.rules == in_files and not (await hand.rules()).set_by


async def test_files_neither_hold_nor_prune_what_was_added_by_hand_and_take_its_name_over(house):
    hand = Hand(house)
    await house.reachable(IN_FILES)
    await hand.add(name="mine")
    exported = (await house.api.ExportConfiguration(communication_pb.ExportConfigurationRequest())).configuration
    assert list(exported.contact_methods) == [IN_FILES]
    again = communication_pb.ApplyConfigurationRequest(configuration=exported, prune=True)
    assert [change.name for change in (await house.api.ApplyConfiguration(again)).changes] == ["alice-mail"]
    listed = (await hand.api.ListContacts(pb.ListContactsRequest(responder="alice"))).contacts
    assert {contact.contact_method.name: contact.added_by for contact in listed} == {"alice-mail": "", "mine": "alice"}
    taken = Configuration(contact_methods=[ContactMethod(name="mine", responder="alice", kind=MAIL, address="a@b.test")])
    await house.api.ApplyConfiguration(communication_pb.ApplyConfigurationRequest(configuration=taken))
    await refused(hand.remove("mine"), "KEPT_IN_FILES")


async def test_responders_change_their_own_and_managers_anybodys(house):
    hand, maria = Hand(house), Hand(house, MANAGER)
    await house.reachable(IN_FILES)
    await refused(hand.add(responder="bob"), "NOT_YOURS")
    await refused(hand.set("alice-mail", who="bob"), "NOT_YOURS")
    await refused(hand.api.ResetPersonalRules(pb.ResetPersonalRulesRequest(responder="bob")), "NOT_YOURS")
    bobs = await maria.add(responder="bob", address="bob@home.test")
    assert bobs.added_by == "maria"
    await refused(hand.remove(bobs.contact_method.name), "NOT_YOURS")
    await maria.remove(bobs.contact_method.name)
    await refused(hand.remove("alice-mail"), "KEPT_IN_FILES")
    await refused(hand.remove("nothing"), "CONTACT_METHOD_NOT_FOUND")


async def test_what_cannot_be_is_refused_and_named(house):
    hand = Hand(house)
    await house.reachable(IN_FILES, ContactMethod(name="bob-mail", responder="bob", kind=MAIL, address="bob@example.test"))
    await refused(hand.add(name="bob-mail"), "CONTACT_METHOD_EXISTS")
    assert "address" in (await refused(hand.add(SMS, "no number"), "address")).details()
    await refused(hand.add(ContactMethod.KIND_APPRISE, "pover://x@y"), "Apprise")
    await refused(hand.set("bob-mail"), "rules.high[0].contact_method")
    always = QuietHours(zone="UTC", windows=[QuietWindow(begins="00:00", ends="00:00")])
    await refused(hand.set("alice-mail", quiet_hours=always), "wait for ever")
    for number in range(19):
        await hand.add(name=f"m{number}")
    await refused(hand.add(name="one-more"), "TOO_MANY_CONTACT_METHODS")


@pytest.mark.parametrize(
    ("responder", "taken", "name"),
    [
        ("alice", [], "alice-web-push"),
        ("Álice B.", [], "lice-b-web-push"),
        ("é", ["my-web-push"], "my-web-push-2"),
        ("a" * 63, [], "a" * 54 + "-web-push"),
    ],
)
def test_a_name_is_found_that_nobody_has(responder, taken, name):
    assert free_name(Method("", responder, Channel.WEB_PUSH, "x"), taken) == name
