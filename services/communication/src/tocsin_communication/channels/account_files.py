"""Files with accounts at a provider: a JSON list of objects whose fields are all text."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar

_NAME = re.compile(r"[a-z0-9-]{1,40}")


class Named(Protocol):
    """An account by its name."""

    @property
    def name(self) -> str: ...


Kind = TypeVar("Kind", bound=Named)


def read_accounts(path: Path | None, kind: type[Kind], flaw: Callable[[Kind], str]) -> tuple[Kind, ...]:
    """The accounts of a file; none without one. Raises ValueError that names the file and the field, and no secret."""
    if path is None:
        return ()
    try:
        read = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: is not JSON: {error}") from None
    if not isinstance(read, list) or not read or not all(isinstance(entry, dict) for entry in read):
        raise ValueError(f"{path}: must be a list of at least one account")
    accounts = tuple(_account(entry, kind, flaw, f"{path}: account {number}") for number, entry in enumerate(read, 1))
    if len({account.name for account in accounts}) < len(accounts):
        raise ValueError(f"{path}: two accounts have the same name")
    return accounts


def different(accounts: Sequence[Named]) -> None:
    """Raises ValueError if two accounts of one kind, maybe of different files, have the same name."""
    names = [account.name for account in accounts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two accounts have the name {twice[0]!r}")


def _account(entry: dict[str, Any], kind: type[Kind], flaw: Callable[[Kind], str], where: str) -> Kind:
    known = {field.name: field.default is MISSING for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass, which cannot be said
    unknown = set(entry) - set(known)
    if unknown:
        raise ValueError(f"{where}: there is no field {min(unknown)!r}; there are {', '.join(known)}")
    if not all(isinstance(value, str) for value in entry.values()):
        raise ValueError(f"{where}: every field must be text")
    missing = [name for name, required in known.items() if required and not entry.get(name)]
    if missing:
        raise ValueError(f"{where}: {missing[0]} is missing")
    account = kind(**entry)
    problem = "name must be lower-case letters, digits and dashes" if _NAME.fullmatch(account.name) is None else flaw(account)
    if problem:
        raise ValueError(f"{where}: {problem}")
    return account
