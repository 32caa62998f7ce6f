"""What runners bring along, and what a playbook asks of them that nobody has. Pure."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tocsin_playbook.catalogue import ACTION_TYPE, CONNECTORS
from tocsin_playbook.playbook import Kind, Playbook
from tocsin_playbook.shape import Problem

SIMULATED = "simulated:"


@dataclass(frozen=True, slots=True)
class Equipment:
    """`told`: the connectors of the runners that are remembered, and what each can do (nothing: not told); `at_work`: those of the runners
    that ask for work now, twins of exercises included."""

    told: Mapping[str, Collection[str]]
    at_work: Collection[str]

    @property
    def known(self) -> list[str]:
        """Every connector that there is, as far as anybody knows."""
        return sorted({*CONNECTORS, *self.told})


def plain(name: str) -> str:
    """The connector's name, whether it is meant for real or for exercises."""
    return name.removeprefix(SIMULATED)


def problems(playbook: Playbook, equipment: Equipment) -> Iterator[Problem]:
    """What a playbook asks of runners and none can do. Where runners were heard of, what none of them knows is an error."""
    for step in playbook.steps.values():
        if step.kind is Kind.ACTION:
            for number, command in enumerate(step.commands):
                if command["type"] == ACTION_TYPE:
                    yield from _of(f"{step.title} ({step.id})", f"commands[{number}]", command, equipment)


def _of(step: str, path: str, command: Mapping[str, Any], equipment: Equipment) -> Iterator[Problem]:
    connector, action = str(command["connector"]), str(command["action"])
    if connector not in equipment.known:
        told = f"no runner has told of a connector {connector}; there are {', '.join(equipment.known)}"
        fix = "; name one of these, or start the runner that has it first" if equipment.told else ", and no runner has asked for work yet"
        yield Problem(step, f"{path}.connector", told + fix, warning=not equipment.told)
        return
    can = equipment.told.get(connector, ())
    if can and action not in can:
        others = sorted(name for name, actions in equipment.told.items() if action in actions)
        fix = f"; {action} is done by {', '.join(others)}" if others else ""
        yield Problem(step, f"{path}.action", f"{connector} cannot {action}; it can {', '.join(sorted(can))}{fix}")
    elif connector not in equipment.at_work:
        yield Problem(step, f"{path}.connector", f"no runner that is at work has the connector {connector} set up", warning=True)
