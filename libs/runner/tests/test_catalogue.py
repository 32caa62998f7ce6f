"""Connectors from files: read again when they change, and a file that breaks says what is wrong and keeps its last good version."""

import os
from pathlib import Path

import pytest

from tocsin_chassis.settings import table
from tocsin_playbook.catalogue import CONNECTORS
from tocsin_runner.assignment import Refused
from tocsin_runner.connectors.catalogue import Catalogue
from tocsin_runner.connectors.interface import arguments
from tocsin_runner.connectors.recipe_file import BadRecipe, parse
from tocsin_runner.settings import RunnerSettings


def test_the_rules_of_playbooks_know_every_connector_that_ships():
    assert sorted(Catalogue(None).kinds) == sorted(CONNECTORS)


GOOD = """
connector: door
title: The door of the office
settings:
  url: {about: where it is}
check: {request: GET /door}
actions:
  lock-door:
    arguments: {door: {about: which}}
    look:
      - request: GET /doors/${arguments.door}
        save: {locked: body.locked}
    state: {locked: "${look.locked}"}
    effective: state.locked
    execute:
      - request: POST /doors/${arguments.door}/lock
    undo:
      undone: state.locked == prior.locked
      execute:
        - request: POST /doors/${arguments.door}/unlock
"""

PYTHON = """
class Kind:
    name = "lamp"
    title = "A lamp"
    settings = {}
    descriptions = {}

    def bind(self, connection, http, clock):
        return self

CONNECTOR = Kind()
"""


SAMPLES = {"address": "203.0.113.7", "domain": "evil.example", "hash": "a" * 40, "replicas": "1", "revision": "1", "ticket": "7"}


def write(path, text, second):
    path.write_text(text)
    os.utime(path, (second, second))


def test_files_are_taken_when_they_come_change_and_go(tmp_path):
    catalogue = Catalogue(tmp_path)
    assert "door" not in catalogue.kinds and "okta" in catalogue.kinds
    write(tmp_path / "door.yaml", GOOD, 1)
    write(tmp_path / "lamp.py", PYTHON, 1)
    catalogue.refresh()
    assert catalogue.kinds["door"].descriptions["lock-door"].reversible
    assert catalogue.kinds["lamp"].title == "A lamp"
    (tmp_path / "door.yaml").unlink()
    catalogue.refresh()
    assert "door" not in catalogue.kinds


def test_a_broken_file_keeps_its_last_good_version(tmp_path):
    write(tmp_path / "door.yaml", GOOD, 1)
    catalogue = Catalogue(tmp_path)
    write(tmp_path / "door.yaml", GOOD.replace("state.locked ==", "state.locked ="), 2)
    catalogue.refresh()
    assert "lock-door" in catalogue.kinds["door"].descriptions
    assert "actions.lock-door.undo.undone" in catalogue.problems["door.yaml"]
    assert "last good version stays" in catalogue.problems["door.yaml"]
    write(tmp_path / "door.yaml", GOOD, 3)
    catalogue.refresh()
    assert catalogue.problems == {}


@pytest.mark.parametrize(
    ("written", "instead", "said"),
    [
        ("effective: state.locked", "efective: state.locked", "actions.lock-door.efective: is not known here"),
        ("    state: {locked", "    states: {locked", "actions.lock-door.states: is not known here"),
        ("POST /doors/${arguments.door}/lock", "SEND /doors", "must read like 'POST /path'"),
        ("${arguments.door}/unlock", "${arguments.door/unlock", "without its }"),
        ("door: {about: which}", "door: {type: colour}", "colour is not known"),
        ("save: {locked: body.locked}", "save: {locked: nowhere.locked}", "undeclared reference"),
        ("connector: door", "connector: The Door", "lower-case name"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_place(written, instead, said):
    assert written in GOOD
    with pytest.raises(BadRecipe) as refused:
        parse(GOOD.replace(written, instead, 1))
    assert said in str(refused.value)


@pytest.mark.parametrize("address", ["10.0.0.1", "0.0.0.0/0", "8.0.0.0/7", "::/0", "127.0.0.1", "fe80::1", "not an address"])
def test_nobody_blocks_half_the_world_or_its_own_network(address):
    description = Catalogue(None).kinds["blocklist"].descriptions["block-address"]
    with pytest.raises(Refused):
        arguments(description, {"address": address})


def test_the_built_in_connectors_take_the_arguments_of_the_catalogue_of_actions():
    """A playbook that is right by the catalogue is right for every connector."""
    catalogue = pytest.importorskip("tocsin_playbook.catalogue")
    for kind in Catalogue(None).kinds.values():
        for name, description in kind.descriptions.items():
            if name not in catalogue.ACTIONS:
                continue
            known = catalogue.ACTIONS[name].arguments
            needed = {argument for argument, rule in description.arguments.items() if rule.required and rule.default is None}
            assert needed <= set(known), (kind.name, name)
            samples = {
                "address": "203.0.113.7",
                "domain": "evil.example",
                "hash": "a" * 40,
                "replicas": "1",
                "revision": "1",
                "ticket": "7",
            }
            arguments(description, {argument: samples.get(argument, "x") for argument in known})


def test_every_setting_is_in_the_readme():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for variable, _, description in table(RunnerSettings):
        assert f"`{variable}`" in readme and description in readme
