"""Keeps playbooks in versions that never change, and says what they would do."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from tocsin.response.v1.playbook_pb2 import Plan, Playbook

from tocsin_chassis.grpc.errors import ManyInvalid
from tocsin_chassis.paging import decode, encode, page_size, refused
from tocsin_chassis.postgres.database import Tx
from tocsin_kernel.clock import Clock
from tocsin_response.playbook import library_store, reading
from tocsin_response.playbook.book import Book, PlaybookNotFound
from tocsin_response.playbook.library_store import Version
from tocsin_response.playbook.runners import Runners
from tocsin_response.playbook.runs import Shown

NEWEST = 2**31 - 1


class Library:
    """The playbooks."""

    def __init__(self, clock: Clock, book: Book, runners: Runners) -> None:
        self._clock = clock
        self._book = book
        self._runners = runners

    async def put(self, tx: Tx, name: str, content: str, by: str) -> tuple[Version, list[str]]:
        """Check it and keep it as the newest version; the same text again makes no new one.

        Raises ManyInvalid naming each step that is wrong, or asks for what no runner knows.
        """
        checked = reading.check(content)
        if checked.problems:
            raise ManyInvalid([("playbook.content", problem) for problem in checked.problems])
        newest = await library_store.lock_newest(tx, name)
        kept = await library_store.load(tx, name) if newest else None
        sha256 = hashlib.sha256(content.encode()).hexdigest()
        if kept is not None and kept.sha256 == sha256:
            await library_store.retire(tx, name, retired=False)
            return replace(kept, retired=False), checked.warnings
        playbook = reading.read(content)
        if unknown := await self.unknown(tx, name, content):
            raise ManyInvalid(unknown)
        lacking = [str(each) for each in await self._runners.problems(tx, playbook)]
        made = Version(
            name, newest + 1, playbook.id, playbook.name, playbook.description, content, sha256, by, self._clock.now(), False, None
        )
        await library_store.insert(tx, made)
        return made, [*checked.warnings, *lacking]

    async def unknown(self, tx: Tx, name: str, content: str) -> list[tuple[str, str]]:
        """What a playbook that was checked asks of runners and none of them knows, by field."""
        asked = await self._runners.problems(tx, reading.read(content))
        return [("playbook.content", f"{name}: {each}") for each in asked if not each.warning]

    async def get(self, tx: Tx, name: str, version: int) -> Version:
        """A version; 0: the newest. Raises PlaybookNotFound."""
        found = await library_store.load(tx, name, version)
        if found is None:
            raise PlaybookNotFound(playbook=name)
        return found

    async def everything(self, tx: Tx) -> list[Playbook]:
        """All that are not retired, in their newest versions, as configuration."""
        return [Playbook(name=each.playbook, content=each.content) for each in await library_store.load_newest(tx)]

    async def retire(self, tx: Tx, name: str) -> None:
        """Begin no run by it any more. Runs that are under way go on."""
        await library_store.retire(tx, name, retired=True)

    async def listed(self, tx: Tx, size: int, token: str) -> tuple[list[Version], str]:
        """A page of the newest versions, by name, and the token of the next page."""
        limit = page_size(size)
        found = await library_store.list_newest(tx, decode(token, 1)[0] if token else "", limit + 1)
        return found[:limit], by_name(found[limit - 1]) if len(found) > limit else ""

    async def versions(self, tx: Tx, name: str, size: int, token: str) -> tuple[list[Version], str]:
        """A page of the versions of a playbook, newest first, and the token of the next page."""
        limit = page_size(size)
        found = await library_store.list_versions(tx, name, _number(token) if token else NEWEST, limit + 1)
        return found[:limit], by_version(found[limit - 1]) if len(found) > limit else ""

    async def plan(self, tx: Tx, name: str, variables: Mapping[str, str | None]) -> Plan:
        """What a run would do. Raises PlaybookNotFound, PlaybookRetired, Invalid."""
        _, playbook = await self._book.newest(tx, name)
        plan = reading.plan(playbook, variables)
        plan.problems.extend(await self._runners.missing(tx, playbook))
        return plan

    def as_cacao(self, version: Version) -> str:
        """A version in CACAO v2.0, whatever form it was put in."""
        return reading.as_cacao(version.content)

    def exported(self, shown: Shown) -> str:
        """A run as its playbook with what came of each step, in CACAO v2.0."""
        return reading.with_results(shown.run, self._clock.now())


def by_name(last: Version) -> str:
    """The token of the page of playbooks after this one."""
    return encode(last.playbook)


def by_version(last: Version) -> str:
    """The token of the page of a playbook's versions after this one."""
    return encode(str(last.version))


def _number(token: str) -> int:
    [text] = decode(token, 1)
    if not text.isdecimal() or len(text) > 9:
        raise refused()
    return int(text)
