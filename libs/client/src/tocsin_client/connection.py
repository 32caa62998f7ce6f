"""Where an installation of Tocsin answers, and the key to show there."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tocsin_client.errors import UsageError

FILE = "connection.json"
LOCAL_HOME = Path(".tocsin")


@dataclass(frozen=True, slots=True)
class Connection:
    """An address and a key.

    `address` is host:port of the public gRPC address, spoken in plain HTTP/2; with "https://" in front, over TLS.
    `console` is the address of the web console; empty where it is not known.
    """

    address: str
    api_key: str = field(repr=False)
    console: str = ""

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a connection.json as `tocsin up` writes it. UsageError if it is not one."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return cls(text(content, "grpc"), text(content, "api_key"), str(content.get("console", "")))
        except FileNotFoundError as missing:
            raise UsageError(f"connection file {path}: no such file. `tocsin up` writes one when the platform is ready.") from missing
        except OSError as error:
            raise UsageError(f"connection file {path}: cannot be read: {error.strerror}") from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise UsageError(f'connection file {path}: must be JSON with the texts "grpc" (host:port) and "api_key": {error}') from error


class NoConnection(UsageError):
    """Nobody has said where the platform is."""


def text(content: Mapping[str, object], name: str) -> str:
    value = content[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is {value!r}")
    return value


def find_connection(environment: Mapping[str, str], given: Path | None = None, here: Path = Path()) -> Connection:
    """The connection that the caller means, by the first of these that is there.

    1. the file `given`; 2. the file that TOCSIN_CONNECTION names; 3. TOCSIN_GRPC with TOCSIN_API_KEY;
    4. ~/.local/share/tocsin/connection.json; 5. .tocsin/connection.json below `here`. NoConnection if there is none.
    """
    if given is not None:
        return Connection.from_file(given)
    if environment.get("TOCSIN_CONNECTION"):
        return Connection.from_file(Path(environment["TOCSIN_CONNECTION"]))
    if environment.get("TOCSIN_GRPC"):
        return Connection(environment["TOCSIN_GRPC"], environment.get("TOCSIN_API_KEY", ""))
    candidates = [data_home(environment) / FILE, here / LOCAL_HOME / FILE]
    for path in candidates:
        if path.is_file():
            return Connection.from_file(path)
    places = " nor ".join(str(path) for path in candidates)
    raise NoConnection(
        f"no connection to Tocsin: neither {places} is there. "
        "Start a platform with `tocsin up`, give --connection FILE, or set TOCSIN_GRPC (host:port) and TOCSIN_API_KEY."
    )


def data_home(environment: Mapping[str, str]) -> Path:
    """Where an installation of this user keeps its data."""
    return Path(environment.get("HOME") or Path.home()) / ".local/share/tocsin"
