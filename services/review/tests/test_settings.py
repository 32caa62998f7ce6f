"""The README's table of settings is the one that the service prints."""

from pathlib import Path

from tocsin_chassis.settings import table
from tocsin_review.settings import ReviewSettings

README = Path(__file__).parents[1] / "README.md"


def test_the_readme_lists_every_setting() -> None:
    rows = [line.split(" | ") for line in README.read_text().splitlines() if line.startswith("| `TOCSIN_")]
    found = [(variable.strip("| `"), default.strip(" `"), text.removesuffix(" |")) for variable, default, text in rows]
    assert found == table(ReviewSettings)
