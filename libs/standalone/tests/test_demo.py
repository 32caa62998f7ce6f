"""The example organisation is what the platform takes, and quick enough to watch."""

from pathlib import Path

from tocsin_client import configuration
from tocsin_standalone import platform
from tocsin_standalone.demo.__main__ import ORGANISATION


def test_the_organisation_can_be_read_and_refers_to_nothing_that_is_missing() -> None:
    loaded = configuration.load(ORGANISATION)
    assert {path.suffix for path in Path(ORGANISATION).iterdir()} == {".yaml"}
    assert loaded


def test_there_is_an_integration_of_every_kind_in_the_contract() -> None:
    assert {"alertmanager", "webhook"} <= set(platform.integration_kinds())
