"""Where alerts belong, and why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_triage.catalogue import BUILT_IN, Catalogue, Route, Service, in_order
from tocsin_triage.correlation import Alert, declared_place, place
from tocsin_triage.incident import Severity

SHOP = Service("shop", escalation_policy="shop-policy", team="sales")
BANK = Service("bank", group_by=("cluster", "job"))
CATALOGUE = Catalogue({service.name: service for service in (SHOP, BANK, BUILT_IN)}, ())
ALERT = Alert("a1", 1, "Disk is full", "", "prometheus", {"alertname": "DiskFull"}, "", "", "", True)


def routed(*routes: Route) -> Catalogue:
    return replace(CATALOGUE, routes=in_order(routes))


def test_the_first_matching_route_wins_by_position_then_name() -> None:
    match = {"alertname": "DiskFull"}
    late = Route("a-late", 9, match, "bank", None)
    second = Route("y", 1, match, "bank", None)
    first = Route("x", 1, match, "shop", Severity.SEV1)
    other = Route("other", 0, {"alertname": "Else"}, "bank", None)
    found = place(replace(ALERT, sender_service="bank", sender_severity="info"), routed(late, second, other, first))
    assert (found.service, found.severity) == (SHOP, Severity.SEV1)
    assert "route x" in found.reason


def test_a_route_matches_the_integration_and_no_label_can_pose_as_it() -> None:
    catalogue = routed(Route("r", 0, {"integration": "prometheus"}, "shop", None))
    assert place(ALERT, catalogue).service is SHOP
    posing = replace(ALERT, integration="webhook", labels={"integration": "prometheus"})
    assert place(posing, catalogue).service is BUILT_IN


def test_an_empty_match_takes_everything() -> None:
    assert place(ALERT, routed(Route("r", 0, {}, "bank", None))).service is BANK


@pytest.mark.parametrize(
    ("field", "label", "service"), [("shop", "", SHOP), ("", "bank", BANK), ("gone", "bank", BANK), ("Shop ", "", SHOP), ("", "", BUILT_IN)]
)
def test_the_sender_names_the_service(field: str, label: str, service: Service) -> None:
    alert = replace(ALERT, sender_service=field, labels={"service": label})
    assert place(alert, CATALOGUE).service is service


def test_an_unknown_service_goes_to_the_default_one_and_the_reason_says_so() -> None:
    found = place(replace(ALERT, sender_service="nobody-knows-this"), CATALOGUE)
    assert found.service is BUILT_IN
    assert "nobody-knows-this" in found.reason
    service, reason = declared_place("nobody-knows-this", CATALOGUE)
    assert service is BUILT_IN
    assert "nobody-knows-this" in reason


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("critical", 1), ("FATAL", 1), ("p1", 1), ("sev1", 1), ("error", 2), ("high", 2), ("major", 2), ("p2", 2), ("warning", 3),
        ("p3", 3), ("none", 3), ("minor", 4), ("low", 4), ("p4", 4), ("info", 5), ("p5", 5), ("", 3), ("purple", 3),
    ],
)  # fmt: skip
def test_the_senders_word_for_severity(word: str, severity: int) -> None:
    found = place(replace(ALERT, sender_severity=word), CATALOGUE)
    assert found.severity == severity
    assert word.lower() in found.reason


def test_the_group_is_of_the_labels_that_the_service_names() -> None:
    one = replace(ALERT, sender_service="bank", labels={"cluster": "eu", "job": "db", "alertname": "A"})
    same = replace(one, title="Other", labels={**one.labels, "alertname": "B"})
    other = replace(one, labels={**one.labels, "cluster": "us"})
    keys = [place(alert, CATALOGUE).group_key for alert in (one, same, other)]
    assert keys[0] == keys[1] != keys[2]


def test_without_the_labels_the_title_is_the_group() -> None:
    one = replace(ALERT, labels={"job": "x"}, title="Queue is long")
    assert place(one, CATALOGUE).group_key == place(replace(one, labels={}), CATALOGUE).group_key
    assert place(one, CATALOGUE).group_key != place(replace(one, title="Queue is short"), CATALOGUE).group_key
    posing = replace(ALERT, labels={"alertname": "Queue is long"})
    assert place(one, CATALOGUE).group_key != place(posing, CATALOGUE).group_key


texts = st.text(max_size=300)


@given(texts, st.dictionaries(texts, texts, max_size=5), texts, texts)
def test_every_alert_has_a_place_with_a_reason_of_one_line(title: str, labels: dict[str, str], word: str, service: str) -> None:
    found = place(replace(ALERT, title=title, labels=labels, sender_severity=word, sender_service=service), CATALOGUE)
    assert len(found.group_key) == 64
    assert "\n" not in found.reason
    assert len(found.reason) < 1000
