"""Secrets by reference: files that only their owner reads; what was read once is blacked out wherever it turns up."""

import base64
import json
import logging
import re
import stat
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, quote_plus

from tocsin_chassis.telemetry import JsonFormatter
from tocsin_runner.assignment import Json, Refused

REFERENCE = "secret:"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SHORTEST = 6
LARGEST = 65_536
REMEMBERED = 500


class Redactor:
    """Knows every secret that this process has read, in the forms in which it may turn up."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._forms: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None

    def add(self, name: str, value: str) -> None:
        """Black this out from now on. What has not been used for long makes room: tokens come and go."""
        known = (name, value) in self._values
        self._values[name, value] = None
        self._values.move_to_end((name, value))
        if known:
            return
        if len(self._values) > REMEMBERED:
            self._values.popitem(last=False)
        self._forms = {form: f"[{REFERENCE}{name}]" for name, value in reversed(self._values) for form in _forms(value)}
        longest_first = sorted(self._forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def text(self, text: str) -> str:
        """The text without secrets."""
        return text if self._pattern is None else self._pattern.sub(lambda found: self._forms[found[0]], text)

    def bytes(self, content: bytes) -> bytes:
        """The content without secrets."""
        if self._pattern is None:
            return content
        return self.text(content.decode("latin-1")).encode("latin-1", errors="replace")

    def json(self, value: Json) -> Json:
        """The values without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(name)): self.json(item) for name, item in value.items()}
        return [self.json(item) for item in value] if isinstance(value, list | tuple) else value


class Secrets:
    """The folder of secrets. A playbook may use one only towards hosts that the operator listed for it."""

    def __init__(self, folder: Path | None, hosts: Mapping[str, frozenset[str]], redactor: Redactor) -> None:
        self._folder = folder
        self._hosts = hosts
        self.redactor = redactor

    def for_host(self, reference: str, host: str) -> str:
        """The value of secret:NAME, to be sent to a host that a playbook names. Raises Refused."""
        name = named(reference)
        if host.lower() not in self._hosts.get(name, frozenset()):
            raise Refused(f"the secret {name} may not be sent to {host}: list the host under secrets.{name}.hosts in the connections file")
        return self.read(reference)

    def read(self, reference: str) -> str:
        """The value of secret:NAME, for a connection that the operator wrote. Raises Refused."""
        name = named(reference)
        if self._folder is None:
            raise Refused(f"the secret {name} cannot be read: TOCSIN_RUNNER_SECRETS names no folder")
        value = _content(self._folder / name, name)
        if len(value) < SHORTEST:
            raise Refused(f"the secret {name} is shorter than {SHORTEST} characters and could not be blacked out")
        self.redactor.add(name, value)
        return value

    def resolve(self, reference: Json) -> str:
        """What a connection says: a reference to a secret, or plain text. Raises Refused."""
        text = str(reference)
        return self.read(text) if text.startswith(REFERENCE) else text


class RedactingFormatter(JsonFormatter):
    """Log lines without secrets, whoever wrote them."""

    def __init__(self, service: str, redactor: Redactor) -> None:
        super().__init__(service)
        self._redactor = redactor

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.text(super().format(record))


def named(reference: Json) -> str:
    """The name in secret:NAME. Raises Refused: whatever is written in a playbook is no secret."""
    text = str(reference)
    name = text.removeprefix(REFERENCE)
    if not text.startswith(REFERENCE) or NAME.fullmatch(name) is None:
        raise Refused("a playbook names secrets only by reference: write secret:NAME")
    return name


def _content(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise Refused(f"the secret {name} can be read by others: chmod 600 it")
            return file.read(LARGEST).decode().rstrip("\r\n")
    except FileNotFoundError as error:
        raise Refused(f"there is no secret {name}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the secret {name} cannot be read: {type(error).__name__}") from error


def _forms(value: str) -> list[str]:
    """The value and how it looks in addresses, JSON, Basic credentials, and line by line."""
    raw = value.encode()
    forms = {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        raw.decode("latin-1"),
        raw.hex(),
        *_base64(raw),
    }
    if "\n" in value:
        forms |= {line.strip() for line in value.splitlines() if len(line.strip()) >= 2 * SHORTEST}
    return [form for form in forms if len(form) >= SHORTEST]


def _base64(raw: bytes) -> set[str]:
    """The part of its Base64 form that does not depend on what stands before and after it."""
    found = set()
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(b"\0" * before + raw).decode().rstrip("=")
            # The first characters mix with what stands before, the last one with what comes after.
            middle = text[(0, 2, 3)[before] : len(text) - 1]
            if len(middle) >= SHORTEST:
                found.add(middle)
    return found
