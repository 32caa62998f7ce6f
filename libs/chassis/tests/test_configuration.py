"""Field by field: what applying a configuration would do."""

from tocsin.configuration.v1.change_pb2 import Change
from tocsin.triage.v1.catalogue_pb2 import Route, Service
from tocsin.triage.v1.incident_pb2 import Severity

from tocsin_chassis.configuration import changes


def test_names_what_is_created_and_what_is_unchanged() -> None:
    shop = Service(name="shop", team="sales")
    found = changes("Service", {"shop": shop}, {"shop": shop, "bank": Service(name="bank")}, prune=False)
    assert [(change.kind, change.name, change.action) for change in found] == [
        ("Service", "bank", Change.ACTION_CREATED),
        ("Service", "shop", Change.ACTION_UNCHANGED),
    ]


def test_an_update_names_the_path_and_both_values() -> None:
    before = Route(name="r", match={"team": "a", "env": "x"}, service="shop", position=3)
    after = Route(name="r", match={"team": "b", "env": "x"}, service="shop", severity=Severity.SEVERITY_SEV1)
    (change,) = changes("Route", {"r": before}, {"r": after}, prune=False)
    assert change.action == Change.ACTION_UPDATED
    assert [(field.path, field.before, field.after) for field in change.fields] == [
        ("match.team", '"a"', '"b"'),
        ("position", "3", ""),
        ("severity", "", '"SEVERITY_SEV1"'),
    ]


def test_the_order_of_a_list_is_part_of_it() -> None:
    (change,) = changes(
        "Service", {"s": Service(name="s", group_by=["a", "b"])}, {"s": Service(name="s", group_by=["b", "a"])}, prune=False
    )
    assert [(field.path, field.before, field.after) for field in change.fields] == [("group_by", '["a", "b"]', '["b", "a"]')]


def test_only_prune_deletes() -> None:
    stored = {"s": Service(name="s")}
    assert changes("Service", stored, {}, prune=False) == []
    (change,) = changes("Service", stored, {}, prune=True)
    assert (change.name, change.action) == ("s", Change.ACTION_DELETED)
