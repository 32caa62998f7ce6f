"""ntfy: a message on a phone with buttons; a later one of the same sequence takes its place."""

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tocsin_chassis.settings import setting
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.http import Answer, Http, Lost, host_of, http_client
from tocsin_communication.channels.refusal import clipped, of_status
from tocsin_communication.contacts.contact import Channel, url_flaw
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt
from tocsin_kernel.clock import Clock

# More than 4096 bytes become an attachment, and all of the JSON has at most twice as much.
LONGEST_MESSAGE = 3800
LONGEST_TITLE = 600
RESENT = "You may have had this message before."
SKEW = timedelta(minutes=1)
REFILL = timedelta(seconds=5)
DAILY = (42902, 42905, 42908, 42910)
NO_SUBSCRIBER = 50701
PRIORITY = {"SEV1": 5, "SEV2": 5, "SEV3": 4}
_TOPIC = re.compile(r"[-_A-Za-z0-9]{1,64}")
_RESERVED = ("docs", "static", "file", "app", "metrics", "account", "settings", "signup", "login", "v1")


@dataclass(frozen=True, kw_only=True)
class NtfySettings:
    """What ntfy needs."""

    ntfy_url: str = setting(
        "TOCSIN_NTFY_URL", "the ntfy server, https://ntfy.sh or your own; empty: ntfy is off and its pages fail", default=""
    )
    ntfy_token_file: Path | None = setting(
        "TOCSIN_NTFY_TOKEN_FILE",
        "file with an access token of the ntfy server (tk_…), or user:password; empty: topics are open",
        default=None,
    )


def topic_flaw(address: str) -> str:
    """What is wrong with the name or address of a topic; empty if nothing is."""
    if address.startswith(("http://", "https://")) and url_flaw(address):
        return url_flaw(address)
    topic = _topic(address)
    if _TOPIC.fullmatch(topic) is None or topic in _RESERVED:
        return "must be the name of an ntfy topic: up to 64 letters, digits, - and _, or its URL; choose one that nobody guesses"
    return ""


class NtfyDriver(OneWay):
    """Publishes pages. What a button is pressed for is asked by the phone itself, with the page's link: nothing comes in here."""

    def __init__(self, http: Http, url: str, credentials: str, clock: Clock) -> None:
        self._http = http
        self._url = url.rstrip("/")
        self._clock = clock
        self._headers = {"authorization": authorization(credentials)} if credentials else {}

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. The phone puts a repeat with the same key in place of the first."""
        server = outgoing.page.address.rpartition("/")[0]
        if server and server != self._url:
            return Receipt(Outcome.PERMANENT_TARGET, f"the topic is at another server than TOCSIN_NTFY_URL, which is {self._url}")
        try:
            answer = await self._publish(outgoing, _sequence(idempotency_key), seconds)
        except Lost as lost:
            return lost.receipt
        return _taken(answer.json, _topic(outgoing.page.address)) if answer.success else self._refusal(answer)

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. None at a server older than 2.16: it would ring again."""
        topic, _, sequence = provider_id.partition("/")
        if not sequence or topic != _topic(outgoing.page.address):
            return None
        try:
            answer = await self._publish(outgoing, sequence, seconds)
        except Lost as lost:
            return lost.receipt
        return Receipt(Outcome.ACCEPTED, "edited", provider_id) if answer.success else self._refusal(answer)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. The server keeps messages for hours; a token may be allowed to write only."""
        page = outgoing.page
        since = int((page.created_at - SKEW).timestamp())
        try:
            address = f"{self._url}/{_topic(page.address)}/json?{urlencode({'poll': 1, 'since': since})}"
            answer = await self._http.ask("GET", address, seconds=seconds, headers=self._headers)
        except Lost:
            return None
        if not answer.success:
            return None
        for message in _lines(answer.body):
            if message.get("sequence_id") == _sequence(idempotency_key) or _asks(message, outgoing.acknowledge_url):
                return _taken(message, _topic(page.address))
        # An old server shows no sequence: a message without buttons could not be told from others.
        return Receipt(Outcome.TRANSIENT, "the ntfy server does not have it") if outgoing.acknowledge_url else None

    async def _publish(self, outgoing: Outgoing, sequence: str, seconds: float) -> Answer:
        """Raises Lost."""
        return await self._http.ask_json("POST", f"{self._url}/", _message(outgoing, sequence), seconds=seconds, headers=self._headers)

    def _refusal(self, answer: Answer) -> Receipt:
        code = answer.json.get("code")
        said = clipped(f"{answer.json.get('error') or 'ntfy'} (ntfy error {code})" if code else f"HTTP {answer.status}")
        if answer.status == 429:
            # The server does not say how long.
            wait = _until_midnight(self._clock.now()) if code in DAILY else REFILL
            return Receipt(Outcome.THROTTLED, said, retry_after=answer.retry_after or wait)
        if code == NO_SUBSCRIBER:
            return Receipt(Outcome.PERMANENT_TARGET, said)
        if answer.status in (404, 410):
            return Receipt(Outcome.PERMANENT_CONFIG, said)
        return of_status(answer.status, said, answer.retry_after)


def _topic(address: str) -> str:
    """The topic of an address that may be an URL."""
    return address.rpartition("/")[2] if "://" in address else address


def authorization(credentials: str) -> str:
    """The header for a token, or for a user and a password."""
    if ":" in credentials:
        return f"Basic {b64encode(credentials.encode()).decode()}"
    return f"Bearer {credentials}"


def _message(outgoing: Outgoing, sequence: str) -> dict[str, object]:
    page, incident = outgoing.page, outgoing.incident
    state, tag = _state(incident)
    told = "\n".join(part for part in (state, page.body, RESENT if page.resent_after_unknown else "") if part)
    message: dict[str, object] = {
        "topic": _topic(page.address),
        "sequence_id": sequence,
        "title": _cut(page.subject, LONGEST_TITLE),
        "message": _cut(told, LONGEST_MESSAGE),
        "tags": [tag],
        "priority": _priority(outgoing),
        "actions": _actions(outgoing),
    }
    return message | ({"click": outgoing.incident_url} if outgoing.incident_url else {})


def _actions(outgoing: Outgoing) -> list[dict[str, object]]:
    resolved = not outgoing.is_approval and outgoing.incident is not None and outgoing.incident.state is IncidentState.RESOLVED
    answers = [(outgoing.yes, outgoing.acknowledge_url), (outgoing.no, outgoing.escalate_url)]
    made: list[dict[str, object]] = [
        {"action": "http", "label": label, "url": url, "method": "POST", "clear": True} for label, url in answers if url and not resolved
    ]
    return [*made, {"action": "view", "label": "Open", "url": outgoing.incident_url}] if outgoing.incident_url else made


def _priority(outgoing: Outgoing) -> int:
    """As loud as it is bad; what only tells does not ring."""
    incident = outgoing.incident
    over = incident is not None and incident.state is not IncidentState.OPEN and not outgoing.is_approval
    if outgoing.page.kind in (Kind.TAKEN, Kind.RESOLVED) or over or outgoing.is_decided:
        return 2
    return PRIORITY.get(incident.severity, 3) if incident is not None else 4


def _state(incident: Incident | None) -> tuple[str, str]:
    if incident is None:
        return "", "bell"
    if incident.state is IncidentState.RESOLVED:
        return "Resolved" + (f": {incident.resolve_reason}" if incident.resolve_reason else "") + "\n", "white_check_mark"
    if incident.state is IncidentState.ACKNOWLEDGED:
        return f"Taken by {incident.acknowledged_by}\n", "eyes"
    return "", "rotating_light"


def _cut(text: str, longest: int) -> str:
    """As much of it as fits when it is written as JSON."""
    cut = text
    while len(json.dumps(cut, ensure_ascii=False).encode()) > longest:
        cut = cut[: len(cut) * 4 // 5]
    return cut if cut == text else f"{cut}…"


def _sequence(key: str) -> str:
    return key if _TOPIC.fullmatch(key) else hashlib.sha256(key.encode()).hexdigest()[:32]


def _taken(message: dict[str, Any], topic: str) -> Receipt:
    """The topic and the sequence that it can be edited by; without the second at an old server."""
    return Receipt(Outcome.ACCEPTED, f"taken as {message.get('id')}", f"{topic}/{message.get('sequence_id') or ''}")


def _asks(message: dict[str, Any], url: str) -> bool:
    actions = message.get("actions")
    return bool(url) and isinstance(actions, list) and any(isinstance(each, dict) and each.get("url") == url for each in actions)


def _lines(body: bytes) -> list[dict[str, Any]]:
    found = []
    for line in body.splitlines():
        try:
            read = json.loads(line)
        except ValueError:
            continue
        if isinstance(read, dict):
            found.append(read)
    return found


def _until_midnight(now: datetime) -> timedelta:
    """Limits of a day begin anew at midnight, UTC."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - now


@asynccontextmanager
async def open_ntfy(settings: NtfySettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The server, if there is one."""
    if not settings.ntfy_url:
        yield (Account("ntfy", Off("ntfy is off: TOCSIN_NTFY_URL is not set")),)
        return
    if url_flaw(settings.ntfy_url):
        raise ValueError(f"TOCSIN_NTFY_URL {url_flaw(settings.ntfy_url)}")
    credentials = settings.ntfy_token_file.read_text().strip() if settings.ntfy_token_file else ""
    async with http_client([host_of(settings.ntfy_url)]) as http:
        yield (Account("ntfy", NtfyDriver(http, settings.ntfy_url, credentials, around.clock)),)


KIND = ChannelKind(Channel.NTFY, "ntfy", topic_flaw, open_ntfy)
