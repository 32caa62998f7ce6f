"""Rules of noise as protobuf messages, and back. What cannot be is refused by the name of its field."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from tocsin.detection.v1 import alert_pb2, noise_pb2

from tocsin_detection.hold import Hold, HoldKind
from tocsin_detection.noise.frequency import Flapping, Threshold
from tocsin_detection.noise.inhibition import Inhibition
from tocsin_detection.noise.matcher import read_all
from tocsin_detection.noise.rules import NoiseRule, SilencePolicy
from tocsin_detection.noise.silence import Silence, State, Wanted
from tocsin_detection.noise.storm import StormRule
from tocsin_detection.noise.window import Occurrence, Window, check, on_the_wall, zone_of
from tocsin_detection.signal import storable
from tocsin_detection.wire import timestamp
from tocsin_kernel.errors import Invalid

INHIBITION, NOISE_RULE, WINDOW = "Inhibition", "NoiseRule", "MaintenanceWindow"
STATES = {
    State.PENDING: noise_pb2.Silence.STATE_PENDING,
    State.ACTIVE: noise_pb2.Silence.STATE_ACTIVE,
    State.EXPIRED: noise_pb2.Silence.STATE_EXPIRED,
}
KINDS = {kind: alert_pb2.Hold.Kind.Value(f"KIND_{kind}") for kind in HoldKind}


class RuleInvalid(Invalid):
    """`field` names what to mend."""

    reason = "NOISE_RULE_INVALID"


def silence_message(silence: Silence, now: datetime, held: int = 0) -> noise_pb2.Silence:
    return noise_pb2.Silence(
        id=silence.id,
        matchers=[str(matcher) for matcher in silence.matchers],
        starts_at=timestamp(silence.starts_at),
        ends_at=timestamp(silence.ends_at),
        created_by=silence.created_by,
        comment=silence.comment,
        state=STATES[silence.state(now)],
        updated_at=timestamp(silence.updated_at),
        held=held,
    )


def wanted_silence(message: noise_pb2.Silence) -> Wanted:
    """Raises MatcherInvalid, RuleInvalid."""
    starts_at = instant(message.starts_at, "silence.starts_at") if message.HasField("starts_at") else None
    ends_at = instant(message.ends_at, "silence.ends_at")
    return Wanted(read_all(message.matchers, "silence.matchers"), starts_at, ends_at, storable(message.comment))


def window_of(message: noise_pb2.MaintenanceWindow, field: str, now: datetime, by: str = "") -> Window:
    """The window; with `by` it is somebody's, otherwise kept in files. Raises MatcherInvalid, WindowInvalid."""
    window = Window(
        name=message.name,
        description=storable(message.description),
        services=tuple(map(storable, message.services)),
        matchers=read_all(message.matchers, f"{field}.matchers"),
        zone=zone_of(message.zone, f"{field}.zone"),
        starts_at=on_the_wall(message.starts_at, f"{field}.starts_at"),
        length=message.length.ToTimedelta(),
        recurrence=message.recurrence.strip(),
        created_by=by,
        created_at=now,
        kept_in_files=not by,
    )
    check(window, field)
    return window


def window_message(window: Window) -> noise_pb2.MaintenanceWindow:
    return noise_pb2.MaintenanceWindow(
        name=window.name,
        description=window.description,
        services=window.services,
        matchers=[str(matcher) for matcher in window.matchers],
        zone=window.zone,
        starts_at=window.starts_at.isoformat(timespec="minutes" if not window.starts_at.second else "seconds"),
        length=duration(window.length),
        recurrence=window.recurrence,
    )


def planned_message(window: Window, occurrences: Sequence[Occurrence]) -> noise_pb2.PlannedMaintenance:
    times = [noise_pb2.Occurrence(starts_at=timestamp(each.starts_at), ends_at=timestamp(each.ends_at)) for each in occurrences]
    return noise_pb2.PlannedMaintenance(
        window=window_message(window),
        created_by=window.created_by,
        created_at=timestamp(window.created_at),
        kept_in_files=window.kept_in_files,
        occurrences=times,
    )


def inhibition_of(message: noise_pb2.Inhibition, field: str) -> Inhibition:
    """Raises MatcherInvalid."""
    return Inhibition(
        name=message.name,
        description=storable(message.description),
        sources=read_all(message.source_matchers, f"{field}.source_matchers"),
        targets=read_all(message.target_matchers, f"{field}.target_matchers"),
        equal=tuple(map(storable, message.equal)),
    )


def noise_rule_of(message: noise_pb2.NoiseRule, field: str) -> NoiseRule:
    """Raises MatcherInvalid, RuleInvalid."""
    name, description = message.name, storable(message.description)
    matchers = read_all(message.matchers, f"{field}.matchers")
    match message.WhichOneof("sort"):
        case "flapping":
            within = message.flapping.within.ToTimedelta()
            calm = message.flapping.calm_after.ToTimedelta() if message.flapping.HasField("calm_after") else within / 2
            return Flapping(name, description, matchers, message.flapping.openings, within, calm)
        case "threshold":
            return Threshold(name, description, matchers, message.threshold.occurrences, message.threshold.within.ToTimedelta())
        case "storm":
            if any(matcher.name != "integration" for matcher in matchers):
                raise RuleInvalid(field=f"{field}.matchers", detail="a flood is an integration's: name nothing else than integration")
            release = message.storm.release_after.ToTimedelta() if message.storm.HasField("release_after") else None
            return StormRule(name, description, matchers, message.storm.alerts, message.storm.within.ToTimedelta(), release)
        case "silences":
            if matchers:
                raise RuleInvalid(field=f"{field}.matchers", detail="a policy is about all silences: leave matchers out")
            notice = message.silences.notice.ToTimedelta() if message.silences.HasField("notice") else None
            return SilencePolicy(name, description, message.silences.longest.ToTimedelta(), notice)
        case _:
            raise RuleInvalid(field=f"{field}.sort", detail="is missing; give one of flapping, threshold, storm, silences")


def definition_of(message: Message) -> dict[str, Any]:
    """The message as it is stored, without what the database does not take."""
    definition: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return definition


def inhibition_message(definition: dict[str, Any]) -> noise_pb2.Inhibition:
    return json_format.ParseDict(definition, noise_pb2.Inhibition(), ignore_unknown_fields=True)


def noise_rule_message(definition: dict[str, Any]) -> noise_pb2.NoiseRule:
    return json_format.ParseDict(definition, noise_pb2.NoiseRule(), ignore_unknown_fields=True)


def hold_message(hold: Hold) -> alert_pb2.Hold:
    return alert_pb2.Hold(
        kind=KINDS[hold.kind],
        rule=hold.rule,
        by=hold.by,
        reason=hold.reason,
        since=timestamp(hold.since),
        until=timestamp(hold.until),
    )


def duration(length: timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(length)
    return message


def instant(message: Timestamp, field: str) -> datetime:
    """The instant. Raises RuleInvalid."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise RuleInvalid(field=field, detail="it is not an instant between the years 1 and 9999") from error
