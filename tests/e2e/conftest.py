"""One whole installation, started as a user starts it, for all tests of this folder."""

import pytest

from tocsin_testkit.installation import installation


@pytest.fixture(scope="session", name="up")
def _up():
    """`tocsin up --demo`, ready."""
    with installation(arguments=("--demo",)) as started:
        yield started
