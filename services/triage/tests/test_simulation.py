"""What if: alerts of the past are placed by other services and routes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_triage.catalogue import BUILT_IN, Catalogue, Route, Service
from tocsin_triage.correlation import Alert
from tocsin_triage.incident import Severity
from tocsin_triage.simulation import Came, Played, Replay

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SHOP = Service("shop", escalation_policy="shop-policy")
BY_CLUSTER = replace(SHOP, group_by=("cluster",))
DEFAULT = (SHOP, BUILT_IN)


def catalogue(*services: Service, routes: Sequence[Route] = ()) -> Catalogue:
    return Catalogue({service.name: service for service in services}, routes)


def came(number: int, **changed: object) -> Came:
    return replace(Came(number, "Disk", "shop", Severity.SEV3, "shop-policy", NOON, "why"), **changed)  # type: ignore[arg-type]


def played(name: str, start: float | None, end: float | None, into: Came | None = None, cluster: str = "a") -> Played:
    """Minutes from noon; `start` None: it would not have woken anybody."""
    labels = {"alertname": name, "cluster": cluster}
    alert = Alert(f"{name}-{start}", 1, name, "", "prometheus", labels, "", "shop", "", end is None)
    return Played(alert, into, *(None if at is None else NOON + at * MINUTE for at in (start, end)))


def replayed(placed_by: Catalogue, *alerts: Played) -> Replay:
    replay = Replay(placed_by)
    for each in alerts:
        replay.play(each)
    return replay


def summaries(replay: Replay) -> list[str]:
    return [each.summary for each in replay.differences()]


def test_by_the_same_services_nothing_differs() -> None:
    replay = replayed(catalogue(*DEFAULT), played("Disk", 0, 5, came(1)), played("Disk", 6, None, came(2)))
    assert (replay.did_open, replay.would_open, replay.moved) == (2, 2, 0)
    assert summaries(replay) == []


def test_what_was_several_incidents_would_have_been_one() -> None:
    replay = replayed(catalogue(BY_CLUSTER, BUILT_IN), played("Disk", 0, 9, came(1)), played("Cpu", 1, 3, came(2)))
    [difference] = replay.differences()
    assert difference.summary == "2 incidents would have been one"
    assert [each.number for each in difference.did] == [1, 2] and difference.would[0].alerts == 2


def test_what_was_one_incident_would_have_been_several() -> None:
    apart = catalogue(replace(SHOP, group_by=("alertname", "cluster")), BUILT_IN)
    replay = replayed(apart, played("Disk", 0, 9, came(1)), played("Disk", 1, 9, came(1), cluster="b"))
    assert summaries(replay) == ["one incident would have been 2"]


def test_an_incident_that_is_over_gathers_nothing_more() -> None:
    assert replayed(catalogue(*DEFAULT), played("Disk", 0, 5), played("Disk", 5, 6)).would_open == 2
    assert replayed(catalogue(*DEFAULT), played("Disk", 0, 5), played("Disk", 4, 6), played("Disk", 5, None)).would_open == 1


def test_a_route_moves_alerts_and_says_who_would_have_been_asked() -> None:
    route = Route("disks", 0, {"alertname": "Disk"}, "storage", Severity.SEV1)
    placed_by = catalogue(*DEFAULT, Service("storage"), routes=[route])
    replay = replayed(placed_by, played("Disk", 0, 5, came(1)))
    assert summaries(replay) == ["storage instead of shop; SEV1 instead of SEV3; the platform's fallback instead of the policy shop-policy"]
    assert replay.moved == 1
    judged = replayed(placed_by, played("Disk", 0, 5, came(1, service="storage", escalation_policy="", judged=True)))
    assert summaries(judged) == []


@pytest.mark.parametrize(
    ("alert", "summary"),
    [
        (played("Disk", 0, 5), "nobody was woken; an incident would have opened"),
        (played("Disk", None, 5, came(1)), "nobody would have been woken"),
    ],
)
def test_what_would_not_have_been_at_all(alert: Played, summary: str) -> None:
    assert summaries(replayed(catalogue(*DEFAULT), alert)) == [summary]


ALERTS = st.lists(
    st.builds(
        lambda name, start, length, number, wakes: played(
            name, start if wakes else None, None if length is None else start + length, None if number is None else came(number)
        ),
        st.sampled_from(["Disk", "Cpu"]),
        st.integers(0, 60),
        st.none() | st.integers(1, 30),
        st.none() | st.integers(1, 4),
        st.booleans(),
    ),
    max_size=20,
).map(lambda alerts: sorted(alerts, key=lambda each: each.wakes_at or NOON))


@given(ALERTS)
def test_every_incident_of_either_side_is_told_once_and_no_alert_is_lost(alerts: list[Played]) -> None:
    replay = replayed(catalogue(BY_CLUSTER, BUILT_IN), *alerts)
    assert sum(each.alerts for did, _ in replay._together() for each in did) == sum(each.came is not None for each in alerts)
    assert sum(each.alerts for _, would in replay._together() for each in would) == sum(each.wakes_at is not None for each in alerts)
    numbers = [each.number for did, _ in replay._together() for each in did]
    assert len(numbers) == len(set(numbers)) == replay.did_open
    assert sum(len(would) for _, would in replay._together()) == replay.would_open
