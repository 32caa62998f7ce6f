"""The gRPC face of contact methods, reachability and delegations: translation, and one call each."""

from datetime import UTC
from uuid import UUID

from tocsin.access.v1.access_pb2 import Role
from tocsin.communication.v1 import contact_service_pb2 as pb
from tocsin.communication.v1.contact_service_pb2_grpc import ContactServiceServicer

from tocsin_chassis import paging
from tocsin_chassis.grpc.caller import Caller, caller
from tocsin_chassis.grpc.wrapping import Context
from tocsin_chassis.postgres import inbox
from tocsin_chassis.postgres.database import Database
from tocsin_communication import wire
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.contacts import delegation_store, reachability, store
from tocsin_communication.contacts.by_hand import ByHand
from tocsin_communication.contacts.confirmation import Confirmation
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.contacts.delegations import Delegations
from tocsin_communication.contacts.reachability import Reachability
from tocsin_kernel.clock import Clock

# How many rows are looked at for one page of a list that shows problems only.
MOST_LOOKED_AT = 2_000


class ContactApi(ContactServiceServicer):
    """Serves tocsin.communication.v1.ContactService."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        channels: Channels,
        confirmation: Confirmation,
        reachability: Reachability,
        delegations: Delegations,
        by_hand: ByHand,
    ) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels
        self._confirmation = confirmation
        self._reachability = reachability
        self._delegations = delegations
        self._by_hand = by_hand

    async def ListContacts(self, request: pb.ListContactsRequest, context: Context) -> pb.ListContactsResponse:
        size = paging.page_size(request.page_size)
        parts = paging.decode(request.page_token, 2) if request.page_token else ["", ""]
        async with self._database.transaction() as tx:
            rows = await store.contacts(tx, request.responder, (parts[0], parts[1]), MOST_LOOKED_AT if request.only_problems else size + 1)
        found = [row.to_domain(self._channels.off(Channel(row.channel))) for row in rows]
        if request.only_problems:
            found = [contact for contact in found if contact.warning]
        shown = found[:size]
        more = len(found) > size
        token = paging.encode(shown[-1].method.responder, shown[-1].method.name) if more else ""
        return pb.ListContactsResponse(contacts=[wire.contact_to_proto(contact) for contact in shown], next_page_token=token)

    async def StartConfirmation(self, request: pb.StartConfirmationRequest, context: Context) -> pb.StartConfirmationResponse:
        by = caller().name
        async with self._database.transaction() as tx:

            async def work() -> pb.StartConfirmationResponse:
                page, until = await self._confirmation.start(tx, request.contact_method, by)
                return pb.StartConfirmationResponse(page_id=page.id, expires_at=wire.instant(until))

            return await inbox.once(tx, "StartConfirmation", request.request_id, pb.StartConfirmationResponse, work)

    async def ConfirmContactMethod(self, request: pb.ConfirmContactMethodRequest, context: Context) -> pb.ConfirmContactMethodResponse:
        contact = await self._confirmation.confirm(request.contact_method, request.code)
        return pb.ConfirmContactMethodResponse(contact=wire.contact_to_proto(contact))

    async def ListReachability(self, request: pb.ListReachabilityRequest, context: Context) -> pb.ListReachabilityResponse:
        size = paging.page_size(request.page_size)
        after = paging.decode(request.page_token, 1)[0] if request.page_token else ""
        found = await self._reachability.look(after, size + 1)
        token = paging.encode(found[size - 1].responder) if len(found) > size else ""
        shown = [each for each in found[:size] if each.problem or not request.only_problems]
        return pb.ListReachabilityResponse(
            responders=[reachability.to_proto(each, each.checked_at) for each in shown], next_page_token=token
        )

    async def CreateDelegation(self, request: pb.CreateDelegationRequest, context: Context) -> pb.CreateDelegationResponse:
        by = caller().name
        starts_at = request.starts_at.ToDatetime(UTC) if request.HasField("starts_at") else None
        async with self._database.transaction() as tx:

            async def work() -> pb.CreateDelegationResponse:
                made = await self._delegations.create(
                    tx, request.from_responder, request.to_responder, starts_at, request.ends_at.ToDatetime(UTC), request.reason, by
                )
                return pb.CreateDelegationResponse(delegation=wire.delegation_to_proto(made))

            return await inbox.once(tx, "CreateDelegation", request.request_id, pb.CreateDelegationResponse, work)

    async def EndDelegation(self, request: pb.EndDelegationRequest, context: Context) -> pb.EndDelegationResponse:
        return pb.EndDelegationResponse(delegation=wire.delegation_to_proto(await self._delegations.end(request.delegation_id)))

    async def ListDelegations(self, request: pb.ListDelegationsRequest, context: Context) -> pb.ListDelegationsResponse:
        size = paging.page_size(request.page_size)
        current_at = self._clock.now() if request.only_current else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await delegation_store.delegations(tx, request.responder, current_at, key(request.page_token), size + 1)
        token = paging.encode(found[size - 1].id) if len(found) > size else ""
        return pb.ListDelegationsResponse(delegations=[wire.delegation_to_proto(each) for each in found[:size]], next_page_token=token)

    async def AddContactMethod(self, request: pb.AddContactMethodRequest, context: Context) -> pb.AddContactMethodResponse:
        by = caller()
        delay = request.delay.ToTimedelta() if request.HasField("delay") else None
        wanted = ContactMethod(request.name, request.responder or by.name, wire.channel_named(request.kind), request.address, delay)
        async with self._database.transaction() as tx:

            async def work() -> pb.AddContactMethodResponse:
                return pb.AddContactMethodResponse(contact=wire.contact_to_proto(await self._by_hand.add(tx, wanted, by, manages(by))))

            return await inbox.once(tx, "AddContactMethod", request.request_id, pb.AddContactMethodResponse, work)

    async def RemoveContactMethod(self, request: pb.RemoveContactMethodRequest, context: Context) -> pb.RemoveContactMethodResponse:
        await self._by_hand.remove(request.name, caller(), manages(caller()))
        return pb.RemoveContactMethodResponse()

    async def GetPersonalRules(self, request: pb.GetPersonalRulesRequest, context: Context) -> pb.GetPersonalRulesResponse:
        found = await self._by_hand.rules(request.responder or caller().name)
        in_files = wire.packed_rules(found.in_files)
        return pb.GetPersonalRulesResponse(
            rules=wire.packed_rules(found.by_hand) or in_files,
            set_by=found.set_by or "",
            set_at=wire.maybe_instant(found.set_at),
            in_files=in_files,
        )

    async def SetPersonalRules(self, request: pb.SetPersonalRulesRequest, context: Context) -> pb.SetPersonalRulesResponse:
        await self._by_hand.set_rules(request.rules, caller(), manages(caller()))
        return pb.SetPersonalRulesResponse(rules=request.rules)

    async def ResetPersonalRules(self, request: pb.ResetPersonalRulesRequest, context: Context) -> pb.ResetPersonalRulesResponse:
        found = await self._by_hand.reset_rules(request.responder or caller().name, caller(), manages(caller()))
        return pb.ResetPersonalRulesResponse(rules=wire.packed_rules(found.in_files))


def manages(who: Caller) -> bool:
    """They may change what is others'."""
    return who.role >= Role.ROLE_MANAGER


def key(token: str) -> UUID | None:
    """The last one of the list before; None for the first."""
    if not token:
        return None
    try:
        return UUID(paging.decode(token, 1)[0])
    except ValueError:
        raise paging.refused() from None
