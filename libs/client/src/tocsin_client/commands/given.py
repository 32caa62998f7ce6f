"""What a command is given beside plain words: files, and NAME=VALUE pairs."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tocsin_client.errors import UsageError

STANDARD_INPUT = Path("-")


def content(file: Path, argument: str) -> bytes:
    """What is in a file, or on standard input for "-". UsageError names `argument`."""
    try:
        return sys.stdin.buffer.read() if file == STANDARD_INPUT else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{argument}: cannot read {file}: {error.strerror}") from error


def pairs(texts: Sequence[str], argument: str) -> dict[str, str]:
    """NAME=VALUE texts as a mapping. UsageError names `argument` if one is of another form."""
    for text in texts:
        if not text.partition("=")[1] or not text.partition("=")[0]:
            raise UsageError(f"{argument}: {text!r} must be NAME=VALUE")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}
