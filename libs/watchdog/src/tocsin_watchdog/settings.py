"""What the watchdog is told through its environment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class SettingsError(Exception):
    """A setting is missing or cannot be used; the text names it and says what would do."""


def _setting(name: str, says: str, default: Any = None, *, required: bool = False) -> Any:
    given: dict[str, Any] = {} if required else {"default": default}
    return dataclass_field(**given, metadata={"name": name, "says": says})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that can be decided from outside. Times are seconds."""

    home: Path = _setting("TOCSIN_WATCHDOG_HOME", "folder for the snapshot and the state; they survive a restart", required=True)
    platform: str = _setting("TOCSIN_WATCHDOG_PLATFORM", "the platform's HTTP address: https://tocsin.example.org", required=True)
    intake_url_file: Path = _setting(
        "TOCSIN_WATCHDOG_INTAKE_URL_FILE", "file with the address that takes the synthetic alert (holds a key)", required=True
    )
    api_key_file: Path = _setting("TOCSIN_WATCHDOG_API_KEY_FILE", "file with the API key that reads who is on call", required=True)
    secret_file: Path = _setting("TOCSIN_WATCHDOG_SECRET_FILE", "file with the secret that signs the snapshot (HMAC-SHA256)", required=True)
    webhook_secret_file: Path = _setting(
        "TOCSIN_WEBHOOK_SECRET_FILE", "file with the Standard Webhooks secret (whsec_…) that the platform signs pages with", required=True
    )
    listen: str = _setting(
        "TOCSIN_WATCHDOG_LISTEN", "host:port where the synthetic page and questions after health arrive", "127.0.0.1:8083"
    )
    schedules: tuple[str, ...] = _setting(
        "TOCSIN_WATCHDOG_SCHEDULES", "whose people on call are paged, primary first: primary,secondary; empty: all schedules", ()
    )
    interval: float = _setting("TOCSIN_WATCHDOG_INTERVAL", "seconds from one synthetic alert to the next", 60.0)
    round_seconds: float = _setting("TOCSIN_WATCHDOG_ROUND_SECONDS", "how long a synthetic alert may take to come back as a page", 30.0)
    misses: int = _setting("TOCSIN_WATCHDOG_MISSES", "after how many rounds without a page the platform counts as down", 3)
    down_seconds: float = _setting("TOCSIN_WATCHDOG_DOWN_SECONDS", "after how many seconds without any answer it counts as down", 60.0)
    checker_url: str = _setting(
        "TOCSIN_WATCHDOG_CHECKER_URL", "asked with GET after each round that came through; an outside dead man's switch", ""
    )
    peer: str = _setting("TOCSIN_WATCHDOG_PEER", "the address of another watchdog, to watch each other: http://other:8083", "")
    smtp_url: str = _setting(
        "TOCSIN_SMTP_URL", "smtp://[user:password@]host:port[?starttls=always|never|auto] or smtps://…; empty: no e-mail", ""
    )
    email_from: str = _setting("TOCSIN_EMAIL_FROM", "the mailbox that its pages come from", "tocsin@localhost")
    twilio_accounts_file: Path | None = _setting(
        "TOCSIN_TWILIO_ACCOUNTS_FILE", "the same file that communication reads; empty: no SMS", None
    )


def read(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment. Raises SettingsError naming the variable."""
    given: dict[str, Any] = {}
    for field in fields(Settings):
        name, text = field.metadata["name"], environment.get(field.metadata["name"], "").strip()
        if text:
            given[field.name] = _read(name, text, _READERS.get(field.name, str))
        elif field.name in _REQUIRED:
            raise SettingsError(f"{name} is not set: {field.metadata['says']}")
    return Settings(**given)


def table() -> str:
    """The settings as a Markdown table."""
    lines = ["| Variable | Default | |", "|---|---|---|"]
    for field in fields(Settings):
        default = "(required)" if field.name in _REQUIRED else _shown(field.default)
        lines.append(f"| `{field.metadata['name']}` | {default} | {field.metadata['says']} |")
    return "\n".join(lines)


def secret(path: Path) -> str:
    """The text of a secret file. Raises SettingsError."""
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    if not text:
        raise SettingsError(f"{path} is empty")
    return text


def address(text: str) -> tuple[str, int]:
    """(host, port) of host:port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be host:port")
    return host, int(port)


def _read(name: str, text: str, reader: Callable[[str], Any]) -> Any:
    try:
        return reader(text)
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error


def _web(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https address")
    return text.rstrip("/")


def _listen(text: str) -> str:
    address(text)
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.05 <= seconds <= 86400:
        raise ValueError("must be seconds, from 0.05 to 86400")
    return seconds


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise ValueError("must be a number from 1 to 100")
    return int(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _shown(default: object) -> str:
    if default in (None, "", ()):
        return ""
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


_REQUIRED = frozenset({"home", "platform", "intake_url_file", "api_key_file", "secret_file", "webhook_secret_file"})
_READERS: Mapping[str, Callable[[str], Any]] = {
    "home": Path,
    "platform": _web,
    "intake_url_file": Path,
    "api_key_file": Path,
    "secret_file": Path,
    "webhook_secret_file": Path,
    "listen": _listen,
    "schedules": _names,
    "interval": _seconds,
    "round_seconds": _seconds,
    "misses": _count,
    "down_seconds": _seconds,
    "checker_url": _web,
    "peer": _web,
    "twilio_accounts_file": Path,
}
