"""The watchdog against small servers: a platform that pages or does not, a mail server, an outside checker."""

import ast
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from tocsin_standalone.ports import free_port
from tocsin_watchdog import snapshot as snapshots
from tocsin_watchdog import state as states
from tocsin_watchdog.paging import is_signed, sign
from tocsin_watchdog.settings import Settings, SettingsError, read, table
from tocsin_watchdog.snapshot import Contact, Shift, Snapshot, SnapshotRefused
from tocsin_watchdog.watchdog import Watchdog

SECRET = "whsec_c2VjcmV0LW9mLXRoZS13ZWJob29r"
SOURCES = Path(__file__).parents[1] / "src" / "tocsin_watchdog"


def eventually(condition, within=30.0, what=""):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, what or condition
        time.sleep(0.02)


class Platform:
    """What the watchdog sees of a platform: intake, the page that comes back, and who is on call, over HTTP."""

    def __init__(self):
        self.alerts, self.pages, self.asked = [], True, []
        self.page_to = ""
        platform = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                platform.asked.append(self.path)
                self.answer({})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if self.path == "/webhook/key":
                    platform.alerts.append(body)
                    self.answer({})
                    if body["status"] == "firing" and platform.pages:
                        threading.Thread(target=platform.page, args=(body["title"],), daemon=True).start()
                    return
                assert self.headers["authorization"] == "Bearer api-key"
                self.answer(platform.answers(self.path.rpartition("/")[2], self.path))

            def answer(self, content):
                text = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, title):
        body = json.dumps({"page": {"subject": f"SEV5 {title}"}, "incident": {"title": title}}).encode()
        at = str(int(time.time()))
        headers = {"webhook-id": "p1", "webhook-timestamp": at, "webhook-signature": sign(SECRET, "p1", at, body)}
        urllib.request.urlopen(urllib.request.Request(self.page_to, data=body, headers=headers)).close()

    def answers(self, method, path):
        now = datetime.now(UTC)
        match method:
            case "GetOncall":
                return {"duties": [{"schedule": "primary"}, {"schedule": "secondary"}]}
            case "ListShifts":
                return {
                    "shifts": [
                        {
                            "responder": "alice",
                            "since": (now - timedelta(hours=1)).isoformat(),
                            "until": (now + timedelta(hours=9)).isoformat(),
                        }
                    ]
                }
            case "ListContacts":
                own = {"name": "tocsin-watchdog", "responder": "tocsin-watchdog", "kind": "KIND_WEBHOOK", "address": "http://x"}
                mail = {"name": "alice-mail", "responder": "alice", "kind": "KIND_EMAIL", "address": "alice@example.org"}
                return {"contacts": [{"contactMethod": own}, {"contactMethod": mail}]}
        return {"configuration": {"fallback": {"responders": ["bob"]}}}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Mailbox:
    def __init__(self):
        self.messages = []
        self.refuses = 0

    async def handle_DATA(self, server, session, envelope):
        if self.refuses:
            self.refuses -= 1
            return "451 later"
        self.messages.append((envelope.rcpt_tos, envelope.content.decode()))
        return "250 OK"

    def subjects(self):
        return [line[9:] for _, text in self.messages for line in text.splitlines() if line.startswith("Subject: ")]


@pytest.fixture
def platform():
    platform = Platform()
    yield platform
    platform.close()


@pytest.fixture
def mailbox():
    mailbox = Mailbox()
    mailbox.port = free_port(set())
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port)
    controller.start()
    yield mailbox
    controller.stop()


@pytest.fixture
def settings(tmp_path, platform, mailbox):
    def file(name, text):
        (tmp_path / name).write_text(text + "\n")
        return tmp_path / name

    return Settings(
        home=tmp_path / "home",
        platform=platform.url,
        intake_url_file=file("intake", f"{platform.url}/webhook/key"),
        api_key_file=file("api-key", "api-key"),
        secret_file=file("secret", "signs the snapshot"),
        webhook_secret_file=file("webhook", SECRET),
        listen="127.0.0.1:0",
        interval=0.2,
        round_seconds=0.5,
        misses=2,
        down_seconds=30,
        checker_url=f"{platform.url}/checker",
        smtp_url=f"smtp://127.0.0.1:{mailbox.port}",
    )


@contextmanager
def watching(settings, platform):
    watchdog = Watchdog(settings)
    platform.page_to = f"http://127.0.0.1:{watchdog.server.port}/page"
    thread = threading.Thread(target=watchdog.run)
    thread.start()
    try:
        yield watchdog
    finally:
        watchdog.stop()
        thread.join(20)
        assert not thread.is_alive()


def test_rounds_that_come_through_are_resolved_and_tell_the_outside_checker(settings, platform, mailbox):
    with watching(settings, platform) as watchdog:
        eventually(lambda: "/checker" in platform.asked)
        eventually(lambda: any(alert["status"] == "resolved" for alert in platform.alerts))
        assert watchdog.health()["platform"] == "up"
        assert watchdog.health()["can_reach"] == 1
    assert mailbox.messages == []


def test_when_no_page_comes_back_it_pages_who_is_on_call_once_and_tells_the_end(settings, platform, mailbox):
    with watching(settings, platform) as watchdog:
        eventually(lambda: watchdog.health()["can_reach"] == 1)
        platform.pages = False
        eventually(lambda: mailbox.messages)
        assert mailbox.messages[0][0] == ["alice@example.org"]
        checked = platform.asked.count("/checker")
        time.sleep(1.5)
        assert mailbox.subjects() == ["Tocsin is down"]
        assert platform.asked.count("/checker") == checked, "the outside checker hears nothing while it is down"
        platform.pages = True
        eventually(lambda: "Tocsin works again" in mailbox.subjects())
    assert mailbox.subjects() == ["Tocsin is down", "Tocsin works again"]


def test_an_outage_survives_a_restart_of_the_watchdog_and_is_told_once(settings, platform, mailbox):
    with watching(settings, platform) as watchdog:
        eventually(lambda: watchdog.health()["can_reach"] == 1)
        platform.pages = False
        eventually(lambda: mailbox.messages)
    with watching(settings, platform):
        time.sleep(1.5)
        assert mailbox.subjects() == ["Tocsin is down"]
        platform.pages = True
        eventually(lambda: len(mailbox.messages) == 2)
    assert mailbox.subjects() == ["Tocsin is down", "Tocsin works again"]


def test_a_platform_that_is_gone_is_paged_from_the_kept_snapshot(settings, platform, mailbox):
    with watching(settings, platform) as watchdog:
        eventually(lambda: watchdog.health()["can_reach"] == 1)
    platform.close()
    with watching(settings, platform):
        eventually(lambda: mailbox.messages)
    assert "was not taken" in mailbox.messages[0][1]


def test_a_page_that_nobody_took_is_tried_again(settings, platform, mailbox):
    with watching(settings, platform) as watchdog:
        eventually(lambda: watchdog.health()["can_reach"] == 1)
        mailbox.refuses = 2
        platform.pages = False
        eventually(lambda: mailbox.messages)
    assert mailbox.refuses == 0


def test_a_pause_keeps_it_quiet(settings, platform, mailbox):
    with watching(settings, platform) as watchdog:
        eventually(lambda: watchdog.health()["can_reach"] == 1)
        (settings.home / "pause").write_text(str(time.time() + 3600))
        platform.pages = False
        eventually(lambda: watchdog.health()["platform"] == "down")
        time.sleep(0.5)
        assert mailbox.messages == []
        (settings.home / "pause").write_text("0")
        eventually(lambda: mailbox.messages)


def test_a_peer_that_falls_silent_is_told_of(settings, platform, mailbox):
    from dataclasses import replace

    with watching(replace(settings, peer="http://127.0.0.1:9"), platform):
        eventually(lambda: mailbox.messages)
    assert mailbox.subjects()[0] == "The peer of the Tocsin watchdog is down"


def test_a_test_reaches_who_is_on_call(settings, platform, mailbox):
    with watching(settings, platform) as watchdog:
        eventually(lambda: watchdog.health()["can_reach"] == 1)
        assert watchdog.test() == ["alice by email: sent"]
    assert mailbox.subjects() == ["Test of the Tocsin watchdog"]


def test_only_signed_pages_count(settings, platform):
    with watching(settings, platform) as watchdog:
        url = f"http://127.0.0.1:{watchdog.server.port}/page"
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(urllib.request.Request(url, data=b"{}", headers={"webhook-id": "x", "webhook-timestamp": "1"}))
        assert refused.value.code == 401
    now = time.time()
    at = str(int(now))
    assert is_signed(SECRET, {"webhook-id": "a", "webhook-timestamp": at, "webhook-signature": sign(SECRET, "a", at, b"x")}, b"x", now)
    assert not is_signed(SECRET, {"webhook-id": "a", "webhook-timestamp": at, "webhook-signature": sign(SECRET, "a", at, b"x")}, b"y", now)
    assert not is_signed(
        SECRET, {"webhook-id": "a", "webhook-timestamp": at, "webhook-signature": sign(SECRET, "a", at, b"x")}, b"x", now + 600
    )


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KNOWN = Snapshot(
    taken_at=NOW,
    order=("primary", "secondary"),
    shifts=(
        Shift("primary", "alice", NOW, NOW + timedelta(hours=8)),
        Shift("primary", "carol", NOW + timedelta(hours=8), NOW + timedelta(hours=48)),
        Shift("secondary", "bob", NOW, NOW + timedelta(hours=48)),
    ),
    contacts=(Contact("alice", "EMAIL", "a@x.org"), Contact("bob", "SMS", "+15550100"), Contact("dave", "EMAIL", "d@x.org")),
    fallback=("dave",),
)


def test_primary_is_asked_before_secondary_and_nobody_who_cannot_be_reached():
    assert KNOWN.on_call(NOW) == ["alice", "bob"]
    assert KNOWN.on_call(NOW + timedelta(hours=9)) == ["bob"], "carol has no contact"
    assert KNOWN.on_call(NOW + timedelta(hours=60)) == ["dave"], "after the last shift the fallback"
    assert KNOWN.is_old(NOW + timedelta(hours=48)) and not KNOWN.is_old(NOW + timedelta(hours=47))


def test_a_snapshot_that_somebody_changed_is_refused(tmp_path):
    path = tmp_path / "snapshot.json"
    snapshots.write(path, KNOWN, "secret")
    assert path.stat().st_mode & 0o777 == 0o600
    assert snapshots.read(path, "secret") == KNOWN
    path.write_text(path.read_text().replace("a@x.org", "e@x.org"))
    with pytest.raises(SnapshotRefused, match="does not fit"):
        snapshots.read(path, "secret")
    with pytest.raises(SnapshotRefused, match="none was taken"):
        snapshots.read(tmp_path / "none.json", "secret")


def test_a_state_that_cannot_be_read_is_begun_anew(tmp_path):
    (tmp_path / "state.json").write_text("{half")
    assert states.load(tmp_path / "state.json") == states.State()


def test_settings_name_what_is_missing_or_wrong():
    with pytest.raises(SettingsError, match="TOCSIN_WATCHDOG_HOME is not set"):
        read({})
    needed = dict.fromkeys(("TOCSIN_WATCHDOG_HOME", "TOCSIN_WATCHDOG_INTAKE_URL_FILE", "TOCSIN_WATCHDOG_API_KEY_FILE"), "/tmp/x")
    needed |= {"TOCSIN_WATCHDOG_SECRET_FILE": "/tmp/x", "TOCSIN_WEBHOOK_SECRET_FILE": "/tmp/x", "TOCSIN_WATCHDOG_PLATFORM": "http://x"}
    assert read({**needed, "TOCSIN_WATCHDOG_SCHEDULES": "a, b"}).schedules == ("a", "b")
    for name, wrong in (("PLATFORM", "ftp://x"), ("INTERVAL", "soon"), ("MISSES", "0"), ("LISTEN", "8083")):
        with pytest.raises(SettingsError, match=f"TOCSIN_WATCHDOG_{name}: must be"):
            read({**needed, f"TOCSIN_WATCHDOG_{name}": wrong})


def test_the_readme_has_the_settings():
    assert table() in (SOURCES.parents[1] / "README.md").read_text()


def test_it_needs_the_standard_library_only():
    for path in SOURCES.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.partition(".")[0] in {*sys.stdlib_module_names, "tocsin_watchdog"}, f"{path.name} imports {name}"


def test_it_is_tiny():
    script = "import tocsin_watchdog.watchdog; print(next(line for line in open('/proc/self/status') if line.startswith('VmRSS')))"
    said = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(said.split()[1]) < 48 * 1024, said
