"""Real programs talk with an installation as they are: Prometheus, Alertmanager and amtool of Debian, Opsgenie's and PagerDuty's clients.

Where a program can neither be found nor unpacked from its package, its tests are skipped and say why.
"""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
import opsgenie_sdk
import pagerduty
import pytest
from tocsin.communication.v1 import communication_service_pb2 as communication_pb
from tocsin.communication.v1.page_pb2 import Page
from tocsin.triage.v1.incident_pb2 import Incident

from tocsin_testkit.outside import monitors
from tocsin_testkit.outside.debian import ProgramMissing, program
from tocsin_testkit.outside.tls import tls_before
from tocsin_testkit.scenario import Caller
from tocsin_testkit.world import eventually

pytestmark = pytest.mark.real_clients

# Alertmanager's own ways out, each pointed at Tocsin; `service` reaches Tocsin by the way of each format.
RECEIVERS = {
    "webhook": """
    webhook_configs:
      - {{url: "{base}/alertmanager-webhook", http_config: {{authorization: {{credentials: "{key}"}}}}}}
""",
    "pagerduty": """
    pagerduty_configs:
      - {{url: "{base}/v2/enqueue", routing_key: "{key}", severity: critical, description: "{title}", details: {{service: checkout}}}}
""",
    "opsgenie": """
    opsgenie_configs:
      - {{api_url: "{base}/", api_key: "{key}", message: "{title}", priority: P1, update_alerts: true, details: {{service: checkout}}}}
""",
}
KINDS = {"webhook": "alertmanager-webhook", "pagerduty": "pagerduty", "opsgenie": "opsgenie"}
TITLE = "{{ .CommonAnnotations.summary }}"


PATIENCE = 40.0
ARRIVED = (Page.STATE_SENT, Page.STATE_DELIVERED)


@dataclass(frozen=True)
class Outcome:
    """The incidents of an installation, by what their titles hold."""

    caller: Caller

    def incident(self, title: str) -> Incident | None:
        """The newest with this in its title."""
        return next((incident for incident in self.caller.incidents() if title in incident.title), None)

    async def woke(self, title: str, *, service: str) -> Incident:
        """An incident about it is open, and a page about it has arrived at somebody."""
        found: list[Incident] = []

        async def arrived() -> bool:
            found[:] = [incident for incident in [self.incident(title)] if incident and self.pages(incident)]
            return bool(found)

        await eventually(arrived, PATIENCE, f"somebody to be woken by {title!r}; there are {[i.title for i in self.caller.incidents()]}")
        assert found[0].service == service
        return found[0]

    async def resolved(self, title: str) -> Incident:
        """The incident about it has ended."""

        async def ended() -> bool:
            incident = self.incident(title)
            return incident is not None and incident.state == Incident.STATE_RESOLVED

        await eventually(ended, PATIENCE, f"the incident about {title!r} to end")
        incident = self.incident(title)
        assert incident is not None
        return incident

    def pages(self, incident: Incident) -> list[Page]:
        """The pages about an incident that have arrived."""
        request = communication_pb.ListPagesRequest(incident_id=incident.id)
        return [page for page in self.caller.call(self.caller.communication.ListPages, request).pages if page.state in ARRIVED]


def address(up) -> str:
    """Where senders reach the installation; without a slash at the end."""
    return str(up.connection["console"]).rstrip("/")


def key(up, kind: str) -> str:
    return str(up.connection["integrations"][kind]["key"])


@pytest.fixture
def outcome(up):
    return Outcome(Caller(up.connection))


@pytest.fixture
def debian():
    """Skips where a program of Debian cannot be had."""

    def found(package, name):
        try:
            return program(package, name)
        except ProgramMissing as missing:
            pytest.skip(str(missing))

    return found


@pytest.fixture
def amtool(debian, up, tmp_path):
    """Run amtool against an address, by default the installation's; returns what it prints."""
    tool = debian("prometheus-alertmanager", "amtool")

    own = f"{address(up)}/{key(up, 'alertmanager')}"

    def run(*arguments, url=own, input=None, expect=0):
        command = tool.command("--alertmanager.url", url, "--no-version-check", *arguments)
        done = subprocess.run(command, input=input, capture_output=True, text=True, timeout=30, cwd=tmp_path)
        assert done.returncode == expect, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def seconds_ahead(seconds):
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_real_prometheus_wakes_somebody_and_ends_it(up, outcome, debian, tmp_path):
    debian("prometheus", "prometheus")
    host = address(up).removeprefix("http://")
    target = f"""
    - authorization: {{credentials: {key(up, "alertmanager")}}}
      static_configs: [{{targets: ["{host}"]}}]
"""
    rule = """
groups:
  - name: real
    interval: 1s
    rules:
      - alert: RealPrometheus
        expr: vector(1)
        labels: {severity: critical, service: checkout}
        annotations: {summary: "A real Prometheus says so"}
"""
    with monitors.prometheus(tmp_path, target, rule):
        await outcome.woke("A real Prometheus says so", service="checkout")
    await outcome.resolved("A real Prometheus says so")


@pytest.mark.parametrize("way", RECEIVERS)
async def test_a_real_alertmanager_wakes_somebody_and_ends_it(up, outcome, amtool, tmp_path, way):
    receiver = RECEIVERS[way].format(base=address(up), key=key(up, KINDS[way]), title=TITLE)
    configuration = (
        "route: {receiver: tocsin, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}\n"
        f"receivers:\n  - name: tocsin\n{receiver}"
    )
    title = f"A real Alertmanager says so by {way}"
    labels = (f"alertname=Real{way}", "severity=critical", "service=checkout")
    with monitors.alertmanager(tmp_path, configuration) as alertmanager:
        amtool("alert", "add", *labels, f"--annotation=summary={title}", "--end", seconds_ahead(3600), url=alertmanager)
        await outcome.woke(title, service="checkout")
        amtool("alert", "add", *labels, f"--annotation=summary={title}", "--end", seconds_ahead(1), url=alertmanager)
        await outcome.resolved(title)


async def test_amtool_adds_and_finds_alerts(up, outcome, amtool):
    end = seconds_ahead(3600)
    amtool("alert", "add", "alertname=ByAmtool", "service=checkout", "zone=eu-1", "--annotation=summary=Amtool says so", "--end", end)
    await outcome.woke("Amtool says so", service="checkout")
    shown = json.loads(amtool("-o", "json", "alert", "query", "alertname=ByAmtool"))
    assert [alert["labels"] for alert in shown] == [{"alertname": "ByAmtool", "service": "checkout", "zone": "eu-1"}]
    assert json.loads(amtool("-o", "json", "alert", "query", "ByAmtool", "zone=~eu-.+")) == shown
    assert json.loads(amtool("-o", "json", "alert", "query", "ByAmtool", "zone!=eu-1")) == []
    assert "ByAmtool" in amtool("alert", "query", "--receiver", "toc.*", "ByAmtool")
    assert "Amtool says so" in amtool("-o", "extended", "alert", "query", "ByAmtool")
    amtool("alert", "add", "alertname=ByAmtool", "service=checkout", "zone=eu-1", "--end", seconds_ahead(-1))
    await outcome.resolved("Amtool says so")


async def test_amtool_silences(up, outcome, amtool, tmp_path):
    silenced = amtool("silence", "add", "alertname=Hushed", "--comment=planned work", "--author=bob", "--duration=1h").strip()
    amtool("alert", "add", "alertname=Hushed", "service=checkout", "--annotation=summary=Hushed", "--end", seconds_ahead(3600))
    assert silenced in amtool("silence", "query")
    assert amtool("silence", "query", "-q", "--created-by=bob", "alertname=Hushed").split() == [silenced]
    assert amtool("silence", "query", "-q", "alertname=Other").split() == []
    assert json.loads(amtool("-o", "json", "alert", "query", "Hushed")) == []
    [alert] = json.loads(amtool("-o", "json", "alert", "query", "--silenced", "Hushed"))
    assert alert["status"]["silencedBy"] == [silenced]
    assert outcome.incident("Hushed") is None

    assert silenced in amtool("silence", "update", "--duration=2h", "--comment=takes longer", silenced)
    exported = amtool("-o", "json", "silence", "query")
    assert "takes longer" in exported
    amtool("silence", "expire", silenced)
    await outcome.woke("Hushed", service="checkout")
    assert amtool("silence", "query", "-q", "--expired", "--within=1h", "alertname=Hushed").split() == [silenced]

    again = amtool("silence", "import", input=exported).split()
    assert len(again) == len(json.loads(exported)) and silenced not in again
    assert "takes longer" in amtool("silence", "query", "alertname=Hushed")
    amtool("silence", "expire", *again)
    amtool("alert", "add", "alertname=Hushed", "service=checkout", "--end", seconds_ahead(-1))


def test_amtool_shows_the_server(up, amtool, tmp_path):
    assert "receiver: tocsin" in amtool("config", "show")
    assert "disabled" in amtool("cluster", "show")
    assert "tocsin" in amtool("config", "routes", "show")
    assert "tocsin" in amtool("config", "routes", "test", "alertname=A")


def test_amtool_is_told_what_is_wrong(up, amtool):
    amtool("silence", "add", "alertname=~.*", "--comment=c", expect=1)
    amtool("silence", "expire", "00000000-0000-0000-0000-000000000000", expect=1)
    amtool("alert", "query", "Hushed", "zone=~(", expect=1)
    amtool("alert", "query", url=f"{address(up)}/tk_wrong", expect=1)


@pytest.fixture
def pagerdutys_client(up, tmp_path):
    """Makes its client, which speaks to https only."""
    with tls_before(address(up), tmp_path) as front:
        yield lambda routing_key: pagerduty.EventsApiV2Client(routing_key, base_url=front.address, verify=front.client)


async def test_pagerdutys_client_wakes_somebody_and_ends_it(up, outcome, pagerdutys_client):
    client = pagerdutys_client(key(up, "pagerduty"))
    said = {"severity": "critical", "custom_details": {"service": "checkout"}}
    dedup_key = client.trigger("PagerDuty's client says so", "db-1", **said)
    incident = await outcome.woke("PagerDuty's client says so", service="checkout")
    assert client.trigger("PagerDuty's client says so", "db-1", dedup_key=dedup_key, **said) == dedup_key
    assert client.acknowledge(dedup_key) == dedup_key
    assert client.resolve(dedup_key) == dedup_key
    assert (await outcome.resolved("PagerDuty's client says so")).id == incident.id
    client.submit("Deployed", "ci", custom_details={"service": "checkout"}, timestamp=seconds_ahead(0))


def test_pagerdutys_client_hears_that_its_key_is_wrong(pagerdutys_client):
    with pytest.raises(pagerduty.HttpError) as refused:
        pagerdutys_client("0" * 32).trigger("Nobody hears this", "db-1")
    assert refused.value.response.status_code == 400


@pytest.fixture
def opsgenie(up):
    configuration = opsgenie_sdk.Configuration()
    configuration.host = address(up)
    configuration.api_key["Authorization"] = key(up, "opsgenie")
    configuration.retry_count, configuration.retry_delay = 1, 1
    client = opsgenie_sdk.ApiClient(configuration=configuration)
    return client


async def test_opsgenies_sdk_wakes_somebody_and_ends_it(up, outcome, opsgenie):
    alerts = opsgenie_sdk.AlertApi(api_client=opsgenie)
    created = alerts.create_alert(
        opsgenie_sdk.CreateAlertPayload(
            message="Opsgenie's SDK says so", alias="sdk-1", priority="P1", tags=["db"], details={"service": "checkout"}
        )
    )
    assert created.request_id
    incident = await outcome.woke("Opsgenie's SDK says so", service="checkout")
    status = created.retrieve_result().data
    assert (status.is_success, status.alias) == (True, "sdk-1")
    shown = alerts.get_alert("sdk-1", identifier_type="alias").data
    assert (shown.message, shown.status, shown.priority, shown.tags) == ("Opsgenie's SDK says so", "open", "P1", ["db"])
    assert shown.id == status.alert_id
    assert "sdk-1" in [alert.alias for alert in alerts.list_alerts(query="status:open", limit=100).data]
    alerts.add_note("sdk-1", opsgenie_sdk.AddNoteToAlertPayload(note="I look at it"), identifier_type="alias")
    alerts.acknowledge_alert("sdk-1", identifier_type="alias", acknowledge_alert_payload=opsgenie_sdk.AcknowledgeAlertPayload(user="bob"))
    alerts.close_alert("sdk-1", identifier_type="alias", close_alert_payload=opsgenie_sdk.CloseAlertPayload(note="over"))
    assert (await outcome.resolved("Opsgenie's SDK says so")).id == incident.id


async def test_opsgenies_sdk_pings_a_heartbeat(up, opsgenie):
    heartbeats = opsgenie_sdk.HeartbeatApi(api_client=opsgenie)
    wanted = opsgenie_sdk.CreateHeartbeatPayload(
        name="nightly", interval=10, interval_unit="minutes", enabled=True, owner_team={"name": "shop"}
    )
    heartbeats.create_heartbeat(wanted)
    assert heartbeats.ping("nightly").result.startswith("PONG")
    shown = heartbeats.get_heartbeat("nightly").data
    assert (shown.name, shown.enabled, shown.expired) == ("nightly", True, False)
    heartbeats.delete_heartbeat("nightly")


async def test_opsgenies_sdk_hears_that_its_key_is_wrong(up):
    configuration = opsgenie_sdk.Configuration()
    configuration.host, configuration.api_key["Authorization"] = address(up), "wrong"
    with pytest.raises(opsgenie_sdk.exceptions.AuthenticationException):
        opsgenie_sdk.AlertApi(api_client=opsgenie_sdk.ApiClient(configuration=configuration)).list_alerts()


def shape(value):
    """A JSON value without what differs from server to server: the names of members, and the types of the rest."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value[:1]]
    return type(value).__name__


def within(old, new):
    """Whether everything that the older server says is said by the newer one, of the same type."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name in new and within(inner, new[name]) for name, inner in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return all(within(*pair) for pair in zip(old, new, strict=False)) and len(new) >= len(old)
    return old == new


QUESTIONS = [
    ("GET", "/api/v2/alerts?filter=alertname=Same", None),
    ("GET", "/api/v2/alerts?filter=alertname=Same&silenced=false", None),
    ("GET", "/api/v2/alerts?filter=alertname=Same&active=false", None),
    ("GET", "/api/v2/alerts?filter=alertname=Same&active=no&silenced=", None),
    ("GET", "/api/v2/alerts?filter=alertname=~Sam", None),
    ("GET", "/api/v2/alerts?filter=alertname=~%22Sam.*%22&filter=zone!=eu", None),
    ("GET", "/api/v2/alerts?filter=x", None),
    ("GET", "/api/v2/alerts?filter=a=~(", None),
    ("GET", "/api/v2/alerts?receiver=(", None),
    ("GET", "/api/v2/alerts?receiver=nobody", None),
    ("GET", "/api/v2/alerts/groups?filter=alertname=Same", None),
    ("GET", "/api/v2/receivers", None),
    ("GET", "/api/v2/status", None),
    ("GET", "/api/v2/silences?filter=alertname=Same", None),
    ("GET", "/api/v2/silences?filter=alertname=Other", None),
    ("GET", "/api/v2/silence/00000000-0000-4000-8000-000000000000", None),
    ("GET", "/api/v2/silence/xx", None),
    ("DELETE", "/api/v2/silence/xx", None),
    ("POST", "/api/v2/silences", {"matchers": []}),
    ("POST", "/api/v2/silences", {"startsAt": "2026-01-01T00:00:00Z"}),
    ("POST", "/api/v2/silences", []),
    ("PUT", "/api/v2/alerts", None),
    ("POST", "/api/v2/alerts", [{"labels": {"9": "a"}}]),
    ("GET", "/-/healthy", None),
    ("GET", "/-/ready", None),
]


def test_alertmanager_and_tocsin_give_the_same_answers(up, debian, tmp_path):
    """Debian's Alertmanager is older: Tocsin may say more, and never less."""
    debian("prometheus-alertmanager", "prometheus-alertmanager")
    alert = {"labels": {"alertname": "Same", "zone": "us"}, "annotations": {"summary": "s"}, "generatorURL": "http://x.test/?a&b"}
    silence = {
        "matchers": [{"name": "alertname", "value": "Same", "isRegex": False}],
        "startsAt": seconds_ahead(-60),
        "endsAt": seconds_ahead(3600),
        "createdBy": "bob",
        "comment": "planned",
    }
    configuration = "route: {receiver: tocsin, group_by: [alertname], group_wait: 0s}\nreceivers: [{name: tocsin}]"
    with monitors.alertmanager(tmp_path, configuration) as real, httpx.Client() as client:
        answers = []
        for base in (real, f"{address(up)}/{key(up, 'alertmanager')}"):
            assert client.post(f"{base}/api/v2/alerts", json=[alert]).status_code == 200
            assert client.post(f"{base}/api/v2/silences", json=silence).status_code == 200
            answers.append([client.request(method, base + path, json=body) for method, path, body in QUESTIONS])
    for (method, path, body), expected, given in zip(QUESTIONS, *answers, strict=True):
        asked = f"{method} {path} {body}: {expected.text!r}, {given.text!r}"
        assert given.status_code == expected.status_code, asked
        if expected.headers.get("content-type") == "application/json":
            assert within(shape(expected.json()), shape(given.json())), asked
            assert len(expected.json()) == len(given.json()) or not isinstance(expected.json(), list), asked
        else:
            assert given.text == expected.text, asked
