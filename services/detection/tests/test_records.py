"""Alerts that are written together say what they would say alone."""

import orjson
from detection_words import NOON, CountedIds, signal
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from tocsin_detection import store
from tocsin_detection.alert import Alert, observe

TEXTS = st.sampled_from(["", "a", "b"])
# Equal to Python, and not the same in JSON.
FIELDS = st.sampled_from([{}, {"seen": True}, {"seen": 1}])


def an_alert(title: str, service: str, fields: dict[str, object], told: bool) -> Alert:
    alert = observe(None, signal(title=title, service=service, labels={"a": title}, sender_fields=fields), NOON, CountedIds()).alert
    assert alert is not None
    return replace(alert, told=told)


@given(st.lists(st.builds(an_alert, TEXTS, TEXTS, FIELDS, st.booleans()), min_size=1, max_size=5))
def test_the_first_and_what_others_say_otherwise_are_all_of_each(alerts: list[Alert]) -> None:
    first, rows = (orjson.loads(text) for text in store._records(alerts))
    whole = [orjson.dumps({**first, **row}) for row in rows]
    assert whole == [orjson.dumps(asdict(alert)) for alert in alerts]
