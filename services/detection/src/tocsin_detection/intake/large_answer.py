"""An answer that may be very large: a JSON array that grows item by item, compressed where the client can read that."""

import zlib
from collections.abc import Iterable

from tocsin_detection.intake.intake import JSON, HttpAnswer, Request

# One answer travels as one message between services.
MOST_BYTES = 12 * 1024 * 1024
LEVEL = 1
GZIP = 16 + zlib.MAX_WBITS


class AnswerTooLarge(Exception):
    """More than one answer can hold; the text says what to do."""


class LargeAnswer:
    """Only what the client will get is kept in memory, never all that it is made of: 100,000 alerts compress to a few MiB."""

    def __init__(self, request: Request) -> None:
        self._packed = zlib.compressobj(LEVEL, wbits=GZIP) if _takes_gzip(request.headers.get("accept-encoding", "")) else None
        self._parts: list[bytes] = []
        self._size = 0
        self._empty = True
        self._take(b"[")

    def add(self, items: Iterable[bytes]) -> None:
        """Put JSON values behind those that are there. Raises AnswerTooLarge."""
        joined = b",".join(items)
        if not joined:
            return
        self._take(joined if self._empty else b"," + joined)
        self._empty = False

    def finished(self) -> HttpAnswer:
        """The answer with everything that was added. Raises AnswerTooLarge."""
        self._take(b"]\n")
        if self._packed is None:
            return HttpAnswer(200, JSON, b"".join(self._parts))
        self._keep(self._packed.flush())
        return HttpAnswer(200, JSON, b"".join(self._parts), {"content-encoding": "gzip"})

    def _take(self, content: bytes) -> None:
        self._keep(content if self._packed is None else self._packed.compress(content))

    def _keep(self, content: bytes) -> None:
        self._size += len(content)
        if self._size > MOST_BYTES:
            hint = "filter it" if self._packed else "filter it, or accept gzip"
            raise AnswerTooLarge(f"the answer is larger than {MOST_BYTES // 1024 // 1024} MiB: {hint}")
        self._parts.append(content)


def _takes_gzip(accepted: str) -> bool:
    for coding in accepted.lower().split(","):
        name, _, weight = coding.replace(" ", "").partition(";")
        if name == "gzip":
            return not weight or weight.strip("q=0.") != ""
    return False
