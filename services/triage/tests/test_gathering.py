"""Alerts that open at once: together they do what they would do one after the other."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from tocsin_triage.catalogue import BUILT_IN, Catalogue, Service
from tocsin_triage.correlation import Alert, place
from tocsin_triage.gathering import Arrival, Group, first_of_groups, gather
from tocsin_triage.incident import AttachedAlert, Incident, Opened, State

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
CATALOGUE = Catalogue({service.name: service for service in (Service("shop"), Service("bank"), BUILT_IN)}, ())

alerts = st.lists(
    st.tuples(st.sampled_from(("shop", "bank")), st.sampled_from(("Disk", "Load")), st.sampled_from(("critical", "info"))), max_size=12
)


def arrival(number: int, service: str, name: str, severity: str) -> Arrival:
    alert = Alert(f"a{number}", 1, f"{name} {number}", "", "prometheus", {"alertname": name}, severity, service, "", True)
    found = place(alert, CATALOGUE)
    return Arrival(alert, found, AttachedAlert(alert.id, alert.title, True, NOON, found.reason, "", 1))


def opening(group: Group, first: Arrival) -> Incident:
    return Incident(":".join(group), 1, first.alert.title, "", State.OPEN, first.place.severity, group[0], group[1], "", "", NOON)


@given(alerts, st.integers(0, 12))
def test_a_batch_does_what_its_parts_would_do(given_alerts: list[tuple[str, str, str]], cut: int) -> None:
    arrivals = [arrival(number, *each) for number, each in enumerate(given_alerts)]
    new = {group: opening(group, first) for group, first in first_of_groups(arrivals).items()}
    together = gather(arrivals, {}, new)
    before = gather(arrivals[:cut], {}, new)
    gathering = {each.group: decision.state for each, decision in zip(arrivals[:cut], before, strict=True)}
    assert together == [*before, *gather(arrivals[cut:], gathering, new)]


def test_the_first_of_a_group_opens_and_the_others_join_and_make_it_worse() -> None:
    arrivals = [arrival(1, "shop", "Disk", "info"), arrival(2, "bank", "Disk", "info"), arrival(3, "shop", "Disk", "critical")]
    new = {group: opening(group, first) for group, first in first_of_groups(arrivals).items()}
    shop, bank, worse = gather(arrivals, {}, new)
    assert [type(fact) for fact in (*shop.facts, *bank.facts)] == [Opened, Opened]
    assert [type(fact).__name__ for fact in worse.facts] == ["Attached", "SeverityChanged"]
    assert (worse.state.alert_count, worse.state.version, worse.state.severity) == (2, 3, arrivals[2].place.severity)
    assert worse.state == replace(shop.state, alert_count=2, open_alert_count=2, version=3, severity=arrivals[2].place.severity)
