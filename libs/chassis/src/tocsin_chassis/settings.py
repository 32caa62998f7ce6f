"""Settings: one frozen dataclass per service, read from the environment once, with every error told at start."""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

SettingsType = TypeVar("SettingsType")


class SettingsError(Exception):
    """The environment does not hold usable settings; the text lists every problem."""


class Secret(str):
    """A setting that is never printed."""

    __slots__ = ()


def setting(name: str, description: str, *, default: Any = MISSING) -> Any:
    """A field that is read from the environment variable `name`. Without a default it must be set."""
    return field(default=default, metadata={"variable": name, "description": description})


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What every service needs."""

    postgres_url: Secret = setting(
        "TOCSIN_POSTGRES_URL", "the service's own role in the database: postgresql://tocsin_<service>:…@host:port/tocsin"
    )
    nats_url: Secret = setting("TOCSIN_NATS_URL", "the service's own user at NATS: nats://<service>:…@host:port")
    grpc_listen: str = setting("TOCSIN_GRPC_LISTEN", "host:port of the gRPC server; port 0 takes a free one", default="127.0.0.1:0")
    metrics_listen: str = setting("TOCSIN_METRICS_LISTEN", "host:port of the Prometheus endpoint /metrics; empty: none", default="")
    signing_key_file: Path = setting("TOCSIN_SIGNING_KEY_FILE", "the service's private key (Ed25519, JWK) to sign its own tokens with")
    trusted_keys_file: Path = setting("TOCSIN_TRUSTED_KEYS_FILE", "the public keys of all services (JWKS; kid is the service's name)")
    log_level: str = setting("TOCSIN_LOG_LEVEL", "debug, info, warning or error", default="info")
    postgres_pool_size: int = setting("TOCSIN_POSTGRES_POOL_SIZE", "most connections to the database", default=8)


def load(settings: type[SettingsType], environment: Mapping[str, str]) -> SettingsType:
    """Read all settings. Raises SettingsError that names every variable that is missing or wrong."""
    values: dict[str, Any] = {}
    problems: list[str] = []
    hints = get_type_hints(settings)
    for item in _fields(settings):
        variable = item.metadata["variable"]
        raw = environment.get(variable, "")
        if raw == "" and item.default is not MISSING:
            continue
        if raw == "":
            problems.append(f"{variable} is not set: {item.metadata['description']}")
            continue
        try:
            values[item.name] = _parse(hints[item.name], raw)
        except ValueError as error:
            problems.append(f"{variable}: {error}")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings(**values)


def table(settings: type[Any]) -> list[tuple[str, str, str]]:
    """Every setting as (variable, default, description), for `tocsin-<service> settings` and the READMEs."""
    return [(item.metadata["variable"], _default(item), item.metadata["description"]) for item in _fields(settings)]


def _fields(settings: type[Any]) -> list[dataclasses.Field[Any]]:
    return [item for item in dataclasses.fields(settings) if "variable" in item.metadata]


def _default(item: dataclasses.Field[Any]) -> str:
    return "(required)" if item.default is MISSING else str(item.default)


def _parse(kind: Any, raw: str) -> Any:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(option for option in get_args(kind) if option is not type(None))
    if kind is bool:
        if raw.lower() not in ("true", "false"):
            raise ValueError(f"{raw!r} is neither true nor false")
        return raw.lower() == "true"
    if kind in (int, float):
        try:
            return kind(raw)
        except ValueError:
            raise ValueError(f"{raw!r} is not a number") from None
    return kind(raw)
