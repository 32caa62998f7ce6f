"""CACAO's http-api: one request, described in the playbook."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from tocsin_kernel.clock import Clock
from tocsin_runner.assignment import Assignment, Failed, Finding, Json, Outcome, Refused, State, Task, Unknown, Verb
from tocsin_runner.commands.address import authorization, base_url, information
from tocsin_runner.http import SECONDS, Answer, Http, NoAnswer, NotSent, Request, exchange
from tocsin_runner.results import taken
from tocsin_runner.secrets import Secrets
from tocsin_runner.variables import in_content, in_header, in_target

LINE = re.compile(r"([A-Z]+) (/\S*) HTTP/(?:1\.[01]|2(?:\.0)?)")
# Doing these twice comes to the same, says HTTP.
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})


class HttpApi:
    """Sends what the playbook describes, with its variables as data."""

    def __init__(self, http: Http, secrets: Secrets, clock: Clock, twins: tuple[Http, str] | None = None) -> None:
        self._http = http
        self._secrets = secrets
        self._clock = clock
        self._twins = twins

    async def carry_out(self, task: Task) -> Outcome:
        """Raises Ended, LeaseLost."""
        assignment = task.assignment
        if assignment.verb is not Verb.EXECUTE:
            raise Refused("a request can neither be undone nor verified by itself: use an action with a connector")
        client, request = self._request(assignment)
        if assignment.look_first and request.method not in REPEATABLE:
            raise Unknown(f"whether {request.method} was done cannot be looked up")
        if request.method not in LOOKING:
            task.about_to_change()
        answer = await self._sent(task, client, request)
        return self._judged(assignment, request.method, answer)

    def _request(self, assignment: Assignment) -> tuple[Http, Request]:
        line = LINE.fullmatch(str(assignment.command.get("command", "")).strip())
        if line is None:
            raise Refused("the command must read like 'POST /path HTTP/1.1'")
        url = base_url(assignment)
        host = urlsplit(url).hostname or ""
        client = self._http
        headers = _headers(assignment)
        if assignment.simulated:
            if self._twins is None:
                raise Refused("this is an exercise, and the runner knows no simulated twins: set TOCSIN_RUNNER_TWINS")
            client, url = self._twins[0], f"{self._twins[1]}/http/_exercise/{host}"
        else:
            credentials = authorization(information(assignment), lambda reference: self._secrets.for_host(reference, host))
            for value in credentials.values():
                # As one piece, so that not even its edges show.
                self._secrets.redactor.add("authorization", value.partition(" ")[2] or value)
            headers |= credentials
        headers.setdefault("idempotency-key", assignment.key)
        return client, Request(line[1], url + in_target(line[2], assignment.variables), headers, _content(assignment, headers))

    async def _sent(self, task: Task, client: Http, request: Request) -> Answer:
        answer, problem = None, ""
        try:
            answer = await client.send(request, min(SECONDS, task.assignment.seconds))
        except NotSent as error:
            problem = str(error)
            task.answered()
            raise Failed(problem) from error
        except NoAnswer as error:
            problem = str(error)
            raise (Failed if request.method in LOOKING else Unknown)(problem) from error
        finally:
            task.findings.append(recorded("request.json", [exchange(request, answer, problem)], urlsplit(request.url).netloc))
        task.answered()
        return answer

    def _judged(self, assignment: Assignment, method: str, answer: Answer) -> Outcome:
        said = f"{method} was answered with HTTP {answer.status}"
        if 200 <= answer.status < 300:
            fixed: Mapping[str, Json] = {"http_status": answer.status, "http_body": answer.text}
            return Outcome(State.SUCCEEDED, said, variables=taken(assignment.out_args, fixed, answer.json))
        if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
            raise Failed(said, again_at=again_at(answer, self._clock.now()))
        if answer.status >= 500:
            raise (Failed if method in LOOKING else Unknown)(said)
        raise Refused(said + (": redirects are not followed" if 300 <= answer.status < 400 else f": {answer.text[:500]}"))


def recorded(name: str, exchanges: Json, source: str) -> Finding:
    """What was exchanged, as a finding."""
    return Finding(name, "application/json", json.dumps(exchanges, indent=1, ensure_ascii=False).encode(), source, "tocsin-runner")


def again_at(answer: Answer, now: datetime) -> datetime:
    """When the other side wants to be asked again: by Retry-After, or half a minute."""
    written = answer.headers.get("retry-after", "")
    seconds = int(written) if written.isdigit() and len(written) < 6 else 30
    return now + timedelta(seconds=min(max(seconds, 1), 86_400))


def _headers(assignment: Assignment) -> dict[str, str]:
    given = assignment.command.get("headers") or {}
    if not isinstance(given, Mapping):
        raise Refused("headers must be a dictionary of lists")
    headers = {}
    for name, values in given.items():
        texts = values if isinstance(values, list) else [values]
        headers[str(name).lower()] = ", ".join(in_header(str(text), assignment.variables) for text in texts)
    if "authorization" in headers:
        raise Refused("credentials do not belong into a playbook: use authentication_info with secret:NAME")
    return headers


def _content(assignment: Assignment, headers: dict[str, str]) -> bytes:
    encoded, plain = assignment.command.get("content_b64"), assignment.command.get("content")
    try:
        text = base64.b64decode(str(encoded), validate=True).decode() if encoded else plain
    except (binascii.Error, UnicodeDecodeError):
        # Bytes that are no text have no variables in them.
        return _bytes(str(encoded))
    if text is None or text == "":
        return b""
    if isinstance(text, Mapping | list):
        text = json.dumps(text)
    headers.setdefault("content-type", "application/json")
    return in_content(str(text), headers["content-type"], assignment.variables).encode()


def _bytes(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise Refused("content_b64 is not Base64") from error
