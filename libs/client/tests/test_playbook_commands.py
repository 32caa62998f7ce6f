"""`tocsin playbook check`, `plan`, `convert`: files, no server."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from tocsin_client import cli

RANSOMWARE = str(files("tocsin_playbook.library") / "ransomware.yaml")


def run(capsys: pytest.CaptureFixture[str], *arguments: object, status: int = 0) -> str:
    assert cli.run([str(each) for each in arguments]) == status
    said = capsys.readouterr()
    return said.out or said.err


def test_a_sound_playbook_is_called_sound(capsys: pytest.CaptureFixture[str]):
    assert "Nothing is wrong" in run(capsys, "playbook", "check", RANSOMWARE)
    assert json.loads(run(capsys, "playbook", "check", RANSOMWARE, "-o", "json")) == []


def test_everything_wrong_is_named_with_step_and_field(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    path = tmp_path / "bad.yaml"
    path.write_text("playbook: bad\nsteps:\n  - cut: {action: isolate-hst, using: edr, with: {hots: web-1}}\n")
    (problem,) = json.loads(run(capsys, "playbook", "check", path, "-o", "json", status=1))
    assert problem["step"].startswith("cut (action--") and problem["field"] == "commands[0].action" and "isolate-host" in problem["detail"]
    assert "isolate-hst" in run(capsys, "playbook", "plan", path, status=1)
    assert "No such file" in run(capsys, "playbook", "check", tmp_path / "none.yaml", status=2)


def test_the_plan_says_what_would_be_hit_and_touches_nothing(capsys: pytest.CaptureFixture[str]):
    shown = run(capsys, "playbook", "plan", RANSOMWARE, "--var", "host=web-1")
    assert "1 hosts: web-1" in shown and "2 of commander or operations or security" in shown and "Still to be given: user" in shown
    plain = json.loads(run(capsys, "playbook", "plan", RANSOMWARE, "--var", "host=web-1", "-o", "json"))
    assert plain["hosts"] == ["web-1"] and plain["missing"] == ["__user__"] and plain["approvals"] == 2
    assert "no such variable" in run(capsys, "playbook", "plan", RANSOMWARE, "--var", "hosts=web-1", status=2)


def test_a_playbook_is_converted_to_cacao_and_back(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    cacao = tmp_path / "ransomware.json"
    cacao.write_text(run(capsys, "playbook", "convert", RANSOMWARE))
    assert json.loads(cacao.read_text())["spec_version"] == "cacao-2.0"
    back = yaml.safe_load(run(capsys, "playbook", "convert", cacao))
    before = yaml.safe_load(Path(RANSOMWARE).read_text())
    assert [list(step) for step in back["steps"]] == [list(step) for step in before["steps"]]
