"""The watch: a synthetic alert now and then, a look whether anybody is there in between, and pages when neither comes back."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tocsin_watchdog import snapshot as snapshots
from tocsin_watchdog import state as states
from tocsin_watchdog.canary import Canary
from tocsin_watchdog.paging import Pager, twilio_account
from tocsin_watchdog.platform import NotAnswered, Platform, request
from tocsin_watchdog.server import HEALTH, Server
from tocsin_watchdog.settings import Settings, address, secret
from tocsin_watchdog.snapshot import Snapshot, SnapshotRefused
from tocsin_watchdog.verdict import Limits, Round, Say, Watch, after_probe, after_round, after_saying, to_say

log = logging.getLogger("tocsin_watchdog")
REFRESH_SECONDS = 300.0
PROBE_SECONDS = 10.0
PAUSE = "pause"
SENT = ": sent"


class Watchdog:
    """One watchdog. Everything happens in the thread that runs it, but for the pages that come back."""

    def __init__(self, settings: Settings) -> None:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._settings = settings
        self._secret = secret(settings.secret_file)
        self._webhook_secret = secret(settings.webhook_secret_file)
        self._state_file = settings.home / "state.json"
        self._pause_file = settings.home / PAUSE
        self._snapshot_file = settings.home / "snapshot.json"
        self.state = states.load(self._state_file)
        self._limits = Limits(settings.misses, settings.down_seconds)
        self._platform = Platform(settings.platform, secret(settings.api_key_file))
        self._canary = Canary(secret(settings.intake_url_file), self.state.open_rounds)
        self._pager = Pager(settings.smtp_url, settings.email_from, self._webhook_secret, twilio_account(settings.twilio_accounts_file))
        self.server = Server(address(settings.listen), self._webhook_secret, self._canary.hear, self.health)
        self._stop = threading.Event()
        self._snapshot_problem = ""

    def run(self) -> None:
        """Watch until `stop`."""
        self.server.start()
        log.info("watching %s; pages come back at port %d", self._settings.platform, self.server.port)
        next_round, next_refresh = time.monotonic(), time.monotonic()
        probe_every = min(PROBE_SECONDS, self._settings.interval / 2, self._settings.down_seconds / 3)
        try:
            while not self._stop.is_set():
                if time.monotonic() >= next_refresh and self._refresh():
                    # Soon again while nobody can be reached: people enter themselves after the start.
                    next_refresh = time.monotonic() + (REFRESH_SECONDS if self._reachable() else self._settings.interval / 2)
                if time.monotonic() >= next_round:
                    next_round = time.monotonic() + self._settings.interval
                    self._fly()
                    self._look_at_peer()
                self._probe()
                self._tell()
                self.state.save(self._state_file)
                self._stop.wait(max(0.0, min(probe_every, next_round - time.monotonic())))
        finally:
            self.server.shutdown()
            self.server.server_close()

    def stop(self) -> None:
        """End the watch soon. A stop that is wanted is no outage."""
        self._stop.set()

    def test(self) -> list[str]:
        """Page whom an outage would page now, as a test; one line for each message."""
        return self._page_people("Test of the Tocsin watchdog", "This is a test. Nothing is wrong.", self._whom())

    def health(self) -> Mapping[str, Any]:
        """How it stands, for people and for a peer."""
        known = self._known()
        platform = self.state.platform
        return {
            "well": True,
            "platform": "down" if platform.is_down else "failing" if platform.misses else "up",
            "why": platform.why,
            "last_round_came_through_at": _text(self.state.last_came_through),
            "paused_until": _text(platform.paused_until) if platform.paused_until > time.time() else None,
            "snapshot_taken_at": known.taken_at.isoformat() if known else None,
            "snapshot_problem": self._snapshot_problem or None,
            "can_reach": len(self._reachable()),
        }

    def _fly(self) -> None:
        outcome, why = self._canary.fly(self._settings.round_seconds, self._stop.is_set)
        if self._stop.is_set():
            return
        before = self.state.platform
        self.state.platform = after_round(before, outcome, why, time.time(), self._limits)
        if outcome is Round.CAME_THROUGH:
            self.state.last_came_through = time.time()
            self._tell_checker()
        else:
            log.warning("a synthetic alert %s (%d in a row)", why, self.state.platform.misses)

    def _probe(self) -> None:
        answered, why = _tried(self._platform.probe)
        self.state.platform = after_probe(self.state.platform, answered, why, time.time(), self._limits)

    def _look_at_peer(self) -> None:
        """Two watchdogs watch each other: the one that still runs says that the other does not."""
        if not self._settings.peer:
            return
        answered, why = _tried(lambda: request("GET", self._settings.peer + HEALTH, seconds=5.0))
        outcome = Round.CAME_THROUGH if answered else Round.NOT_TAKEN
        self.state.peer = after_round(self.state.peer, outcome, f"failed: {why}", time.time(), self._limits)

    def _tell_checker(self) -> None:
        """An outside checker that hears nothing any more wakes somebody itself, also when this whole machine is gone."""
        if self._settings.checker_url:
            answered, why = _tried(lambda: request("GET", self._settings.checker_url, seconds=5.0))
            if not answered:
                log.warning("the outside checker was not reached: %s", why)

    def _refresh(self) -> bool:
        try:
            taken = self._platform.snapshot(self._settings.schedules, datetime.now(UTC))
        except (NotAnswered, KeyError, ValueError, TypeError, AttributeError) as error:
            log.warning("who is on call could not be asked: %s", error)
            return False
        snapshots.write(self._snapshot_file, taken, self._secret)
        return True

    def _tell(self) -> None:
        paused_until = _seconds_in(self._pause_file)
        self.state.platform = replace(self.state.platform, paused_until=paused_until)
        self.state.peer = replace(self.state.peer, paused_until=paused_until)
        self.state.platform = self._tell_about(self.state.platform, "Tocsin", self._settings.platform)
        self.state.peer = self._tell_about(self.state.peer, "The peer of the Tocsin watchdog", self._settings.peer)

    def _tell_about(self, watch: Watch, what: str, where: str) -> Watch:
        said = to_say(watch, time.time())
        if said is Say.NOTHING:
            return watch
        subject, text = _words(said, watch, what, where)
        whom = list(self.state.told_people) if said is Say.UP_AGAIN else self._whom()
        lines = self._page_people(subject, self._with_caveats(text), whom)
        for line in lines:
            log.warning("%s: %s", subject, line)
        if said is not Say.UP_AGAIN and not any(line.endswith(SENT) for line in lines):
            return watch  # nobody was told: it is tried again at the next look
        self.state.told_people = [] if said is Say.UP_AGAIN else list(dict.fromkeys([*self.state.told_people, *whom]))
        return after_saying(watch, said, time.time())

    def _reachable(self) -> list[str]:
        """Whom of those on call it could page by itself."""
        known = self._known()
        return [name for name in self._whom() if any(map(self._pager.can, known.contacts_of(name)))] if known else []

    def _whom(self) -> list[str]:
        known = self._known()
        return known.on_call(datetime.now(UTC)) if known else []

    def _page_people(self, subject: str, text: str, whom: list[str]) -> list[str]:
        """Every person over every contact that can be used from here; what became of each message."""
        known = self._known()
        if known is None or not whom:
            return [f"nobody is known who could be paged: {self._snapshot_problem or 'nobody has a contact method'}"]
        return [self._page_one(contact, subject, text) for name in whom for contact in known.contacts_of(name)]

    def _page_one(self, contact: snapshots.Contact, subject: str, text: str) -> str:
        answered, why = _tried(lambda: self._pager.page(contact, subject, text))
        return f"{contact.responder} by {contact.kind.lower()}: {'sent' if answered else f'not sent: {why}'}"

    def _known(self) -> Snapshot | None:
        try:
            known = snapshots.read(self._snapshot_file, self._secret)
        except SnapshotRefused as error:
            self._snapshot_problem = f"the snapshot is refused: {error}"
            return None
        self._snapshot_problem = "the snapshot is older than 48 hours" if known.is_old(datetime.now(UTC)) else ""
        return known

    def _with_caveats(self, text: str) -> str:
        return f"{text}\n\nCaution: {self._snapshot_problem}; the wrong people may be asked." if self._snapshot_problem else text


def _words(said: Say, watch: Watch, what: str, where: str) -> tuple[str, str]:
    if said is Say.UP_AGAIN:
        return f"{what} works again", f"{what} at {where} works again: a synthetic alert came through as a page."
    since = _text(watch.failing_since if watch.failing_since is not None else watch.down_since)
    subject = f"{what} is down" if said is Say.DOWN else f"{what} is still down"
    return subject, (
        f"{what} at {where} does not page any more, since {since}: {watch.why}.\n"
        "Alerts of your monitors may wait unheard. This message comes from its watchdog, past everything else.\n"
        "Look with `tocsin doctor` on its machine; pause the watchdog with `tocsin-watchdog pause 30m` while you work on it."
    )


def _tried(act: Callable[[], object]) -> tuple[bool, str]:
    """Whether it worked, and why not."""
    try:
        act()
    except NotAnswered as error:
        return False, str(error)
    return True, ""


def _seconds_in(path: Path) -> float:
    """The instant that a file holds, in seconds since 1970; 0 if it holds none."""
    try:
        return float(path.read_text())
    except (OSError, ValueError):
        return 0.0


def _text(seconds: float | None) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if seconds is not None else None
