"""The README lists every setting."""

from pathlib import Path

from tocsin_chassis.settings import table
from tocsin_edge.settings import EdgeSettings


def test_every_setting_is_in_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    missing = [line for line in (f"| `{name}` | {default} | {text} |" for name, default, text in table(EdgeSettings)) if line not in readme]
    assert missing == []
