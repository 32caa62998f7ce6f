"""The synthetic alert: it goes in where every monitor's does, and is through when its page has come back."""

import json
import secrets
import threading
from collections.abc import Callable

from tocsin_watchdog.platform import NotAnswered, request
from tocsin_watchdog.verdict import Round

SERVICE = "tocsin-watchdog"
TITLE = "Watchdog round"
# How many ended rounds may wait for their alert to be resolved: none is forgotten while the platform is away for an hour.
MOST_OPEN = 100


class Canary:
    """Sends one alert at a time and waits for its page. `open_rounds` are those whose alert was not resolved yet."""

    def __init__(self, intake_url: str, open_rounds: list[str]) -> None:
        self._intake_url = intake_url
        self._heard = threading.Event()
        self._round = ""
        self.open_rounds = open_rounds

    def hear(self, subject: str, incident_title: str) -> None:
        """A page came back, for whichever round."""
        if self._round and self._round in f"{subject} {incident_title}":
            self._heard.set()

    def fly(self, seconds: float, stopped: Callable[[], bool]) -> tuple[Round, str]:
        """One round: what became of it, and why, for people."""
        self._end_rounds()
        self._heard.clear()
        self._round = secrets.token_hex(8)
        self.open_rounds.append(self._round)
        del self.open_rounds[:-MOST_OPEN]
        try:
            self._send(self._round, "firing")
        except NotAnswered as error:
            return Round.NOT_TAKEN, f"was not taken: {error}"
        came = self._wait(seconds, stopped)
        self._end_rounds()
        return (Round.CAME_THROUGH, "") if came else (Round.NOT_BACK, f"was taken, and no page came back within {seconds:g} s")

    def _wait(self, seconds: float, stopped: Callable[[], bool]) -> bool:
        """True once the page is here; looks now and then whether all of this is to end."""
        left = seconds
        while left > 0 and not stopped():
            if self._heard.wait(min(0.5, left)):
                return True
            left -= 0.5
        return self._heard.is_set()

    def _end_rounds(self) -> None:
        """Resolve the alerts of ended rounds; those that cannot be now are resolved the next time."""
        for name in list(self.open_rounds):
            try:
                self._send(name, "resolved")
            except NotAnswered:
                return
            self.open_rounds.remove(name)

    def _send(self, name: str, status: str) -> None:
        alert = {
            "title": f"{TITLE} {name}",
            "key": name,
            "status": status,
            "severity": "info",
            "service": SERVICE,
            # A round of its own is a group of its own: each opens an incident, and is paged.
            "labels": {"alertname": f"{TITLE} {name}"},
        }
        request("POST", self._intake_url, json.dumps(alert).encode(), {"content-type": "application/json"})
