"""Alerts that are written together are read as each was."""

from datetime import timedelta

import pytest
from detection_words import NOON, CountedIds, signal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tocsin_chassis.postgres.database import postgres
from tocsin_detection import store
from tocsin_detection.alert import Alert, observe
from tocsin_detection.hold import Hold, HoldKind

TEXTS = st.sampled_from(["", "a", 'b "of" {c}, \\ ', "ü"])
# Equal to Python, and not the same in JSON.
FIELDS = st.sampled_from([{}, {"seen": True}, {"seen": 1}])
ENDS = st.sampled_from([None, NOON, NOON + timedelta(microseconds=1)])
TAGS = st.sampled_from([(), ("x",), ("x", "y {}")])
HOLDS = st.sampled_from([(), (Hold(HoldKind.SILENCE, "s", "eva", "quiet", NOON),)])
IDS = CountedIds()


def an_alert(title: str, service: str, fields: dict[str, object], tags: tuple[str, ...]) -> Alert:
    said = signal(title=title, service=service, labels={"a": title}, sender_fields=fields, tags=tags)
    alert = observe(None, said, NOON, IDS).alert
    assert alert is not None
    return alert


ALERTS = st.builds(
    lambda alert, ends_at, told, holds: replace(alert, ends_at=ends_at, told=told, holds=holds),
    st.builds(an_alert, TEXTS, TEXTS, FIELDS, TAGS),
    ENDS,
    st.booleans(),
    HOLDS,
)


@pytest.fixture
async def database(world):
    async with postgres(world.servers.postgres_url(world.database, "tocsin_detection"), "detection") as opened:
        yield opened


class Undone(Exception):
    """So that the next example finds nothing."""


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alerts=st.lists(ALERTS, min_size=1, max_size=5))
async def test_alerts_that_are_written_together_are_read_as_each_was(database, alerts):
    things = [
        replace(alert, id=f"00000000-0000-7000-8000-{number:012d}", fingerprint=f"thing {number}") for number, alert in enumerate(alerts)
    ]
    with pytest.raises(Undone):
        async with database.transaction() as tx:
            await store.insert_alerts(tx, things)
            found = await store.lock_open_alerts(tx, things[0].integration, [alert.fingerprint for alert in things])
            assert [replace(alert, tiny_id=0) for alert in found] == things
            assert [type(alert.sender_fields.get("seen")) for alert in found] == [type(alert.sender_fields.get("seen")) for alert in things]
            raise Undone


async def test_one_that_another_has_just_opened_is_tried_again(database):
    first = replace(an_alert("a", "b", {}, ()), id="00000000-0000-7000-8000-000000000001")
    with pytest.raises(store.Contended):
        async with database.transaction() as tx:
            await store.insert_alerts(tx, [first])
            await store.insert_alerts(tx, [replace(first, id="00000000-0000-7000-8000-000000000002")])
