"""The doors: who may report, in which format, and what is kept of them in files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tocsin.configuration.v1.change_pb2 import Change, FieldChange
from tocsin.detection.v1.integration_pb2 import Integration as IntegrationMessage

from tocsin_chassis.configuration import changes
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_chassis.sealing import Place, Sealed, SealUnreadable, Vault
from tocsin_detection import integration_store as store
from tocsin_detection.intake.signature import problem_of_secret
from tocsin_detection.integration import (
    Integration,
    IntegrationKeyUnknown,
    IntegrationNotFound,
    KeyInUse,
    SecretsKeyMissing,
    key_hash,
    new_key,
    problem_of_key,
    with_secret,
)
from tocsin_detection.integration_wire import configured, integration_of
from tocsin_detection.wanted import wanted, wanted_keys
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid
from tocsin_kernel.ids import Ids

# Another process may have made a key void: that long it may still be believed here.
REMEMBERED = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class _Remembered:
    integration: Integration
    until: datetime


class Integrations:
    """Looks up keys, makes them, and applies configuration. Remembers keys for seconds, because every report brings one."""

    def __init__(self, database: Database, vault: Vault | None, clock: Clock, ids: Ids) -> None:
        """Without a `vault` no secret can be kept or read."""
        self._database = database
        self._vault = vault
        self._clock = clock
        self._ids = ids
        self._by_key: dict[bytes, _Remembered] = {}
        self._generation = 0
        self._heard: dict[str, datetime] = {}

    async def behind(self, key: str, kind: str) -> Integration:
        """The integration that a key opens. Raises IntegrationKeyUnknown, also if it is one of another kind."""
        hashed = key_hash(key)
        remembered = self._by_key.get(hashed)
        if remembered is None or remembered.until <= self._clock.now():
            remembered = await self._look_up(hashed)
        if remembered is None or remembered.integration.kind != kind:
            raise IntegrationKeyUnknown(kind=kind)
        return remembered.integration

    async def _look_up(self, hashed: bytes) -> _Remembered | None:
        generation = self._generation
        async with self._database.transaction() as tx:
            found = await store.integration_by_key(tx, hashed)
        self._by_key.pop(hashed, None)
        if found is None:
            return None
        remembered = _Remembered(self._opened(found), self._clock.now() + REMEMBERED)
        # What was read before somebody changed a key here must not outlive the change.
        if generation == self._generation:
            self._by_key[hashed] = remembered
        return remembered

    def heard(self, integration: Integration, at: datetime) -> None:
        """Say that a report came. Written now and then by `note_reports`: one row for all senders would be a queue."""
        self._heard[integration.name] = at

    async def note_reports(self) -> None:
        """Write when each integration last had a report."""
        if not self._heard:
            return
        heard = dict(self._heard)
        async with self._database.transaction() as tx:
            await store.note_reports(tx, heard)
        for name, at in heard.items():
            if self._heard.get(name) == at:
                del self._heard[name]

    async def all(self) -> list[Integration]:
        """All integrations, by name."""
        async with self._database.transaction() as tx:
            return await store.integrations(tx)

    async def rotate_key(self, name: str) -> tuple[Integration, str]:
        """Make another key; the old one stops at once. Raises IntegrationNotFound."""
        async with self._database.transaction() as tx:
            stored = await store.lock_integration(tx, name)
            if stored is None:
                raise IntegrationNotFound(name=name)
            integration = stored.integration
            key = new_key(self._ids, integration.kind)
            await store.replace_key(tx, name, key_hash(key))
            tx.after_commit(self._forget)
        return integration, key

    async def import_key(self, tx: Tx, name: str, key: str) -> Integration:
        """Let a key open it that its senders have already; the old one stops at once. Raises IntegrationNotFound, KeyInUse, Invalid."""
        integration = next((each for each in await store.lock_integrations(tx) if each.name == name), None)
        if integration is None:
            raise IntegrationNotFound(name=name)
        if problem := problem_of_key(integration.kind, key):
            raise Invalid(field="key", detail=problem)
        hashed = key_hash(key)
        other = next((each for each, theirs in (await store.key_hashes(tx)).items() if theirs == hashed and each != name), None)
        if other is not None:
            raise KeyInUse(name=other)
        await store.replace_key(tx, name, hashed)
        tx.after_commit(self._forget)
        return integration

    async def set_secret(self, name: str, secret: str) -> Integration:
        """Give it another secret; the newest before stays valid too. An empty one removes both, also those that cannot be read.

        Raises IntegrationNotFound, Invalid, SecretsKeyMissing, SealUnreadable.
        """
        async with self._database.transaction() as tx:
            stored = await store.lock_integration(tx, name)
            if stored is None:
                raise IntegrationNotFound(name=name)
            if secret and (problem := problem_of_secret(stored.integration.kind, secret)):
                raise Invalid(field="secret", detail=problem)
            changed = with_secret(self._opened(stored), secret) if secret else with_secret(stored.integration, "")
            await self._seal(tx, changed)
        return changed

    async def seal_all(self) -> int:
        """Seal under the newest key what is not; says of how many integrations. Raises SealUnreadable."""
        if self._vault is None:
            return 0
        async with self._database.transaction() as tx:
            others = await store.lock_sealed_otherwise(tx, self._vault.newest)
            for stored in others:
                await self._seal(tx, self._opened(stored))
        return len(others)

    async def seal_what_is_not(self) -> None:
        """Seal what lies there as it is: it is from before secrets were sealed, or another version still writes it."""
        if self._vault is None:
            return
        async with self._database.transaction() as tx:
            for stored in await store.lock_sealed_otherwise(tx, self._vault.newest):
                if stored.plain:
                    await self._seal(tx, self._opened(stored))

    async def _seal(self, tx: Tx, integration: Integration) -> None:
        if integration.secrets and self._vault is None:
            raise SecretsKeyMissing()
        sealed = [self._vault.seal(secret, _place(integration.name)) for secret in integration.secrets] if self._vault else []
        await store.replace_secrets(tx, integration.name, sealed[0].key if sealed else "", [each.content for each in sealed])
        tx.after_commit(self._forget)

    def _opened(self, stored: store.Stored) -> Integration:
        """Raises SealUnreadable: whoever cannot verify lets nobody in."""
        if stored.sealed and self._vault is None:
            raise SealUnreadable(where="integration", detail="TOCSIN_SECRETS_KEY_FILE is not set")
        place = _place(stored.integration.name)
        opened = [self._vault.open(Sealed(stored.secrets_key, content), place) for content in stored.sealed] if self._vault else []
        return replace(stored.integration, secrets=(*stored.plain, *opened))

    async def apply(self, tx: Tx, given: Sequence[IntegrationMessage], *, dry_run: bool, prune: bool) -> list[Change]:
        """Make the stored integrations like the given ones; says what changed, or with `dry_run` only what would. Raises Invalid."""
        found = wanted(given)
        stored = {integration.name: configured(integration) for integration in await store.lock_integrations(tx)}
        keys = wanted_keys(given, await store.key_hashes(tx))
        planned = [_with_key(change, keys) for change in changes("Integration", stored, found, prune)]
        if not dry_run:
            await self._carry_out(tx, planned, found)
            for name, hashed in keys.items():
                await store.replace_key(tx, name, hashed)
        return planned

    async def exported(self, tx: Tx) -> list[IntegrationMessage]:
        """The part of all integrations that is kept in files, by name."""
        return [configured(integration) for integration in await store.integrations(tx)]

    async def _carry_out(self, tx: Tx, planned: Sequence[Change], found: dict[str, IntegrationMessage]) -> None:
        for change in planned:
            if change.action in (Change.ACTION_CREATED, Change.ACTION_UPDATED):
                await store.save_integration(tx, integration_of(found[change.name], self._clock.now()))
            elif change.action == Change.ACTION_DELETED:
                await store.delete_integration(tx, change.name)
        tx.after_commit(self._forget)

    def _forget(self) -> None:
        self._generation += 1
        self._by_key.clear()


def _with_key(change: Change, keys: Mapping[str, bytes]) -> Change:
    """The change, and that it gets another key. Keys themselves are shown nowhere."""
    if change.name not in keys:
        return change
    told = Change(kind=change.kind, name=change.name, action=change.action, fields=change.fields)
    if told.action == Change.ACTION_UNCHANGED:
        told.action = Change.ACTION_UPDATED
    if told.action == Change.ACTION_UPDATED:
        told.fields.append(FieldChange(path="key", before="", after='"(another one)"'))
    return told


def _place(name: str) -> Place:
    return Place("integration", "secrets", name)
