"""What the README shows is what works."""

import re
from importlib.resources import files
from pathlib import Path

from noise_words import NOON

from tocsin_client.configuration import load
from tocsin_detection.noise.noise_configuration import given_rules


def test_the_files_in_the_readme_can_be_applied(tmp_path: Path) -> None:
    text = (files("tocsin_detection.noise") / "README.md").read_text()
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)):
        (tmp_path / f"{number}.yaml").write_text(block)
    given = given_rules(load(tmp_path).message("detection"), NOON)
    assert set(given.inhibitions) | set(given.windows) | set(given.noise_rules) == {
        "node-down", "backups", "flaps", "probes", "storm", "flapping", "silences",
    }  # fmt: skip
