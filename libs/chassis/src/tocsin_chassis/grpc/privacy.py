"""Private incidents are kept from everybody but their members, in one place for all RPCs: what names one, and what tells of one.

A request names an incident by a field `incident_id`, or by the id of something that belongs to one; a response tells of one by such a
field or by an Incident, however deep. What the caller may not know of is refused before anything is done, as if it did not exist, or left
out of the list that holds it. Services act for themselves and pass.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from tocsin.access.v1.access_pb2 import Role

from tocsin_chassis.grpc.caller import Caller, caller_or_none
from tocsin_chassis.grpc.naming import Things, named
from tocsin_chassis.grpc.wrapping import Around, Call, Many, Once, released
from tocsin_kernel.errors import NotFound

INCIDENT = "tocsin.triage.v1.Incident"
NAMED = "incident_id"
# Tells the edge that an administrator who is no member was shown this incident, so that it is written down.
OPENED = "tocsin-opened-private"

NO_THINGS: Things = {}

Hidden = Callable[[str, Collection[str]], Awaitable[set[str]]]


async def nothing_hidden(reader: str, incidents: Collection[str]) -> set[str]:
    """For a server that knows of no incident."""
    return set()


class IncidentNotFound(NotFound):
    """As if it were not there."""

    reason = "INCIDENT_NOT_FOUND"
    message = "there is no incident {incident}"


@dataclass(frozen=True, slots=True)
class Shape:
    """Where messages of a type tell of incidents: a field with the id, and fields with messages that do (True: a list of them)."""

    own: str
    parts: tuple[tuple[str, bool, "Shape"], ...]

    def ids(self, message: Any) -> Iterator[str]:
        """The incidents that a message tells of."""
        if self.own and (own := getattr(message, self.own)):
            yield own
        for name, many, shape in self.parts:
            for part in getattr(message, name) if many else ([getattr(message, name)] if message.HasField(name) else []):
                yield from shape.ids(part)

    def itself(self, message: Any) -> Iterator[str]:
        """The incidents that a message tells of otherwise than in lists."""
        if self.own and (own := getattr(message, self.own)):
            yield own
        for name, many, shape in self.parts:
            if not many and message.HasField(name):
                yield from shape.itself(getattr(message, name))

    def allows(self, message: Any, hidden: Collection[str]) -> bool:
        """Leave what is hidden out of the lists; False if the message itself tells of it."""
        if self.own and getattr(message, self.own) in hidden:
            return False
        for name, many, shape in self.parts:
            if not many:
                if message.HasField(name) and not shape.allows(getattr(message, name), hidden):
                    return False
                continue
            items = getattr(message, name)
            kept = [item for item in items if shape.allows(item, hidden)]
            if len(kept) < len(items):
                copies = [type(item).FromString(item.SerializeToString()) for item in kept]
                del items[:]
                items.extend(copies)
        return True


def shape_of(descriptor: Any) -> Shape:
    """Where messages of this type tell of incidents."""
    return _shape(descriptor, frozenset())


@cache
def _shape(descriptor: Descriptor, inside: frozenset[str]) -> Shape:
    """`inside` are the types around it: one that holds itself is looked at once."""
    if descriptor.full_name == INCIDENT:
        return Shape("id", ())
    within = inside | {descriptor.full_name}
    parts = []
    for field in descriptor.fields:
        kind = field.message_type
        if kind is None or kind.full_name in within or kind.GetOptions().map_entry:
            continue
        shape = _shape(kind, within)
        if shape.own or shape.parts:
            parts.append((field.name, bool(field.is_repeated), shape))
    named = descriptor.fields_by_name.get(NAMED)
    own = NAMED if named is not None and named.type == FieldDescriptor.TYPE_STRING and not named.is_repeated else ""
    return Shape(own, tuple(parts))


class Privacy(Around):
    """Asks for each RPC that has to do with incidents which of them the caller may not know of."""

    def __init__(self, hidden: Hidden, things: Things = NO_THINGS) -> None:
        self._hidden = hidden
        self._things = things

    def once(self, inner: Once, streams_in: bool) -> Once:
        async def answer(request: Any, call: Call) -> Any:
            view = self._view()
            if view is None:
                return await inner(request, call)
            response: Any
            if streams_in:
                async with aclosing(view.entering(request)) as entered:
                    response = await inner(entered, call)
            else:
                await view.enter(request)
                response = await inner(request, call)
            await view.show(response)
            if view.opened:
                call.context.set_trailing_metadata(tuple((OPENED, incident) for incident in sorted(view.opened)))
            return response

        return answer

    def many(self, inner: Many, streams_in: bool) -> Many:
        async def answer(request: Any, call: Call) -> AsyncIterator[Any]:
            view = self._view()
            if view is not None and not streams_in:
                await view.enter(request)
            entered = view.entering(request) if view is not None and streams_in else request
            try:
                async for response in released(inner(entered, call)):
                    if view is not None:
                        await view.show(response)
                    yield response
            finally:
                if entered is not request:
                    await entered.aclose()

        return answer

    def _view(self) -> "View | None":
        return view_of(caller_or_none(), self._hidden, self._things)


class View:
    """What one caller sees in one call. `opened` are the private incidents that an administrator who is no member opened."""

    def __init__(self, hidden: Hidden, who: Caller, things: Things = NO_THINGS) -> None:
        self._hidden = hidden
        self._things = things
        self._reader = who.name
        self._may_open = who.role >= Role.ROLE_ADMIN
        self.opened: set[str] = set()

    async def enter(self, request: Message) -> None:
        """Raises NotFound for what the caller may not know of. An administrator opens what they name."""
        hidden = await self._of(shape_of(request.DESCRIPTOR), request)
        if hidden and not self._may_open:
            raise IncidentNotFound(incident=min(hidden))
        self.opened |= hidden
        if self._things:
            await self._enter_by_things(self._reader, request)

    async def entering(self, requests: AsyncIterator[Message]) -> AsyncGenerator[Message, None]:
        """The requests of a stream, each entered before whoever answers sees it."""
        async for request in requests:
            await self.enter(request)
            yield request

    async def _enter_by_things(self, reader: str, request: Message) -> None:
        for field, ids in named(request, self._things).items():
            thing = self._things[field]
            known = [each for each in ids if _is_id(each)]
            hidden = await thing.hidden(reader, known) if known else {}
            if hidden and not self._may_open:
                raise thing.absent(min(hidden))
            self.opened |= set(hidden.values())

    async def show(self, response: Message) -> None:
        """Leave out of lists what the caller may not know of. Raises IncidentNotFound where the answer is about nothing else."""
        shape = shape_of(response.DESCRIPTOR)
        hidden = await self._of(shape, response) - self.opened
        if hidden and self._may_open:
            self.opened |= hidden & set(shape.itself(response))
        hidden -= self.opened
        if hidden and not shape.allows(response, hidden):
            raise IncidentNotFound(incident=min(hidden))

    async def _of(self, shape: Shape, message: Message) -> set[str]:
        if not (shape.own or shape.parts):
            return set()
        named = {incident for incident in shape.ids(message) if _is_id(incident)}
        return await self._hidden(self._reader, named) if named else set()


def view_of(who: Caller | None, hidden: Hidden, things: Things = NO_THINGS) -> View | None:
    """What a caller sees; None for a service, which knows of everything, and for who is not signed in."""
    return None if who is None or who.service else View(hidden, who, things)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
