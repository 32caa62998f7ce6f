"""Every connector against its twin, by the one suite that all of them pass."""

import pytest
from connector_conformance import Case, ConnectorConformance
from connector_conformance import house as opened

from tocsin_runner.twins.defender import DefenderTwin

LAPTOP = f"{1:040x}"


def defender_offline(twin):
    twin.machines[LAPTOP]["online"] = False


def defender_online(twin):
    twin.machines[LAPTOP]["online"] = True


def defender_isolated(twin):
    twin.settle()
    return twin.isolated(LAPTOP)


def defender_foreign(twin):
    """An analyst releases the machine and isolates it again: now it is hers."""
    for kind in ("Unisolate", "Isolate"):
        twin.act(LAPTOP, kind, "analyst")
        twin.clock.forward(60)
        twin.settle()


CASES = [
    Case(
        "defender",
        "isolate-host",
        DefenderTwin,
        {"host": "laptop-7"},
        ("POST", "/isolate$"),
        defender_isolated,
        refuse=lambda twin: twin.machines[LAPTOP].update(healthStatus="Inactive"),
        foreign=defender_foreign,
        offline=defender_offline,
        online=defender_online,
        exact=lambda twin: (twin.settle(), twin.isolated(LAPTOP))[1],
        token=True,
    ),
]


@pytest.fixture(params=CASES, ids=lambda case: case.id)
async def house(request, tmp_path):
    async with opened(request.param, tmp_path) as house:
        yield house


class TestConnectors(ConnectorConformance):
    """All of them."""
