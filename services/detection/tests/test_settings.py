"""The README says what can be set."""

from pathlib import Path

from tocsin_chassis.settings import table
from tocsin_detection.settings import DetectionSettings


def test_the_readme_holds_the_table_of_settings() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text()
    for variable, _, description in table(DetectionSettings):
        assert f"| `{variable}` |" in readme and description in readme
