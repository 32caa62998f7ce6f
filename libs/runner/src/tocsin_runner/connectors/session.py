"""Asks the system of one connection: as whom, with which token, and what its answers mean."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from tocsin_kernel.clock import Clock
from tocsin_runner.assignment import Document, Failed, Json, Refused, Unknown
from tocsin_runner.commands.http_api import again_at
from tocsin_runner.connectors.connections import Connection
from tocsin_runner.connectors.expressions import as_text
from tocsin_runner.connectors.interface import Job
from tocsin_runner.connectors.recipe import Authentication, ErrorRule, Means, Recipe, Step, TokenRequest
from tocsin_runner.connectors.scripts import WELL, Scripts, words
from tocsin_runner.connectors.signature import signed
from tocsin_runner.connectors.xml import plain
from tocsin_runner.http import Answer, Http, NoAnswer, NotSent, Request, exchange

RENEW_SECONDS = 30.0
# What these say is that the request was not carried out, and that it would not be another time.
CONFLICTS = (409, 412, 423, 425)
UNAUTHORIZED = 401
# Between asking again for an answer that is not complete, growing; and how often.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0
MOST_ASKED = 16


class Session:
    """One connection of one connector. Tokens are kept while they last."""

    def __init__(self, recipe: Recipe, connection: Connection, http: Http, clock: Clock) -> None:
        self._recipe = recipe
        self._connection = connection
        self._http = http
        self._clock = clock
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._scripts = Scripts(recipe, connection, http)

    @property
    def title(self) -> str:
        """What people call the system."""
        return self._recipe.title

    async def look(self, job: Job | None, step: Step, given: Document) -> Answer:
        """Ask something that changes nothing. Raises Refused, Failed."""
        try:
            return await self._asked(job, step, given, "")
        except NoAnswer as error:
            raise Failed(str(error)) from error
        except Unknown as error:
            raise Failed(str(error)) from error

    async def change(self, job: Job, step: Step, given: Document) -> Answer:
        """Ask for something that may have an effect. Raises Refused, Failed, Unknown, LeaseLost."""
        job.task.about_to_change()
        try:
            answer = await self._asked(job, step, given, job.key)
        except NoAnswer as error:
            raise Unknown(str(error)) from error
        except (Refused, Failed):
            job.task.answered()
            raise
        job.task.answered()
        return answer

    def kept_secret(self, name: str, value: str) -> str:
        """A secret that was made here: it is blacked out like the others."""
        self._connection.redactor.add(name, value)
        return value

    async def _asked(self, job: Job | None, step: Step, given: Document, key: str) -> Answer:
        """The answer, asked for again until it is complete. `key` is given for what may have an effect."""
        if step.script:
            return await self._ran(job, step, given, key)
        pause = FIRST_PAUSE
        for _ in range(MOST_ASKED):
            answer = await self._answered(job, step, given)
            if step.until is None or step.until.holds({**given, **said(answer)}):
                return answer
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, pause * 2)
        raise NoAnswer(f"{self._recipe.title} has not answered completely in time")

    async def _ran(self, job: Job | None, step: Step, given: Document, key: str) -> Answer:
        try:
            answer, record = await self._scripts.run(step, given, key)
        except NotSent as error:
            raise Failed(str(error)) from error
        if job is not None:
            job.exchanges.append(record)
        heard = {**given, **said(answer)}
        for rule in (*step.errors, *self._recipe.errors):
            if rule.when.holds(heard):
                self._told(rule, answer, heard)
                return answer
        if answer.status != WELL:
            raise Failed(f"exit status {answer.status}: {(answer.headers['stderr'] or answer.text).strip()[-300:]}")
        return answer

    async def _answered(self, job: Job | None, step: Step, given: Document) -> Answer:
        answer = await self._sent(job, step, given)
        if answer.status == UNAUTHORIZED and step.base in self._tokens:
            # It was not carried out: the token has run out before its time.
            del self._tokens[step.base]
            answer = await self._sent(job, step, given)
        self._judge(step, answer, given)
        return answer

    async def _sent(self, job: Job | None, step: Step, given: Document) -> Answer:
        headers = {"accept": "application/json", **await self._authorization(step.base)}
        request = self._signed(step.base, self._request(step, given, headers))
        answer, problem = None, ""
        try:
            answer = await self._http.send(request)
        except NotSent as error:
            problem = str(error)
            raise Failed(problem) from error
        except NoAnswer as error:
            problem = str(error)
            raise
        finally:
            if job is not None:
                job.exchanges.append(exchange(request, answer, problem))
        return answer

    def _request(self, step: Step, given: Document, headers: dict[str, str]) -> Request:
        content = b""
        if step.json is not None:
            content = json.dumps(step.json(given)).encode()
            headers["content-type"] = "application/json"
        elif step.form is not None:
            content = urlencode(_fields(step.form(given))).encode()
            headers["content-type"] = "application/x-www-form-urlencoded"
        if step.headers is not None:
            headers |= {name.lower(): as_text(value) for name, value in step.headers(given).items()}
        url = self._connection.base(step.base) + step.path.path(given)
        if step.query is not None:
            written = {name: as_text(value) for name, value in step.query(given).items() if value is not None}
            url += "?" + urlencode(written)
        return Request(step.method, url, headers, content)

    async def _authorization(self, base: str) -> dict[str, str]:
        who = self._recipe.authentication.get(base)
        if who is None:
            return {}
        given: dict[str, Json] = {"settings": self._connection.settings, "secrets": self._connection.secrets()}
        if who.token is not None:
            given["bearer"] = await self._token(base, who, who.token, given)
        headers = {name.lower(): as_text(value) for name, value in who.headers(given).items()}
        if "authorization" in headers:
            # As one piece, so that not even its edges show.
            self._connection.redactor.add("authorization", headers["authorization"].rpartition(" ")[2])
        return headers

    def _signed(self, base: str, request: Request) -> Request:
        who = self._recipe.authentication.get(base)
        if who is None or who.aws is None:
            return request
        by = who.aws({"settings": self._connection.settings, "secrets": self._connection.secrets()})
        return replace(request, headers=signed(request, at=self._clock.now(), **by))

    async def _token(self, base: str, who: Authentication, how: TokenRequest, given: Document) -> str:
        known = self._tokens.get(base)
        now = self._clock.now()
        if known is not None and known[1] > now:
            return known[0]
        try:
            request = self._request(how.step, given, {"accept": "application/json"})
            answer = await self._http.send(request)
        except (NotSent, NoAnswer) as error:
            raise Failed(f"a token could not be had: {error}") from error
        if answer.status >= 500 or answer.status == 429:
            raise Failed(f"a token could not be had: HTTP {answer.status}", again_at(answer, now))
        if not 200 <= answer.status < 300:
            raise Refused(f"{urlsplit(request.url).hostname} refuses the credentials of this connection: HTTP {answer.status}")
        heard = {**given, "body": answer.json, "status": answer.status}
        token, seconds = as_text(how.value.value(heard)), float(how.seconds.value(heard) or 0)
        self._connection.redactor.add("token", token)
        self._tokens[base] = (token, now + timedelta(seconds=max(0.0, seconds - RENEW_SECONDS)))
        return token

    def _judge(self, step: Step, answer: Answer, given: Document) -> None:
        heard = {**given, **said(answer)}
        for rule in (*step.errors, *self._recipe.errors):
            if rule.when.holds(heard):
                return self._told(rule, answer, heard)
        if 200 <= answer.status < 300 or (answer.status == 404 and step.may_be_missing):
            return None
        where = f"{self._recipe.title} answers HTTP {answer.status}"
        if answer.status in (401, 403):
            raise Refused(f"{where}: the connection's credentials may not do this: {answer.text[:300]}")
        if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
            raise Failed(f"{where}: it wants to be asked later", again_at(answer, self._clock.now()))
        if answer.status in CONFLICTS:
            raise Failed(f"{where}: {answer.text[:300]}", again_at(answer, self._clock.now()))
        if answer.status >= 500:
            raise Unknown(f"{where}: nobody knows whether it was done")
        raise Refused(f"{where}: {answer.text[:300]}")

    def _told(self, rule: ErrorRule, answer: Answer, heard: Document) -> None:
        text = rule.because.text(heard)
        match rule.means:
            case Means.REFUSED:
                raise Refused(text)
            case Means.FAILED:
                raise Failed(text, again_at(answer, self._clock.now()))
            case Means.UNKNOWN:
                raise Unknown(text)
            case Means.DONE:
                return None


def said(answer: Answer) -> Mapping[str, Json]:
    """An answer as expressions see it."""
    if "stderr" in answer.headers:
        return {"body": words(answer), "status": answer.status, "headers": dict(answer.headers)}
    is_xml = "xml" in answer.headers.get("content-type", "")
    return {"body": plain(answer.content) if is_xml else answer.json, "status": answer.status, "headers": dict(answer.headers)}


def _fields(given: Mapping[str, Json]) -> list[tuple[str, str]]:
    """The fields of a form; a list is numbered, as AWS wants it."""
    found: list[tuple[str, str]] = []
    for name, value in given.items():
        if isinstance(value, list):
            found += [(f"{name}.{index}", as_text(item)) for index, item in enumerate(value, 1)]
        elif value is not None:
            found.append((name, as_text(value)))
    return found
