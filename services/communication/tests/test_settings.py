"""The README says what can be set."""

from pathlib import Path

from tocsin_chassis.settings import table
from tocsin_communication.settings import CommunicationSettings


def test_the_readme_holds_the_table_of_settings() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text().replace("\\|", "|")
    for variable, _, description in table(CommunicationSettings):
        assert f"| `{variable}` |" in readme
        assert description in readme
