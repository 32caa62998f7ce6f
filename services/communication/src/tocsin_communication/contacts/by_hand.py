"""What responders add and set by hand: their own contact methods and personal rules; managers anybody's. Files hold the rest."""

from collections.abc import Iterable

from tocsin.communication.v1 import rules_pb2 as rules_pb

from tocsin_chassis.grpc.caller import Caller
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_communication.channels.accounts import Channels
from tocsin_communication.channels.registry import flaw
from tocsin_communication.configuration import store as configuration_store
from tocsin_communication.configuration.configuration import check_rules
from tocsin_communication.contacts import methods_store, store
from tocsin_communication.contacts.confirmation import ContactMethodNotFound
from tocsin_communication.contacts.contact import Channel, ContactMethod
from tocsin_communication.contacts.knowledge import Contact
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import AlreadyExists, Conflict, Forbidden, Invalid

MOST_METHODS = 20
LONGEST_NAME = 63
# Their connections are not guarded: whoever may set up the platform says where they go.
MANAGED = frozenset({Channel.APPRISE})


class NotYours(Forbidden):
    reason = "NOT_YOURS"
    message = "{caller} may change what is their own; how {responder} is reached is changed by {responder} or a manager"


class KeptInFiles(Conflict):
    reason = "KEPT_IN_FILES"
    message = "{name} is kept in files: take it out there and run `tocsin apply --prune`; your own rules can leave it unused"


class ContactMethodExists(AlreadyExists):
    reason = "CONTACT_METHOD_EXISTS"
    message = "there is a contact method {name} already; choose another name"


class TooManyContactMethods(Conflict):
    reason = "TOO_MANY_CONTACT_METHODS"
    message = "{responder} has {count} contact methods; remove one first"


class ByHand:
    """Adds, removes, sets and resets."""

    def __init__(self, database: Database, clock: Clock, channels: Channels) -> None:
        self._database = database
        self._clock = clock
        self._channels = channels

    async def add(self, tx: Tx, wanted: ContactMethod, by: Caller, manages: bool) -> Contact:
        """Add a contact method; one without a name gets one. Raises NotYours, Invalid, ContactMethodExists, TooManyContactMethods."""
        _allow(wanted.responder, by, manages)
        if wanted.channel in MANAGED and not manages:
            raise Invalid(field="kind", detail="what goes through Apprise is added by a manager")
        if problem := flaw(wanted.channel, wanted.address):
            raise Invalid(field="address", detail=problem)
        await configuration_store.lock_methods(tx)
        theirs = await methods_store.methods_of(tx, wanted.responder)
        if len(theirs) >= MOST_METHODS:
            raise TooManyContactMethods(responder=wanted.responder, count=len(theirs))
        named = wanted.name or free_name(wanted, {method.name for method in theirs})
        method = ContactMethod(named, wanted.responder, wanted.channel, wanted.address, wanted.delay)
        if not await store.add(tx, method, by.name):
            raise ContactMethodExists(name=named)
        return await self._contact(tx, named)

    async def remove(self, name: str, by: Caller, manages: bool) -> None:
        """Remove one that was added by hand. Raises ContactMethodNotFound, NotYours, KeptInFiles."""
        async with self._database.transaction() as tx:
            contact = await self._contact(tx, name)
            _allow(contact.method.responder, by, manages)
            if not contact.added_by:
                raise KeptInFiles(name=name)
            await store.remove(tx, name)

    async def rules(self, responder: str) -> store.RulesRow:
        """How somebody wants to be paged, as it was set by hand and as files say."""
        async with self._database.transaction() as tx:
            return await store.rules(tx, responder)

    async def set_rules(self, rules: rules_pb.PersonalRules, by: Caller, manages: bool) -> None:
        """Set rules by hand. Raises NotYours, Invalid."""
        _allow(rules.name, by, manages)
        async with self._database.transaction() as tx:
            owners = {method.name: method.responder for method in await methods_store.methods_of(tx, rules.name)}
            check_rules(rules, "rules", owners)
            await store.set_rules(tx, rules.name, rules.SerializeToString(deterministic=True), by.name, self._clock.now())

    async def reset_rules(self, responder: str, by: Caller, manages: bool) -> store.RulesRow:
        """Forget what was set by hand; what counts now. Raises NotYours."""
        _allow(responder, by, manages)
        async with self._database.transaction() as tx:
            await store.reset_rules(tx, responder)
            return await store.rules(tx, responder)

    async def _contact(self, tx: Tx, name: str) -> Contact:
        row = await store.contact(tx, name)
        if row is None:
            raise ContactMethodNotFound(name=name)
        return row.to_domain(self._channels.off(Channel(row.channel)))


def _allow(responder: str, by: Caller, manages: bool) -> None:
    if responder != by.name and not manages:
        raise NotYours(caller=by.name, responder=responder)


def free_name(method: ContactMethod, taken: Iterable[str]) -> str:
    """The responder and the kind: "alice-sms", "alice-sms-2"."""
    known = set(taken)
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in method.responder.lower()).strip("-")
    kind = method.channel.value.lower().replace("_", "-")
    for number in range(1, MOST_METHODS + 2):
        end = f"-{kind}" if number == 1 else f"-{kind}-{number}"
        name = f"{plain[: LONGEST_NAME - len(end)].rstrip('-') or 'my'}{end}"
        if name not in known:
            return name
    raise AssertionError("there are more names than contact methods")
