"""Events start clocks; clocks remind people until somebody says what came of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from tocsin.response.v1.obligation_pb2 import Regime as RegimeMessage
from tocsin.triage.v1.incident_pb2 import Incident, Severity

from tocsin_chassis.paging import decode, encode, page_size, refused
from tocsin_chassis.postgres.database import Database, Tx
from tocsin_kernel.clock import Clock
from tocsin_kernel.errors import Invalid
from tocsin_kernel.ids import Ids
from tocsin_response.escalation import store as escalations
from tocsin_response.evidence.custody import Custody
from tocsin_response.obligation import clocks, facts, store, wire
from tocsin_response.obligation.clocks import days_of
from tocsin_response.obligation.deadlines import deadline, reminders
from tocsin_response.obligation.drafts import filled
from tocsin_response.obligation.obligation import NotYoursToWaive, Obligation, ObligationNotFound, State, Submission
from tocsin_response.obligation.regime import Circumstances
from tocsin_response.obligation.shipped import in_force
from tocsin_response.obligation.store import Happened

CLASSIFIED = "classified-"
BATCH = 100
EVERY_DAY = timedelta(days=1)
LATE = 100
# How far the clock of whoever enters something may be ahead.
SKEW = timedelta(minutes=5)
# Whoever has one of these roles in an incident answers for its obligations.
ANSWERING = ("legal", "commander")


class Roles(Protocol):
    """Asks who has which role in an incident."""

    async def holders(self, tx: Tx, incident_id: str, roles: Sequence[str]) -> set[str]:
        """The responders who have one of these roles now, by name."""
        ...


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event to enter. Without `at` it is now."""

    incident_id: str
    event: str
    at: datetime | None
    known: Circumstances
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of obligations; for one incident with its events and circumstances."""

    obligations: list[Obligation]
    token: str
    events: list[Happened]
    known: Circumstances


class Obligations:
    """The obligations of incidents."""

    def __init__(self, database: Database, clock: Clock, ids: Ids, custody: Custody, roles: Roles) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._custody = custody
        self._roles = roles

    async def record(self, tx: Tx, what: Occurrence) -> list[Obligation]:
        """Enter an event; returns the clocks that started or were counted anew. Raises Invalid."""
        now = self._clock.now()
        at = self._not_to_come(what.at or now)
        version = await store.lock_incident(tx, what.incident_id)
        known = (await store.circumstances(tx, what.incident_id)).joined(what.known)
        await store.save_circumstances(tx, what.incident_id, known)
        await store.save_event(tx, what.incident_id, Happened(what.event, at, what.by, now, what.reason))
        events = {each.event: each.at for each in await store.events_of(tx, what.incident_id)}
        moved = await self._count_anew(tx, what.incident_id, events, version)
        regimes = await self._regimes(tx)
        started: list[Obligation] = []
        # What became known of the incident may make earlier events start more.
        for event in events:
            found = clocks.by_event([wire.regime_of(each) for each in regimes.values()], event, events, known)
            started += await self._start(tx, what.incident_id, found.clocks, regimes, version)
        return [*started, *moved]

    async def classify(self, tx: Tx, what: Occurrence) -> list[Obligation]:
        """Enter a classification; `what.event` is the class. Clocks of another one that run are withdrawn. Raises Invalid."""
        event = CLASSIFIED + what.event
        version = await store.lock_incident(tx, what.incident_id)
        withdrawn: list[Obligation] = []
        for happened in await store.events_of(tx, what.incident_id):
            if happened.event.startswith(CLASSIFIED) and happened.event != event:
                await store.delete_event(tx, what.incident_id, happened.event)
                why = f"classified as {what.event}: {what.reason}"
                withdrawn += await self._withdraw(tx, what.incident_id, happened.event, what.by, why, version)
        entered = Occurrence(what.incident_id, event, what.at, what.known, what.by, what.reason)
        return [*await self.record(tx, entered), *withdrawn]

    async def submit(self, tx: Tx, obligation_id: str, by: str, submission: Submission) -> tuple[Obligation, list[Obligation]]:
        """It was done; returns it and the clocks that follow.

        Raises ObligationNotFound, NotRunning, LatenessNeedsReason, EvidenceNotFound, Invalid.
        """
        self._not_to_come(submission.at)
        kept, version = await self._locked(tx, obligation_id)
        done = kept.submit(by, await self._proven(tx, kept, submission)).state
        await self._answer(tx, done, version)
        known = await store.circumstances(tx, kept.incident_id)
        events = {each.event: each.at for each in await store.events_of(tx, kept.incident_id)}
        following = clocks.after(kept.regime, kept.duty.name, submission.at, events, known)
        regimes = {kept.regime.name: wire.regime_from_json(await store.regime_json(tx, kept.id))}
        return done, await self._start(tx, kept.incident_id, following, regimes, version)

    async def _proven(self, tx: Tx, kept: Obligation, submission: Submission) -> Submission:
        """With the hash of the evidence that it names. Raises EvidenceNotFound, Invalid."""
        if not submission.evidence_id:
            return submission
        item = await self._custody.item(tx, kept.incident_id, submission.evidence_id)
        if submission.sha256 and submission.sha256 != item.sha256:
            raise Invalid(field="sha256", detail=f"is not the hash of evidence {item.id}, which is {item.sha256}")
        return replace(submission, sha256=item.sha256)

    async def waive(self, tx: Tx, obligation_id: str, by: str, reason: str, *, manages: bool) -> Obligation:
        """It need not be done. Raises ObligationNotFound, NotRunning, NotYoursToWaive."""
        kept, version = await self._to_answer(tx, obligation_id, by, manages)
        waived = kept.waive(by, reason).state
        await self._answer(tx, waived, version)
        return waived

    async def pause(self, tx: Tx, obligation_id: str, by: str, reason: str, *, manages: bool) -> Obligation:
        """Its clock stands still. Raises ObligationNotFound, NotRunning, NotPausable, NotYoursToWaive."""
        kept, version = await self._to_answer(tx, obligation_id, by, manages)
        paused, now = kept.pause(reason, self._clock.now()).state, self._clock.now()
        if paused != kept:
            await store.save_obligation(tx, paused)
            await store.set_reminders(tx, paused.id, [])
            tx.emit(facts.paused(paused, by, now), aggregate=paused.incident_id, version=version)
        return paused

    async def resume(self, tx: Tx, obligation_id: str, by: str, reason: str, *, manages: bool) -> Obligation:
        """Its clock goes on. Raises ObligationNotFound, NotRunning, NotYoursToWaive."""
        kept, version = await self._to_answer(tx, obligation_id, by, manages)
        now = self._clock.now()
        resumed = kept.resume(now).state
        if resumed != kept and resumed.due_at is not None:
            await store.save_obligation(tx, resumed)
            await store.set_reminders(tx, resumed.id, reminders(resumed.started_at, resumed.due_at, now))
            tx.emit(facts.resumed(resumed, by, reason, now), aggregate=resumed.incident_id, version=version)
        return resumed

    async def remind_due(self) -> int:
        """Tell of the clocks of which part of the time is over; those that are late again every day."""
        async with self._database.transaction() as tx:
            now = self._clock.now()
            due = await store.take_reminders(tx, now, BATCH)
            for reminder in due:
                kept = await store.load_obligation(tx, reminder.obligation_id)
                if kept is None or kept.state is not State.RUNNING:
                    continue
                version = await store.lock_incident(tx, kept.incident_id)
                remind = await self._whom(tx, kept.incident_id)
                tx.emit(facts.due(kept, reminder.percent, remind, now), aggregate=kept.incident_id, version=version)
                if reminder.percent >= LATE:
                    await store.add_reminder(tx, kept.id, LATE, now + EVERY_DAY)
        return len(due)

    async def listed(self, incident_id: str, running_only: bool, size: int, token: str) -> Listed:
        """A page of obligations, the newest first."""
        limit = page_size(size)
        before = _id(decode(token, 1)[0]) if token else None
        async with self._database.transaction(plans_anew=True) as tx:
            found = await store.list_obligations(tx, incident_id or None, running_only, before, limit + 1)
            events = await store.events_of(tx, incident_id) if incident_id else []
            known = await store.circumstances(tx, incident_id) if incident_id else Circumstances()
        return Listed(found[:limit], encode(found[limit - 1].id) if len(found) > limit else "", events, known)

    async def preview(
        self, incident_id: str, given: Mapping[str, datetime | None], more: Circumstances
    ) -> tuple[list[Obligation], list[str]]:
        """What would start if these events were entered, and what would not and why. Nothing is kept."""
        async with self._database.transaction() as tx:
            regimes = [wire.regime_of(each) for each in (await self._regimes(tx)).values()]
            known = (await store.circumstances(tx, incident_id) if incident_id else Circumstances()).joined(more)
            entered = {each.event: each.at for each in await store.events_of(tx, incident_id)} if incident_id else {}
        now = self._clock.now()
        events = {**entered, **{event: at or now for event, at in given.items()}}
        found = [clocks.by_event(regimes, event, events, known) for event in events]
        started = [wire.made("", incident_id, clock) for each in found for clock in each.clocks]
        started.sort(key=lambda each: (each.due_at is None, each.due_at or now, each.regime.name, each.duty.name))
        return started, [said for each in found for said in each.passed_over]

    async def draft(self, obligation_id: str) -> str:
        """The text to begin a submission with. Raises ObligationNotFound."""
        async with self._database.transaction() as tx:
            kept = await store.load_obligation(tx, obligation_id)
            if kept is None:
                raise ObligationNotFound(obligation=obligation_id)
            incident = await _incident(tx, kept.incident_id)
            known = await store.circumstances(tx, kept.incident_id)
            evidence = (await self._custody.gathered(tx, kept.incident_id)).count
        return filled(kept.duty.template, _words(kept, incident, known, evidence, self._clock.now()))

    async def regimes(self) -> list[RegimeMessage]:
        """All, by name."""
        async with self._database.transaction() as tx:
            return list((await self._regimes(tx)).values())

    async def running(self, tx: Tx, incident_id: str) -> list[Obligation]:
        """Those of an incident whose clock runs: for criteria of phases."""
        return await store.running_of(tx, incident_id)

    async def _regimes(self, tx: Tx) -> dict[str, RegimeMessage]:
        return in_force(wire.regime_from_json(plain) for plain in await store.own_regimes(tx))

    async def _start(
        self, tx: Tx, incident_id: str, found: Iterable[clocks.Clock], regimes: Mapping[str, RegimeMessage], version: int
    ) -> list[Obligation]:
        started: list[Obligation] = []
        for clock in found:
            kept = wire.made(self._ids.new(), incident_id, clock)
            if await store.insert_obligation(tx, kept, wire.regime_to_json(regimes[clock.regime.name])):
                await self._run(tx, kept, version)
                started.append(kept)
        return started

    async def _count_anew(self, tx: Tx, incident_id: str, events: Mapping[str, datetime], version: int) -> list[Obligation]:
        moved: list[Obligation] = []
        for kept in await store.running_of(tx, incident_id):
            start = events.get(kept.event, kept.started_at)
            told = deadline(kept.duty, start, events, days_of(kept.regime.zone, kept.regime.holidays))
            again = kept.counted(start, told)
            if again != kept:
                await store.save_obligation(tx, again)
                await self._run(tx, again, version)
                moved.append(again)
        return moved

    async def _run(self, tx: Tx, kept: Obligation, version: int) -> None:
        now = self._clock.now()
        at = reminders(kept.started_at, kept.due_at, now) if kept.due_at is not None and kept.paused_at is None else []
        await store.set_reminders(tx, kept.id, at)
        tx.emit(facts.started(kept, now), aggregate=kept.incident_id, version=version)

    async def _answer(self, tx: Tx, kept: Obligation, version: int) -> None:
        await store.save_obligation(tx, kept)
        await store.set_reminders(tx, kept.id, [])
        tx.emit(facts.answered(kept, self._clock.now()), aggregate=kept.incident_id, version=version)

    async def _withdraw(self, tx: Tx, incident_id: str, event: str, by: str, why: str, version: int) -> list[Obligation]:
        withdrawn = [kept.withdraw(by, why).state for kept in await store.running_of(tx, incident_id) if kept.event == event]
        for kept in withdrawn:
            await self._answer(tx, kept, version)
        return withdrawn

    async def _to_answer(self, tx: Tx, obligation_id: str, by: str, manages: bool) -> tuple[Obligation, int]:
        """Locked, for whoever answers for the incident's obligations. Raises ObligationNotFound, NotYoursToWaive."""
        kept, version = await self._locked(tx, obligation_id)
        if not manages and by not in await self._roles.holders(tx, kept.incident_id, ANSWERING):
            raise NotYoursToWaive(caller=by)
        return kept, version

    async def _locked(self, tx: Tx, obligation_id: str) -> tuple[Obligation, int]:
        found = await store.load_obligation(tx, obligation_id)
        if found is None:
            raise ObligationNotFound(obligation=obligation_id)
        version = await store.lock_incident(tx, found.incident_id)
        again = await store.load_obligation(tx, obligation_id)
        assert again is not None
        return again, version

    async def _whom(self, tx: Tx, incident_id: str) -> list[str]:
        incident = await _incident(tx, incident_id)
        taken = [incident.acknowledged_by] if incident is not None and incident.acknowledged_by else []
        answering = sorted(await self._roles.holders(tx, incident_id, ANSWERING))
        return list(dict.fromkeys([*answering, *taken, *(each.recorded_by for each in await store.events_of(tx, incident_id))]))

    def _not_to_come(self, at: datetime) -> datetime:
        if at > self._clock.now() + SKEW:
            raise Invalid(field="at", detail="must not lie in the future")
        return at


async def _incident(tx: Tx, incident_id: str) -> Incident | None:
    copy = await escalations.lock_copy(tx, incident_id)
    return Incident.FromString(copy.incident) if copy is not None else None


def _words(kept: Obligation, incident: Incident | None, known: Circumstances, evidence: int, now: datetime) -> dict[str, str]:
    about = incident or Incident()
    severity = Severity.Name(about.severity).removeprefix("SEVERITY_") if about.severity in Severity.values() else ""
    return {
        "incident.number": str(about.number or ""),
        "incident.title": about.title,
        "incident.service": about.service,
        "incident.severity": severity if about.severity else "",
        "incident.opened_at": f"{about.opened_at.ToDatetime():%Y-%m-%d %H:%M} UTC" if about.HasField("opened_at") else "",
        "obligation.title": kept.duty.title,
        "obligation.recipient": kept.recipient,
        "obligation.citation": kept.duty.citation,
        "obligation.started_at": f"{kept.started_at:%Y-%m-%d %H:%M} UTC ({kept.event})",
        "obligation.due_at": f"{kept.due_at:%Y-%m-%d %H:%M} UTC" if kept.due_at else "without undue delay",
        "people": str(known.people) if known.people is not None else "",
        "traits": ", ".join(sorted(known.traits)),
        "evidence": f"{evidence} items",
        "now": f"{now:%Y-%m-%d %H:%M} UTC",
    }


def _id(token: str) -> str:
    try:
        return str(UUID(token))
    except ValueError:
        raise refused() from None
