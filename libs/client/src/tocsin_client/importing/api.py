"""Asking the API of another system: patiently, and with an error that says what to mend."""

import time
from collections.abc import Mapping
from typing import Any

import httpx

from tocsin_client.errors import TocsinError

MOST_TRIES = 8
LONGEST_WAIT = 60.0
SECONDS = 30.0
MOST_PAGES = 1000


class ImportFailed(TocsinError):
    """The other system did not give what was asked for."""


class Api:
    """GET with the headers of one system; asks again when it is told to wait, or when the other side stumbles.

    `beside` is a second address of the same system, to which the headers may be sent too.
    """

    def __init__(self, base: str, headers: Mapping[str, str], beside: str = "") -> None:
        self._base = base.rstrip("/")
        self.beside = beside.rstrip("/")
        self._client = httpx.Client(headers={"accept": "application/json", **headers}, timeout=SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path, or at a whole address that an earlier answer named. Raises ImportFailed."""
        url = path if path.startswith(("http://", "https://")) else f"{self._base}{path}"
        if not any(own and (url == own or url.startswith(f"{own}/")) for own in (self._base, self.beside)):
            raise ImportFailed(f"{url} is not of {self._base}; the key is not sent there")
        said = "no answer"
        for attempt in range(MOST_TRIES):
            try:
                answer = self._client.get(url, params=query or None)
            except httpx.HTTPError as error:
                said = str(error) or type(error).__name__
            else:
                if answer.is_success:
                    return _json(answer)
                said = f"HTTP {answer.status_code} {answer.text[:200]}"
                if answer.status_code not in (408, 429) and answer.status_code < 500:
                    break
                self._wait(attempt, answer.headers.get("retry-after", ""))
                continue
            self._wait(attempt, "")
        raise ImportFailed(f"GET {url}: {said}")

    def maybe(self, path: str, **query: Any) -> Any:
        """The JSON at a path; None where this account or plan has no such thing (402, 403, 404)."""
        try:
            return self.get(path, **query)
        except ImportFailed as error:
            if any(f": HTTP {status} " in str(error) for status in (402, 403, 404)):
                return None
            raise

    @staticmethod
    def _wait(attempt: int, asked: str) -> None:
        try:
            seconds = float(asked)
        except ValueError:
            seconds = 0.5 * 2**attempt
        time.sleep(min(seconds, LONGEST_WAIT))


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise ImportFailed(f"GET {answer.url}: the answer is not JSON") from error
