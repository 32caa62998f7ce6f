"""The operator's file: where each connector goes, by which secrets, and which hosts may be sent which secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import yaml

from tocsin_chassis.settings import SettingsError
from tocsin_runner.assignment import Document, Json, Refused
from tocsin_runner.secrets import REFERENCE, Redactor, Secrets

SIMULATED_SECRET = "simulated-"
# What goes to Tocsin itself, and the key for it.
OWN_CONNECTORS = ("tocsin", "blocklist")
OWN_SECRET = "TOCSIN"


class Rule(Protocol):
    """What a connector wants to be told."""

    @property
    def secret(self) -> bool: ...
    @property
    def default(self) -> str | None: ...
    @property
    def simulated(self) -> str | None: ...
    @property
    def about(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Connections:
    """The whole file. `named` has what each connection says; `hosts` where each secret may go."""

    named: Mapping[str, Document]
    hosts: Mapping[str, frozenset[str]]


class Connection:
    """One connection, as its connector sees it."""

    def __init__(
        self,
        name: str,
        settings: Document,
        references: Mapping[str, str],
        secrets: Secrets | None,
        redactor: Redactor,
        twin: str = "",
    ) -> None:
        """Without `secrets` it is one of an exercise, with the twin at `twin`, and the references are what that takes."""
        self.name = name
        self.twin = twin
        self.settings = settings
        self.redactor = redactor
        self._references = references
        self._secrets = secrets

    def base(self, setting: str) -> str:
        """An address, without a slash at its end."""
        return str(self.settings.get(setting, "")).rstrip("/")

    def secrets(self) -> dict[str, Json]:
        """The secrets, read now, so that a new file counts at once. Raises Refused."""
        if self._secrets is None:
            return dict(self._references)
        return {name: self._secrets.read(reference) for name, reference in self._references.items()}


def read(path: Path | None) -> Connections:
    """Raises SettingsError naming the place."""
    if path is None:
        return Connections({}, {})
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise SettingsError(f"TOCSIN_RUNNER_CONNECTIONS: {path.name} cannot be read: {error}") from error
    if not isinstance(content, dict) or set(content) - {"connections", "secrets"}:
        raise SettingsError(f"{path.name}: must have `connections` and `secrets`, and nothing else")
    named, secrets = content.get("connections") or {}, content.get("secrets") or {}
    for place, value in (("connections", named), ("secrets", secrets)):
        if not isinstance(value, dict) or not all(isinstance(item, dict) for item in value.values()):
            raise SettingsError(f"{path.name}: {place} must be a map of maps")
    hosts = {str(name): frozenset(str(host).lower() for host in item.get("hosts", [])) for name, item in secrets.items()}
    return Connections({str(name): dict(item) for name, item in named.items()}, hosts)


def own(given: Connections, address: str) -> Connections:
    """With connections to Tocsin itself, unless the operator wrote others of these names."""
    if not address:
        return given
    ours = {name: {"url": address, "token": f"{REFERENCE}{OWN_SECRET}"} for name in OWN_CONNECTORS}
    return Connections({**ours, **given.named}, given.hosts)


def bound(name: str, rules: Mapping[str, Rule], given: Document, secrets: Secrets) -> Connection:
    """A connection with everything that its connector wants. Raises Refused naming what is missing."""
    if unknown := sorted(set(given) - set(rules) - {"connector"}):
        raise Refused(f"the connection {name} has a setting {unknown[0]} that its connector does not know")
    settings: dict[str, Json] = {}
    references: dict[str, str] = {}
    for setting, rule in rules.items():
        value = given.get(setting, rule.default)
        if value is None:
            raise Refused(f"the connection {name} lacks {setting}: {rule.about}")
        if rule.secret and not str(value).startswith(REFERENCE):
            raise Refused(f"the connection {name} must name {setting} by reference: write secret:NAME")
        if rule.secret:
            references[setting] = str(value)
        else:
            settings[setting] = _plain(value)
    return Connection(name, settings, references, secrets, secrets.redactor)


def simulated(name: str, connector: str, rules: Mapping[str, Rule], given: Document, twins: str, redactor: Redactor) -> Connection:
    """The same towards the connector's twin: its addresses and credentials in place of the real ones, which are not even read."""
    settings: dict[str, Json] = {}
    for setting, rule in rules.items():
        value = given.get(setting) or rule.default
        if rule.simulated is not None:
            value = rule.simulated
        elif value is None or str(value).startswith("http"):
            value = f"{twins}/{connector}"
        if not rule.secret:
            settings[setting] = _plain(value)
    references = {setting: SIMULATED_SECRET + setting for setting, rule in rules.items() if rule.secret}
    return Connection(name, settings, references, None, redactor, f"{twins}/{connector}")


def _plain(value: Json) -> Json:
    return value.rstrip("/") if isinstance(value, str) else value
