"""What a command asks of a person before it does what cannot be undone."""

import sys

from tocsin_client.errors import UsageError
from tocsin_client.screen import plain


def agree(question: str, yes: bool) -> None:
    """Ask a person, where there is one. Without a terminal `--yes` is needed. UsageError if the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask on: say --yes")
    print(plain(f"{question} [y/N] "), end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise UsageError("not done")
