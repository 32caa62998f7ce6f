"""Words of obligations between protobuf and the domain."""

from datetime import date, datetime, time
from typing import Any
from zoneinfo import available_timezones

import holidays
from google.protobuf import json_format
from tocsin.response.v1 import obligation_pb2 as pb

from tocsin_response.obligation.clocks import Clock
from tocsin_response.obligation.drafts import unknown_words
from tocsin_response.obligation.obligation import Obligation
from tocsin_response.obligation.regime import Cap, Circumstances, Duty, Regime, Span, Unit
from tocsin_response.oncall.wire import timestamp


def regime_of(given: pb.Regime) -> Regime:
    return Regime(
        name=given.name,
        duties=tuple(_duty_of(each) for each in given.duties),
        display_name=given.display_name,
        disabled=given.disabled,
        verify=given.verify,
        edition=given.edition,
        effective_from=date.fromisoformat(given.effective_from) if given.effective_from else None,
        zone=given.time_zone or "UTC",
        holidays=given.holidays,
        needs=frozenset(given.needs),
    )


def problems_of_regime(given: pb.Regime) -> list[tuple[str, str]]:
    """What is wrong with a regime by itself: field and what to mend."""
    found: list[tuple[str, str]] = []
    if given.time_zone and given.time_zone not in available_timezones():
        found.append(("time_zone", f"{given.time_zone} is no zone of the IANA database"))
    if given.effective_from and not _is_date(given.effective_from):
        found.append(("effective_from", "must be a day such as 2026-01-31"))
    if given.holidays and not _has_calendar(given.holidays):
        found.append(("holidays", f"there is no calendar of {given.holidays}; give a country (US) or a part of it (DE-BY)"))
    names = [duty.name for duty in given.duties]
    for number, duty in enumerate(given.duties):
        place = f"duties[{number}]"
        if names.index(duty.name) != number:
            found.append((f"{place}.name", f"{duty.name} is given twice"))
        if bool(duty.event) == bool(duty.after):
            found.append((f"{place}.event", "give either the event, or after which duty"))
        if duty.after and duty.after not in names[:number]:
            found.append((f"{place}.after", f"there is no duty {duty.after} before this one"))
        found += [(f"{place}.template", f"nothing is known for {{{{{word}}}}}") for word in unknown_words(duty.template)]
    return found


def circumstances_of(given: pb.Circumstances) -> Circumstances:
    return Circumstances(frozenset(given.traits), given.people if given.HasField("people") else None)


def circumstances_to_proto(known: Circumstances) -> pb.Circumstances:
    return pb.Circumstances(traits=sorted(known.traits), people=known.people)


def obligation_to_proto(kept: Obligation, now: datetime) -> pb.Obligation:
    return pb.Obligation(
        id=kept.id,
        incident_id=kept.incident_id,
        regime=kept.regime.name,
        edition=kept.regime.edition,
        duty=kept.duty.name,
        title=kept.duty.title,
        recipient=kept.recipient,
        citation=kept.duty.citation,
        verify=kept.regime.verify,
        state=pb.Obligation.State.Value(f"STATE_{kept.state.name}"),
        event=kept.event,
        started_at=timestamp(kept.started_at),
        due_at=timestamp(kept.due_at),
        explanation=kept.explanation,
        submitted_at=timestamp(kept.submitted_at),
        answered_by=kept.answered_by,
        reference=kept.reference,
        sha256=kept.sha256,
        reason=kept.reason,
        late=kept.is_late(now),
        paused_at=timestamp(kept.paused_at),
        pause_reason=kept.pause_reason,
        pause=kept.duty.pause,
    )


def made(id: str, incident_id: str, clock: Clock) -> Obligation:
    """The obligation of a clock that starts."""
    told = clock.deadline
    return Obligation(
        id, incident_id, clock.regime, clock.duty, clock.event, clock.started_at, told.at, told.explanation, clock.duty.recipient
    )


def regime_from_json(plain: dict[str, Any]) -> pb.Regime:
    found: pb.Regime = json_format.ParseDict(plain, pb.Regime(), ignore_unknown_fields=True)
    return found


def regime_to_json(given: pb.Regime) -> dict[str, Any]:
    found: dict[str, Any] = json_format.MessageToDict(given, preserving_proto_field_name=True)
    return found


def _duty_of(given: pb.RegimeDuty) -> Duty:
    cap = Cap(given.cap.event, _span(given.cap.within), given.cap.lapses) if given.HasField("cap") else None
    return Duty(
        name=given.name,
        title=given.title,
        recipient=given.recipient,
        citation=given.citation,
        event=given.event,
        after=given.after,
        within=_span(given.within) if given.HasField("within") else None,
        cap=cap,
        needs=frozenset(given.needs),
        at_least_people=given.at_least_people,
        at_most_people=given.at_most_people,
        day_ends_at=time.fromisoformat(given.day_ends_at) if given.day_ends_at else None,
        from_end_of_year=given.from_end_of_year,
        template=given.template,
        pause=given.pause,
    )


def _span(given: pb.Span) -> Span:
    return Span(given.amount, Unit[pb.Span.Unit.Name(given.unit).removeprefix("UNIT_")])


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _has_calendar(code: str) -> bool:
    nation, _, part = code.partition("-")
    try:
        holidays.country_holidays(nation, subdiv=part or None)
    except NotImplementedError:
        return False
    return True
