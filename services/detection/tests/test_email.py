"""Mail as signals: what monitors' subjects say, threads, and whatever else a message may hold."""

from email.message import EmailMessage

import pytest
from detection_words import NOON, request
from hypothesis import given
from hypothesis import strategies as st
from tocsin.access.v1.access_pb2 import Role
from tocsin.detection.v1 import detection_service_pb2 as pb
from tocsin.detection.v1.alert_pb2 import Alert
from tocsin.detection.v1.detection_service_pb2_grpc import DetectionServiceStub
from tocsin.detection.v1.integration_pb2 import Configuration, Integration

from tocsin_chassis.grpc.caller import Caller
from tocsin_detection.app import detection
from tocsin_detection.intake import email
from tocsin_detection.intake.email import State, subject_of
from tocsin_detection.intake.intake import Report
from tocsin_detection.intake.plain_text import from_html
from tocsin_detection.settings import DetectionSettings
from tocsin_detection.signal import Signal
from tocsin_testkit.world import World


def read(body: bytes, method: str = "POST") -> Report:
    return email.read(request("email", body, method=method, path="/"))


def signal_of(body: bytes) -> Signal:
    [signal] = read(body).signals
    return signal


@pytest.mark.parametrize(
    ("problem", "recovery", "severity"),
    [
        ("** PROBLEM Service Alert: web1/HTTP is CRITICAL **", "** RECOVERY Service Alert: web1/HTTP is OK **", ""),
        ("** PROBLEM Host Alert: web1 is DOWN **", "** RECOVERY Host Alert: web1 is UP **", ""),
        ("Problem: High CPU on db-1", "Resolved in 5m 3s: High CPU on db-1", ""),
        ("[FIRING:2] DiskFull (db-1)", "[RESOLVED] DiskFull (db-1)", ""),
        ("[FIRING:1, RESOLVED:1] DiskFull", "[RESOLVED] DiskFull", ""),
        ('ALARM: "cpu" in EU (Ireland)', 'OK: "cpu" in EU (Ireland)', ""),
        ("Monitor is DOWN: shop", "Monitor is UP: shop", ""),
        ("DOWN alert: shop is DOWN", "UP alert: shop is UP", ""),
        ("[Triggered] Queue is long", "[Recovered] Queue is long", ""),
        ("CRITICAL: disk of db-1", "Re: [OK] disk of  DB-1", "critical"),
        ("[Alert] disk of db-1", "[Alert] OK: disk of db-1", ""),
        ("disk of db-1", "AW: Re: RESOLVED: disk of db-1", ""),
    ],
)
def test_problem_and_recovery_are_about_the_same_thing(problem: str, recovery: str, severity: str) -> None:
    fires, ends = (signal_of(f"Subject: {subject}\r\n\r\ntext".encode()) for subject in (problem, recovery))
    assert fires.fingerprint == ends.fingerprint
    assert (fires.resolved, fires.severity, ends.resolved, ends.ends_at) == (False, severity, True, NOON)


@pytest.mark.parametrize(
    ("subject", "about", "state"),
    [
        ("Down the rabbit hole", "Down the rabbit hole", State.FIRING),
        ("Up to date: no", "Up to date: no", State.FIRING),
        ("[Up to date] report", "[Up to date] report", State.FIRING),
        ("OK", "OK", State.FIRING),
        ("[RESOLVED]", "[RESOLVED]", State.RESOLVED),
        ("** ACKNOWLEDGEMENT Host Alert: web1 is DOWN **", "Host Alert: web1 is DOWN", State.ACKNOWLEDGED),
        ("", "", State.FIRING),
    ],
)
def test_only_what_stands_where_monitors_write_it_is_a_state(subject: str, about: str, state: State) -> None:
    assert (subject_of(subject).about, subject_of(subject).state) == (about, state)


def test_headers_of_tocsins_own_outweigh_the_subject() -> None:
    lines = b"Subject: OK: x\nX-Tocsin-Key: db-1/disk\nX-Tocsin-Status: firing\nX-Tocsin-Severity: sev1\nX-Tocsin-Service: shop\n\n"
    signal = signal_of(lines + b"text")
    assert (signal.fingerprint, signal.resolved, signal.severity, signal.service) == ("db-1/disk", False, "sev1", "shop")


def test_text_and_words_of_any_charset_are_read() -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["Message-ID"] = "Störung: Köln fällt aus ☃", "Überwachung <Nagios@Example.test>", "<1@x>"
    message.set_content("Der Kühler ist aus.\n", charset="iso-8859-1")
    message.add_alternative("<p>another</p>", subtype="html")
    signal = signal_of(message.as_bytes())
    assert (signal.title, signal.description) == ("Störung: Köln fällt aus ☃", "Der Kühler ist aus.")
    assert (signal.labels, signal.by, signal.delivery) == ({"from": "nagios@example.test"}, "nagios@example.test", "<1@x>")
    raw = signal_of("Subject: Köln\nContent-Type: text/plain; charset=no-such-thing\n\nKühl \0 \xff".encode())
    assert raw.title == "Köln" and raw.description.startswith("Kühl")


def test_html_alone_becomes_text_and_runs_nothing() -> None:
    message = EmailMessage()
    message["Subject"] = "x"
    page = (
        "<style>p{}</style><h1>Disk</h1><p>of <b>db-1</b> &lt;full&gt;<script>alert(1)</script><table><tr><td>a</td><td>b</td></tr></table>"
    )
    message.set_content(page, subtype="html")
    assert signal_of(message.as_bytes()).description == "Disk\nof db-1 <full>\na  b"


def test_attachments_are_no_text() -> None:
    message = EmailMessage()
    message["Subject"] = "x"
    message.set_content("see the picture")
    message.add_attachment(b"\x89PNG" * 100_000, maintype="image", subtype="png", filename="graph.png")
    message.add_attachment("a log", filename="log.txt")
    assert signal_of(message.as_bytes()).description == "see the picture"


def test_automatic_replies_report_nothing() -> None:
    report = read(b"Subject: Re: DOWN: x\nAuto-Submitted: auto-replied\n\nI am on holiday")
    assert (report.signals, report.rejections, report.refusal) == ((), (), None)


def test_whether_an_address_exists_can_be_asked() -> None:
    refusal = read(b"", method="HEAD").refusal
    assert refusal is not None and refusal.status == 204


@pytest.mark.parametrize("body", [b"", b"\n\n", b"Subject:\n\n  \n", b"\0", b"Content-Type: multipart/mixed; boundary=b\n\n--b--\n"])
def test_a_message_that_says_nothing_is_refused_in_words(body: bytes) -> None:
    report = read(body)
    assert report.signals == () or report.signals[0].title
    assert report.signals or "subject" in report.rejections[0].reason


@pytest.mark.parametrize(
    "body",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth) for depth in range(15_000)),
        b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
        b"Subject: " + b"=?utf-8?q?x?= " * 70_000,
        b"Subject: =?utf-8?b?" + b"=" * 5_000 + b"?=\r\n\r\n",
        b"Subject: x\r\nContent-Type: text/html\r\n\r\n" + b"<div>" * 100_000,
        b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 100_000,
        b"Subject: x\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"A" * 100_001,
        b"Subject: x\r\nContent-Type: text/plain; charset*=%00''%ff; name*9=x\r\n\r\nx",
        b"Message-ID: " + b"<" * 900_000,
    ],
)
def test_hostile_messages_break_nothing(body: bytes) -> None:
    report = read(body)
    assert report.signals or report.rejections


@given(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"Subject: ", b"\n", b"\n\n", b"=?utf-8?q?=00?=", b"Content-Type: text/html", b"<p>", b"OK: "])),
)
def test_no_bytes_break_it_and_what_it_reads_can_be_kept(tail: bytes, parts: list[bytes]) -> None:
    for signal in read(b"".join(parts) + tail).signals:
        for text in (signal.title, signal.description, signal.fingerprint, signal.delivery, *signal.labels.values()):
            assert "\0" not in text
            text.encode()
        assert signal.title and signal.fingerprint


@given(st.text(max_size=200))
def test_no_html_breaks_it(page: str) -> None:
    assert isinstance(from_html(page.encode("utf-8", "replace").decode()), str)


async def test_a_thread_is_about_one_thing_and_a_message_that_comes_again_counts_once(world: World) -> None:
    async with world.running(detection(world.settings("detection", DetectionSettings), clock=world.clock)) as app:
        edge = world.stub(DetectionServiceStub, app, Caller("edge", service="edge"))
        admin = world.stub(DetectionServiceStub, app, Caller("ada", Role.ROLE_ADMIN))
        configuration = Configuration(integrations=[Integration(name="mail", kind="email")])
        await admin.ApplyConfiguration(pb.ApplyConfigurationRequest(configuration=configuration))
        key = (await admin.RotateIntegrationKey(pb.RotateIntegrationKeyRequest(name="mail"))).key

        async def mail(*lines: str) -> int:
            body = "\r\n".join((*lines, "", "text")).encode()
            request = pb.SubmitReportRequest(integration_key=key, kind="email", method="POST", path="/", body=body)
            return int((await edge.SubmitReport(request)).status)

        for _ in range(2):
            assert await mail("Subject: CPU of db-1 at 97%", "Message-ID: <1@m>") == 202
        assert await mail("Subject: CPU of db-1 at 99%", "Message-ID: <2@m>", "In-Reply-To: <1@m>") == 202
        [alert] = (await admin.ListAlerts(pb.ListAlertsRequest())).alerts
        assert (alert.occurrences, alert.title) == (2, "CPU of db-1 at 99%")
        assert await mail("Subject: OK: CPU of db-1 at 12%", "Message-ID: <3@m>", "References: <0@m> <2@m>") == 202
        [alert] = (await admin.ListAlerts(pb.ListAlertsRequest())).alerts
        assert alert.state == Alert.STATE_RESOLVED
        assert await mail("Subject: another", "Message-ID: <4@m>", "References: <unknown@m>") == 202
        assert len((await admin.ListAlerts(pb.ListAlertsRequest())).alerts) == 2
