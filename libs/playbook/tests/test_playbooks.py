"""Playbooks of every kind of step and every way to fail, played as their scenarios say: what happens, and when it is over."""

from collections.abc import Iterator
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml

from tocsin_playbook import rows
from tocsin_playbook.document import loaded, understood
from tocsin_playbook.export import exported
from tocsin_playbook.playbook import Playbook, read
from tocsin_playbook.rehearsal import START, Rehearsal, Script
from tocsin_playbook.run import Outcome, OutcomeState
from tocsin_playbook.short import compiled
from tocsin_playbook.shortened import as_yaml, shortened
from tocsin_playbook.terms import full

FOLDER = Path(__file__).parent / "playbooks"
FILES = sorted(FOLDER.glob("*.yaml"))
SHIPPED = sorted(each.name for each in files("tocsin_playbook.library").iterdir() if each.name.endswith(".yaml"))


def scenarios() -> Iterator[Any]:
    for path in FILES:
        for scenario in list(yaml.safe_load_all(path.read_text()))[1]:
            yield pytest.param(path, scenario, id=f"{path.stem}: {scenario['name']}")


def playbook(path: Path) -> Playbook:
    found = loaded(path.read_text().split("---\n")[0])
    assert not found.problems, [str(each) for each in found.problems]
    return read(found.plain)


def outcome(said: Any) -> Outcome | str:
    if isinstance(said, dict):
        return Outcome(OutcomeState.SUCCEEDED, variables={full(name): value for name, value in said.items()})
    return str(said)


def script(scenario: dict[str, Any]) -> Script:
    return Script(
        outcomes={step: [outcome(each) for each in said] for step, said in scenario.get("outcomes", {}).items()},
        answers=scenario.get("answers", {}),
        children={step: {full(name): value for name, value in said.items()} for step, said in scenario.get("children", {}).items()},
    )


@pytest.mark.parametrize(("path", "scenario"), scenarios())
def test_a_run_goes_as_expected(path: Path, scenario: dict[str, Any]):
    given = {full(name): value for name, value in scenario.get("variables", {}).items()}
    played = Rehearsal(playbook(path), given, script(scenario)).play()
    assert played.trace == scenario["trace"]
    if "ends_after" in scenario:
        assert played.now - START == timedelta(seconds=scenario["ends_after"])
    again = understood(exported(played.run, played.now))
    assert not again.errors, [str(each) for each in again.errors]
    assert {path: rows.from_plain(rows.to_plain(each)) for path, each in played.run.steps.items()} == played.run.steps


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_playbook_comes_back_from_cacao_as_it_was(path: Path):
    plain = dict(playbook(path).plain)
    back = yaml.safe_load(as_yaml(shortened(plain)))
    assert compiled(back) == (plain, [])


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_playbooks_are_sound(name: str):
    found = loaded((files("tocsin_playbook.library") / name).read_text())
    assert found.problems == ()
    assert compiled(shortened(found.plain)) == (dict(found.plain), [])


def test_the_readmes_playbook_is_sound():
    text = (Path(__file__).parents[1] / "README.md").read_text().split("```yaml\n", 1)[1].split("```", 1)[0]
    found = loaded(text)
    assert found.short and found.problems == ()
    assert compiled(shortened(found.plain)) == (dict(found.plain), [])


def test_there_is_a_playbook_for_every_kind_of_step():
    kinds = {step.kind for path in FILES for step in playbook(path).steps.values()}
    assert len(kinds) == len(type(next(iter(kinds))))
