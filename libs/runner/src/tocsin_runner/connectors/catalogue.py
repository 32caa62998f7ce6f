"""All connectors that there are: the built-in ones and those in the operator's folder, which are read again when they change."""

import importlib.util
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Protocol

from tocsin_kernel.clock import Clock
from tocsin_runner.assignment import Document, Refused
from tocsin_runner.connectors import connections as files
from tocsin_runner.connectors import recipe_file as recipes
from tocsin_runner.connectors.connections import Connection, Connections
from tocsin_runner.connectors.interface import Connector, Description
from tocsin_runner.connectors.recipe import Recipe, SettingRule
from tocsin_runner.connectors.recipe_action import RecipeConnector
from tocsin_runner.connectors.recipe_file import BadRecipe
from tocsin_runner.connectors.session import Session
from tocsin_runner.http import Http
from tocsin_runner.secrets import Secrets

# In front of what may be done at twins only.
SIMULATED = "simulated:"
log = logging.getLogger(__name__)


class Kind(Protocol):
    """A connector that is not bound to a connection yet. A Python file has one as its `CONNECTOR`."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def settings(self) -> Mapping[str, SettingRule]: ...
    @property
    def descriptions(self) -> Mapping[str, Description]: ...
    def bind(self, connection: Connection, http: Http, clock: Clock) -> Connector: ...


@dataclass(frozen=True, slots=True)
class RecipeKind:
    """A connector from a YAML file."""

    recipe: Recipe

    @property
    def name(self) -> str:
        """Its name."""
        return self.recipe.connector

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.recipe.title

    @property
    def settings(self) -> Mapping[str, SettingRule]:
        """What a connection must say."""
        return self.recipe.settings

    @property
    def descriptions(self) -> Mapping[str, Description]:
        """Its actions."""
        return {name: action.description for name, action in self.recipe.actions.items()}

    def bind(self, connection: Connection, http: Http, clock: Clock) -> Connector:
        """The connector at a connection."""
        return RecipeConnector(self.recipe, Session(self.recipe, connection, http, clock), connection.settings, clock)


class Catalogue:
    """Connectors by name. A file that breaks keeps its last good version; what is wrong with it is told once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._builtin = {kind.name: kind for kind in _builtin()}
        self._own: dict[Path, Kind] = {}
        self._stamps: dict[Path, tuple[int, int]] = {}
        self.problems: dict[str, str] = {}
        self.version = 0
        self.refresh()

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """All of them; the operator's own count before the built-in ones."""
        return {**self._builtin, **{kind.name: kind for kind in self._own.values()}}

    def refresh(self) -> None:
        """Read what has changed in the folder."""
        found = {path: _stamp(path) for path in self._files()}
        if found == self._stamps:
            return
        for path in set(self._stamps) - set(found):
            self._own.pop(path, None)
            self.problems.pop(path.name, None)
        for path in sorted(found):
            if self._stamps.get(path) != found[path]:
                self._take(path)
        self._stamps = found
        self.version += 1

    def _files(self) -> Iterable[Path]:
        if self._folder is None or not self._folder.is_dir():
            return []
        return [path for path in self._folder.iterdir() if path.suffix in (".yaml", ".yml", ".py") and not path.name.startswith(".")]

    def _take(self, path: Path) -> None:
        try:
            self._own[path] = _read(path)
            self.problems.pop(path.name, None)
        except BadRecipe as error:
            kept = "; its last good version stays" if path in self._own else ""
            self.problems[path.name] = f"{error}{kept}"
            log.error("the connector in %s cannot be used: %s%s", path.name, error, kept)


class Bindings:
    """Connectors at their connections, made when they are first needed."""

    def __init__(
        self, catalogue: Catalogue, given: Connections, secrets: Secrets, http: Http, clock: Clock, twins: tuple[Http, str] | None
    ) -> None:
        self.catalogue = catalogue
        self._given = given
        self.secrets = secrets
        self.http = http
        self.twins = twins
        self._clock = clock
        self._made: dict[tuple[str, bool], Connector] = {}
        self._version = catalogue.version

    @property
    def connections(self) -> list[str]:
        """The connections that the operator wrote down."""
        return sorted(self._given.named)

    def redacted(self, text: str) -> str:
        """The text without secrets."""
        return self.secrets.redactor.text(text)

    @property
    def names(self) -> list[str]:
        """What is set up: connections whose connector there is, connectors that need none; those of exercises with `simulated:`."""
        self.catalogue.refresh()
        kinds = self.catalogue.kinds
        there = {name for name, given in self._given.named.items() if str(given.get("connector", name)) in kinds}
        ready = {name for name, kind in kinds.items() if not any(rule.secret or rule.default is None for rule in kind.settings.values())}
        simulated = {f"{SIMULATED}{name}" for name in there | set(kinds)} if self.twins is not None else set()
        return sorted(there | ready | simulated)

    @property
    def actions(self) -> dict[str, list[str]]:
        """What each of those can do."""
        return {name: sorted(self.kind(name.removeprefix(SIMULATED)).descriptions) for name in self.names}

    def kind(self, name: str) -> Kind:
        """The connector of a connection. Raises Refused."""
        wanted = str(self._given.named.get(name, {}).get("connector", name))
        found = self.catalogue.kinds.get(wanted)
        if found is None:
            raise Refused(f"there is no connector {wanted}; there are {', '.join(sorted(self.catalogue.kinds))}")
        return found

    def connector(self, name: str, is_simulated: bool) -> Connector:
        """The connector at a connection, or at its twin. Raises Refused."""
        self.catalogue.refresh()
        if self._version != self.catalogue.version:
            self._made.clear()
            self._version = self.catalogue.version
        if (name, is_simulated) not in self._made:
            self._made[name, is_simulated] = self._bound(name, self.kind(name), is_simulated)
        return self._made[name, is_simulated]

    def _bound(self, name: str, kind: Kind, is_simulated: bool) -> Connector:
        given: Document = self._given.named.get(name, {})
        if not is_simulated:
            return kind.bind(files.bound(name, kind.settings, given, self.secrets), self.http, self._clock)
        if self.twins is None:
            raise Refused("this is an exercise, and the runner knows no simulated twins: set TOCSIN_RUNNER_TWINS")
        twin = files.simulated(name, kind.name, kind.settings, given, self.twins[1], self.secrets.redactor)
        return kind.bind(twin, self.twins[0], self._clock)


def _builtin() -> list[Kind]:
    folder = resources.files("tocsin_runner.connectors") / "builtin"
    texts = sorted((item.name, item.read_text(encoding="utf-8")) for item in folder.iterdir() if item.name.endswith(".yaml"))
    return [RecipeKind(recipes.parse(text)) for _, text in texts]


def _read(path: Path) -> Kind:
    if path.suffix != ".py":
        try:
            return RecipeKind(recipes.parse(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise BadRecipe(f"it cannot be read: {error}") from error
    return _class(path)


def _class(path: Path) -> Kind:
    """What a Python file has as CONNECTOR. The operator wrote it: it runs with all that the runner may do."""
    try:
        spec = importlib.util.spec_from_file_location(f"tocsin_runner_own_{path.stem}", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        kind: Kind = module.CONNECTOR
        checks: list[Callable[[], object]] = [lambda: kind.name, lambda: kind.title, lambda: kind.settings, lambda: kind.descriptions]
        for check in checks:
            check()
        return kind
    except Exception as error:  # whatever is wrong with the file must not end the runner
        raise BadRecipe(f"{type(error).__name__}: {error}") from error


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
        return found.st_mtime_ns, found.st_size
    except OSError:
        return 0, 0
