"""What the watchdog asks of the platform, over the Connect protocol: is anybody there, who is on call, how are they reached."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tocsin_watchdog.snapshot import REACH, Contact, Shift, Snapshot, instant, merged, names

RESPONSE = "tocsin.response.v1.ResponseService"
CONTACTS = "tocsin.communication.v1.ContactService"
# Asked one by one; an installation with more names those that matter in TOCSIN_WATCHDOG_SCHEDULES.
MOST_SCHEDULES = 100
LONGEST_ANSWER = 16 * 1024 * 1024
SECONDS = 10.0


class NotAnswered(Exception):
    """The platform did not give what was asked for; the text says why."""


class Platform:
    """The platform as a program reaches it."""

    def __init__(self, address: str, api_key: str) -> None:
        self._address = address
        self._api_key = api_key

    def probe(self) -> None:
        """Raises NotAnswered unless the edge says that it is ready."""
        request("GET", f"{self._address}/readyz", seconds=5.0)

    def snapshot(self, wanted: Sequence[str], now: datetime) -> Snapshot:
        """Who is on call in the next two days. `wanted` are the schedules, primary first; none is all. Raises NotAnswered."""
        # A schedule may have several entries: several people can be on call at once.
        known = list(dict.fromkeys(names(self._ask(RESPONSE, "GetOncall", {}).get("duties", []), "schedule")))
        order = [name for name in wanted if name in known] if wanted else known[:MOST_SCHEDULES]
        shifts = [shift for schedule in order for shift in self._shifts(schedule, now)]
        contacts = self._contacts()
        fallback = self._ask(RESPONSE, "ExportConfiguration", {}).get("configuration", {}).get("fallback", {})
        return Snapshot(
            taken_at=now.astimezone(UTC),
            order=tuple(order),
            shifts=merged(shifts),
            contacts=tuple(_contact(found) for found in contacts if not found.get("name", "").startswith("tocsin-")),
            fallback=tuple(fallback.get("responders", [])),
        )

    def _shifts(self, schedule: str, now: datetime) -> list[Shift]:
        ends = now + REACH
        answer = self._ask(RESPONSE, "ListShifts", {"schedule": schedule, "from": _text(now), "until": _text(ends)})
        return [
            Shift(schedule, duty["responder"], instant(duty.get("since") or _text(now)), instant(duty.get("until") or _text(ends)))
            for duty in answer.get("shifts", [])
            if duty.get("responder")
        ]

    def _contacts(self) -> list[dict[str, Any]]:
        """Every contact method, whether files hold it or somebody added it by hand."""
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            answer = self._ask(CONTACTS, "ListContacts", {"pageSize": 500, "pageToken": token})
            found += [each["contactMethod"] for each in answer.get("contacts", []) if each.get("contactMethod")]
            token = answer.get("nextPageToken", "")
            if not token:
                return found

    def _ask(self, service: str, method: str, message: Mapping[str, Any]) -> dict[str, Any]:
        headers = {"content-type": "application/json", "authorization": f"Bearer {self._api_key}"}
        answer = request("POST", f"{self._address}/{service}/{method}", json.dumps(message).encode(), headers)
        try:
            found = json.loads(answer)
        except ValueError as error:
            raise NotAnswered(f"{method} answered no JSON") from error
        if not isinstance(found, dict):
            raise NotAnswered(f"{method} answered no JSON object")
        return found


def request(method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, seconds: float = SECONDS) -> bytes:
    """The answer to one HTTP request that must succeed. Raises NotAnswered with the reason."""
    asked = urllib.request.Request(url, data=body, headers={"user-agent": "tocsin-watchdog", **(headers or {})}, method=method)  # noqa: S310 - settings allow http and https only
    try:
        with _OPENER.open(asked, timeout=seconds) as answer:
            return bytes(answer.read(LONGEST_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            raise NotAnswered(f"HTTP {error.code} {_excerpt(error)}".strip()) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise NotAnswered(str(reason) or type(error).__name__) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to somebody else."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""
        return


# Without the proxies of the environment: the way to the platform must not hang on one more part.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


def _excerpt(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(200).decode(errors="replace").replace("\n", " ")
    except OSError:
        return ""


def _contact(found: Mapping[str, str]) -> Contact:
    return Contact(found.get("responder", ""), found.get("kind", "").removeprefix("KIND_"), found.get("address", ""))


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
