"""CACAO's http-api against a real HTTP server: values are data, secrets go where they may, and no answer is told as it is."""

import json
import logging

import pytest
from runner_harness import NOON

from tocsin_kernel.clock import ManualClock
from tocsin_runner.assignment import Assignment, State, Variable
from tocsin_runner.commands.http_api import HttpApi
from tocsin_runner.http import http_client
from tocsin_runner.secrets import RedactingFormatter, Redactor, Secrets
from tocsin_runner.twins.http import HttpTwin
from tocsin_runner.twins.server import Twins
from tocsin_runner.twins.server import served as twins_served
from tocsin_runner.twins.twin import TwinClock
from tocsin_runner.work import Work
from tocsin_testkit.outside.http import HttpResponse, OutsideServer, Plan, as_json
from tocsin_testkit.outside.http import running as served

CANARY = 'canary-"7f3a/+=9'


class Api(OutsideServer):
    """Answers as it was told, and repeats what it was sent."""

    def __init__(self):
        super().__init__()
        self.response = as_json({"ticket": 42, "open": True})

    async def answer(self, request):
        if request.path == "/echo":
            return HttpResponse(200, json.dumps(request.headers).encode())
        return self.response


@pytest.fixture
async def api():
    async with served(Api()) as api:
        yield api


@pytest.fixture
async def work(api, tmp_path):
    secret = tmp_path / "TICKETS"
    secret.write_text(CANARY + "\n")
    secret.chmod(0o600)
    redactor = Redactor()
    host = api.url.removeprefix("http://")
    async with http_client([host]) as http:
        secrets = Secrets(tmp_path, {"TICKETS": frozenset({"127.0.0.1"})}, redactor)
        yield Work({"http-api": HttpApi(http, secrets, ManualClock(NOON))}, redactor)


async def send(work, api, line, variables=None, *, content=None, headers=None, seconds=5.0, look_first=False, **more):
    command = {"type": "http-api", "command": line, "headers": headers or {}}
    if content is not None:
        command["content"] = content
    given = {name: Variable(kind, value) for name, (kind, value) in (variables or {}).items()}
    target = more.pop("target", {"type": "http-api", "address": {"url": [api.url]}})
    assignment = Assignment("a", 1, "key-1", command, target=target, variables=given, seconds=seconds, look_first=look_first, **more)

    async def keep(prior):
        return prior

    return await work.carry_out(assignment, keep, lambda: True)


async def test_a_request_brings_what_the_step_may_set(work, api):
    outcome = await send(work, api, "POST /tickets HTTP/1.1", out_args=("__ticket__", "__http_status__"), content="{}")
    assert outcome.state is State.SUCCEEDED
    assert outcome.variables == {"__ticket__": Variable("integer", "42"), "__http_status__": Variable("integer", "200")}
    assert api.requests[0].headers["idempotency-key"] == "key-1"


async def test_values_stay_values_in_the_path(work, api):
    """An alert says that the user is called '../admin?x=1#': it stays one segment."""
    user = "../admin?x=1#%2f\r\nX-Evil: 1"
    await send(work, api, "GET /users/__user__:value/state?q=__user__:value HTTP/1.1", {"__user__": ("string", user)})
    assert len(api.requests) == 1
    raw = api.requests[0]
    assert raw.path == "/users/..%2Fadmin%3Fx%3D1%23%252f%0D%0AX-Evil%3A%201/state"
    assert raw.query == {"q": user}
    assert "x-evil" not in raw.headers


@pytest.mark.parametrize("value", ["..", ".", ""])
async def test_a_value_cannot_climb_out_of_its_segment(work, api, value):
    outcome = await send(work, api, "DELETE /users/__user__:value HTTP/1.1", {"__user__": ("string", value)})
    assert outcome.state is State.REJECTED
    assert api.requests == []


async def test_values_stay_values_in_json(work, api):
    host = '"}, "admin": {"x": "'
    content = '{"host": "__host__:value", "note": "at __host__:value \\" __n__:value", "count": __n__:value, "raw": __host__:value}'
    await send(work, api, "POST /x HTTP/1.1", {"__host__": ("string", host), "__n__": ("integer", "3")}, content=content)
    assert api.requests[0].json == {"host": host, "note": f'at {host} " 3', "count": 3, "raw": host}


async def test_values_are_not_put_where_their_encoding_is_unknown(work, api):
    headers = {"content-type": ["text/xml"]}
    outcome = await send(work, api, "POST /x HTTP/1.1", {"__v__": ("string", "<x>")}, content="<a>__v__:value</a>", headers=headers)
    assert outcome.state is State.REJECTED and "text/xml" in outcome.explanation


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
async def test_a_value_cannot_begin_another_header(work, api, value):
    outcome = await send(work, api, "GET /x HTTP/1.1", {"__v__": ("string", value)}, headers={"X-Case": ["__v__:value"]})
    assert outcome.state is State.REJECTED
    assert api.requests == []


@pytest.mark.parametrize("name", ["Host", "Content-Length", "Transfer-Encoding", "Authorization", "X Y", "X:Y"])
async def test_headers_that_say_something_else_are_refused(work, api, name):
    outcome = await send(work, api, "GET /x HTTP/1.1", headers={name: ["1"]})
    assert outcome.state is State.REJECTED
    assert api.requests == []


@pytest.mark.parametrize(
    ("status", "method", "state"),
    [
        (503, "GET", State.FAILED),
        (503, "POST", State.UNKNOWN),
        (404, "POST", State.REJECTED),
        (302, "GET", State.REJECTED),
        (429, "POST", State.FAILED),
    ],
)
async def test_an_answer_is_told_as_it_is(work, api, status, method, state):
    api.response = HttpResponse(status, b"", {"retry-after": "7"} if status == 429 else {"location": "http://169.254.169.254/"})
    outcome = await send(work, api, f"{method} /x HTTP/1.1")
    assert outcome.state is state
    assert status != 429 or (outcome.look_again_at - NOON).total_seconds() == 7


async def test_no_answer_is_unknown_and_is_not_simply_repeated(work, api):
    """The server did something and the line was cut: POST is not sent again, PUT is, because twice is the same as once."""
    api.response = HttpResponse(then=Plan.DROP)
    assert (await send(work, api, "POST /x HTTP/1.1")).state is State.UNKNOWN
    api.response = HttpResponse()
    assert (await send(work, api, "POST /x HTTP/1.1", look_first=True)).state is State.UNKNOWN
    assert len(api.requests) == 1
    assert (await send(work, api, "PUT /x HTTP/1.1", look_first=True)).state is State.SUCCEEDED


async def test_a_hanging_server_does_not_hold_a_step(work, api):
    api.response = HttpResponse(then=Plan.HANG)
    assert (await send(work, api, "POST /x HTTP/1.1", seconds=0.3)).state is State.UNKNOWN
    assert (await send(work, api, "GET /x HTTP/1.1", seconds=0.3)).state is not State.SUCCEEDED


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254"])
async def test_private_addresses_are_refused_however_they_are_written(work, api, host):
    outcome = await send(work, api, "GET /x HTTP/1.1", target={"address": {"url": [f"https://{host}"]}})
    assert outcome.state in (State.REJECTED, State.FAILED)
    assert api.requests == []


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "gopher://example.org", "http://example.org", "https://example.org:22", "https://u@example.org"]
)
async def test_other_schemes_and_ports_are_refused(work, api, url):
    assert (await send(work, api, "GET /x HTTP/1.1", target={"address": {"url": [url]}})).state is State.REJECTED


BASIC = {"type": "http-basic", "username": "tocsin", "password": "secret:TICKETS"}


async def test_a_secret_arrives_and_is_seen_nowhere_else(work, api, caplog):
    """The server repeats the credentials: whatever comes back, and whatever is logged, is blacked out."""
    redactor = work._redactor
    outcome = await send(work, api, "POST /echo HTTP/1.1", authentication=BASIC, out_args=("__http_body__", "__authorization__"))
    assert "authorization" in api.requests[0].headers
    told = repr(outcome) + "".join(finding.content.decode() for finding in outcome.findings)
    assert "secret:" in told
    for form in (CANARY, "canary", "dG9jc2lu", "Y2FuYXJ5"):
        assert form not in told
    line = logging.LogRecord("x", logging.ERROR, "x", 1, "failed with %s", (CANARY,), None)
    assert "canary" not in RedactingFormatter("runner", redactor).format(line)


async def test_a_secret_goes_only_to_hosts_that_the_operator_listed(work, api):
    outcome = await send(work, api, "GET /x HTTP/1.1", authentication=BASIC, target={"address": {"url": ["https://evil.example"]}})
    assert outcome.state is State.REJECTED and "may not be sent to evil.example" in outcome.explanation


@pytest.mark.parametrize("password", ["hunter2hunter2", "secret:../../etc/passwd", "secret:ABSENT"])
async def test_only_references_to_secrets_are_followed(work, api, password):
    outcome = await send(work, api, "GET /x HTTP/1.1", authentication={**BASIC, "password": password})
    assert outcome.state is State.REJECTED
    assert api.requests == []


async def test_a_secret_that_others_may_read_is_refused(work, api, tmp_path):
    (tmp_path / "TICKETS").chmod(0o640)
    outcome = await send(work, api, "GET /x HTTP/1.1", authentication=BASIC)
    assert outcome.state is State.REJECTED and "chmod 600" in outcome.explanation


async def test_in_an_exercise_a_request_goes_to_the_twin_and_its_secret_nowhere(api, tmp_path):
    clock = TwinClock()
    twin = HttpTwin(clock)
    async with twins_served(Twins(clock, [twin])) as twins, http_client() as http, http_client(["127.0.0.1"]) as exercise:
        command = HttpApi(http, Secrets(None, {}, Redactor()), ManualClock(NOON), (exercise, twins.url))
        work = Work({"http-api": command}, Redactor())
        outcome = await send(work, api, "POST /tickets HTTP/1.1", content='{"a": 1}', authentication=BASIC, simulated=True)
    assert outcome.state is State.SUCCEEDED, outcome
    assert twin.taken == [{"method": "POST", "to": "127.0.0.1/tickets", "query": "", "body": '{"a": 1}'}]
    assert api.requests == []
