"""What there is to be done by which connector, for people; and whether the connections of this runner work."""

from collections.abc import AsyncIterator, Iterator

from tocsin_runner.assignment import Ended
from tocsin_runner.connectors.catalogue import Bindings, Catalogue, Kind
from tocsin_runner.connectors.interface import Description


def listed(catalogue: Catalogue) -> Iterator[str]:
    """Every connector with its settings and actions, line by line."""
    for name, kind in sorted(catalogue.kinds.items()):
        yield f"{name}  {kind.title}"
        yield f"    settings: {_settings(kind)}"
        for action in kind.descriptions.values():
            yield from _action(action)
        yield ""
    for file, problem in sorted(catalogue.problems.items()):
        yield f"{file} cannot be used: {problem}"


async def checked(bindings: Bindings, connections: list[str]) -> AsyncIterator[tuple[bool, str]]:
    """Whether each connection's secrets are there and its system answers, without changing anything."""
    for name in connections:
        try:
            said = await bindings.connector(name, False).check()
            yield True, f"{name}: works ({said})"
        except Ended as error:
            yield False, f"{name}: {bindings.redacted(str(error))}"


def _settings(kind: Kind) -> str:
    shown = []
    for name, rule in kind.settings.items():
        note = "secret:NAME" if rule.secret else rule.default
        shown.append(f"{name} ({note})" if note else name)
    return ", ".join(shown)


def _action(action: Description) -> Iterator[str]:
    yield f"    {action.action}: {action.about}"
    for name, rule in action.arguments.items():
        need = "" if rule.required else ", may be absent"
        yield f"        {name} ({rule.type}{need}): {rule.about}"
    undo = "can be undone" if action.reversible else "cannot be undone"
    seen = "looked at afterwards" if action.verified else "offers nothing to look at afterwards"
    yield f"        {undo}; {seen}. Needs: {action.permission}"
    if action.effect:
        yield f"        Effect: {action.effect}"
