"""CACAO's openc2-http: one OpenC2 message; a consumer takes the same command only once, so that it may be asked again."""

import json
from collections.abc import Mapping

from tocsin_kernel.clock import Clock
from tocsin_runner.assignment import Assignment, Failed, Json, Outcome, Refused, State, Task, Unknown, Verb
from tocsin_runner.commands.address import authorization, base_url, information
from tocsin_runner.commands.http_api import again_at, recorded
from tocsin_runner.http import Answer, Http, NoAnswer, NotSent, Request, exchange
from tocsin_runner.results import taken
from tocsin_runner.secrets import Secrets
from tocsin_runner.variables import argument

MEDIA_TYPE = "application/openc2+json;version=1.0"
PATH = "/.well-known/openc2"


class OpenC2Http:
    """Sends the command in the playbook's content, with an id of the step's own."""

    def __init__(self, http: Http, secrets: Secrets, clock: Clock, twins: tuple[Http, str] | None = None) -> None:
        self._http = http
        self._secrets = secrets
        self._clock = clock
        self._twins = twins

    async def carry_out(self, task: Task) -> Outcome:
        """Raises Ended, LeaseLost."""
        assignment = task.assignment
        if assignment.verb is not Verb.EXECUTE:
            raise Refused("an OpenC2 command can neither be undone nor verified by itself: use an action with a connector")
        client, request = self._request(assignment)
        task.about_to_change()
        answer, problem = None, ""
        try:
            answer = await client.send(request)
        except NotSent as error:
            problem = str(error)
            task.answered()
            raise Failed(problem) from error
        except NoAnswer as error:
            problem = str(error)
            raise Unknown(problem) from error
        finally:
            task.findings.append(recorded("openc2.json", [exchange(request, answer, problem)], request.url))
        task.answered()
        return self._judged(assignment, answer)

    def _request(self, assignment: Assignment) -> tuple[Http, Request]:
        url = base_url(assignment)
        headers = {"content-type": MEDIA_TYPE, "accept": MEDIA_TYPE, "cache-control": "no-cache", "x-request-id": assignment.key}
        content = json.dumps(_message(assignment, self._clock)).encode()
        if assignment.simulated:
            if self._twins is None:
                raise Refused("this is an exercise, and the runner knows no simulated twins: set TOCSIN_RUNNER_TWINS")
            headers["authorization"] = "simulated-authorization"
            return self._twins[0], Request("POST", f"{self._twins[1]}/openc2{PATH}", headers, content)
        host = base_url(assignment).partition("//")[2].partition("/")[0].rpartition(":")[0] or base_url(assignment).partition("//")[2]
        credentials = authorization(information(assignment), lambda reference: self._secrets.for_host(reference, host))
        for value in credentials.values():
            self._secrets.redactor.add("authorization", value.partition(" ")[2] or value)
        return self._http, Request("POST", url + PATH, headers | credentials, content)

    def _judged(self, assignment: Assignment, answer: Answer) -> Outcome:
        response = _response(answer.json)
        status = response.get("status", answer.status)
        said = f"the consumer answers {status}: {str(response.get('status_text', ''))[:300]}"
        if status in (200, 201):
            return Outcome(State.SUCCEEDED, said, variables=taken(assignment.out_args, {"openc2_status": status}, response.get("results")))
        if status == 102:
            return Outcome(State.ACCEPTED, said, look_again_at=again_at(answer, self._clock.now()))
        if status in (429, 503):
            raise Failed(said, again_at(answer, self._clock.now()))
        if (isinstance(status, int) and 400 <= status < 500) or status == 501:
            raise Refused(said)
        raise Unknown(said)


def _message(assignment: Assignment, clock: Clock) -> Json:
    """The command as the playbook has it, with values as values; bare, or in the standard's envelope."""
    content: Json = assignment.command.get("content") or assignment.command.get("command")
    if isinstance(content, str):
        try:
            content = json.loads(content)
        except ValueError as error:
            raise Refused("the content is not JSON") from error
    content = argument(content, assignment.variables)
    if isinstance(content, Mapping) and "body" in content:
        content = content["body"].get("openc2", {}).get("request") if isinstance(content["body"], Mapping) else None
    if not isinstance(content, Mapping) or not {"action", "target"} <= set(content):
        raise Refused("an OpenC2 command has an action and a target")
    command = {**content, "command_id": assignment.key}
    created = int(clock.now().timestamp() * 1000)
    return {"headers": {"request_id": assignment.key, "created": created, "from": "tocsin"}, "body": {"openc2": {"request": command}}}


def _response(heard: Json) -> Mapping[str, Json]:
    """The response in an answer, in its envelope or bare."""
    found = heard
    for name in ("body", "openc2", "response"):
        if isinstance(found, Mapping) and name in found:
            found = found[name]
    return found if isinstance(found, Mapping) else {}
