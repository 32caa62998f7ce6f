"""Heartbeats as protobuf messages, and back."""

from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from tocsin.detection.v1.heartbeat_pb2 import Heartbeat as HeartbeatMessage

from tocsin_detection.heartbeat.heartbeat import Heartbeat, State, Unit
from tocsin_detection.signal import storable
from tocsin_detection.wire import timestamp

UNITS = {Unit.MINUTES: HeartbeatMessage.UNIT_MINUTES, Unit.HOURS: HeartbeatMessage.UNIT_HOURS, Unit.DAYS: HeartbeatMessage.UNIT_DAYS}
GIVEN_UNITS = {HeartbeatMessage.UNIT_UNSPECIFIED: Unit.MINUTES} | {message: unit for unit, message in UNITS.items()}
STATES = {
    State.NEVER_PINGED: HeartbeatMessage.STATE_NEVER_PINGED,
    State.ALIVE: HeartbeatMessage.STATE_ALIVE,
    State.LATE: HeartbeatMessage.STATE_LATE,
    State.DISABLED: HeartbeatMessage.STATE_DISABLED,
}


def heartbeat_message(heartbeat: Heartbeat) -> HeartbeatMessage:
    """The heartbeat as it is shown."""
    shown = HeartbeatMessage(
        state=STATES[heartbeat.state],
        created_at=timestamp(heartbeat.created_at),
        last_ping_at=timestamp(heartbeat.last_ping_at),
        due_at=timestamp(heartbeat.due_at),
        late_since=timestamp(heartbeat.late_since),
    )
    shown.MergeFrom(configured(heartbeat))
    return shown


def configured(heartbeat: Heartbeat) -> HeartbeatMessage:
    """The part of a heartbeat that is kept in files."""
    grace = None
    if heartbeat.grace:
        grace = Duration()
        grace.FromTimedelta(heartbeat.grace)
    return HeartbeatMessage(
        name=heartbeat.name,
        integration=heartbeat.integration,
        description=heartbeat.description,
        interval=heartbeat.every,
        unit=UNITS[heartbeat.unit],
        grace=grace,
        disabled=heartbeat.disabled,
        service=heartbeat.service,
        owner_team=heartbeat.owner_team,
        alert_message=heartbeat.alert_message,
        alert_tags=heartbeat.alert_tags,
        alert_priority=heartbeat.alert_priority,
    )


def heartbeat_of(message: HeartbeatMessage, created_at: datetime) -> Heartbeat:
    """The wanted heartbeat; what is output only in the message is ignored."""
    return Heartbeat(
        name=message.name,
        integration=storable(message.integration),
        every=message.interval,
        unit=GIVEN_UNITS[message.unit],
        created_at=created_at,
        grace=message.grace.ToTimedelta(),
        description=storable(message.description),
        service=storable(message.service),
        owner_team=storable(message.owner_team),
        alert_message=storable(message.alert_message),
        alert_tags=tuple(storable(tag) for tag in message.alert_tags),
        alert_priority=storable(message.alert_priority),
        disabled=message.disabled,
    )
