"""Twilio's REST API and what it calls back: what SMS and calls share."""

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from tocsin_chassis.settings import setting
from tocsin_communication.channels.account_files import read_accounts
from tocsin_communication.channels.http import Answer, Http, Lost
from tocsin_communication.channels.inbound import BadSignature, InboundRequest
from tocsin_communication.channels.refusal import clipped, of_status
from tocsin_communication.channels.short import is_word, phone_flaw, sender_flaw
from tocsin_communication.pages.receipt import Outcome, Receipt

API = "https://api.twilio.com"
LISTED = 50

Fields = Sequence[tuple[str, str]]

# What Twilio's own codes mean, whether it answers with them or calls them back; the others mean what the HTTP status says.
MEANING = {
    20003: Outcome.PERMANENT_CONFIG,
    20404: Outcome.PERMANENT_CONFIG,
    20429: Outcome.THROTTLED,
    21211: Outcome.PERMANENT_TARGET,
    21214: Outcome.PERMANENT_TARGET,
    21215: Outcome.PERMANENT_CONFIG,
    21216: Outcome.PERMANENT_TARGET,
    21217: Outcome.PERMANENT_TARGET,
    21408: Outcome.PERMANENT_CONFIG,
    21608: Outcome.PERMANENT_CONFIG,
    21610: Outcome.PERMANENT_TARGET,
    21611: Outcome.TRANSIENT,
    21612: Outcome.PERMANENT_TARGET,
    21614: Outcome.PERMANENT_TARGET,
    30001: Outcome.TRANSIENT,
    30002: Outcome.PERMANENT_CONFIG,
    30003: Outcome.TRANSIENT,
    30004: Outcome.PERMANENT_TARGET,
    30005: Outcome.PERMANENT_TARGET,
    30006: Outcome.PERMANENT_TARGET,
    30007: Outcome.PERMANENT_CONFIG,
    30008: Outcome.TRANSIENT,
    30034: Outcome.PERMANENT_CONFIG,
    30410: Outcome.TRANSIENT,
}


@dataclass(frozen=True, kw_only=True)
class TwilioSettings:
    """What SMS and calls by Twilio need."""

    twilio_accounts_file: Path | None = setting(
        "TOCSIN_TWILIO_ACCOUNTS_FILE",
        "JSON file with the Twilio accounts for SMS and calls, the first one used first: channels/README.md shows one; "
        "empty: SMS and calls are off and their pages fail",
        default=None,
    )


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """One account, as the file has it. Without `api_key` the account's own token is used to ask; callbacks are always signed with it."""

    name: str
    account_sid: str
    auth_token: str
    api_key: str = ""
    api_secret: str = ""
    sms_from: str = ""
    messaging_service: str = ""
    voice_from: str = ""
    language: str = "en-US"
    url: str = API

    @property
    def texts(self) -> bool:
        """It can send SMS."""
        return bool(self.sms_from or self.messaging_service)

    @property
    def hears(self) -> bool:
        """People can answer its SMS: not if the sender is a word."""
        return bool(self.messaging_service) or not is_word(self.sms_from)


def twilio_accounts(path: Path | None) -> tuple[TwilioAccount, ...]:
    """The accounts of a file; none without one. Raises ValueError."""
    return read_accounts(path, TwilioAccount, _flaw)


def _flaw(account: TwilioAccount) -> str:
    if re.fullmatch(r"AC[0-9a-f]{32}", account.account_sid) is None:
        return "account_sid must be AC and 32 hexadecimal digits"
    if bool(account.api_key) != bool(account.api_secret):
        return "api_key and api_secret go together"
    if account.sms_from and account.messaging_service:
        return "sms_from and messaging_service exclude each other"
    if not account.texts and not account.voice_from:
        return "needs sms_from or messaging_service for SMS, or voice_from for calls"
    if account.sms_from and sender_flaw(account.sms_from):
        return f"sms_from {sender_flaw(account.sms_from)}"
    if account.voice_from and phone_flaw(account.voice_from):
        return f"voice_from {phone_flaw(account.voice_from)}"
    return ""


class Twilio:
    """One account: asks, and proves what calls back."""

    def __init__(self, http: Http, account: TwilioAccount) -> None:
        self._http = http
        self.account = account

    async def create(self, resource: str, fields: Fields, seconds: float) -> Receipt:
        """Make a message or a call. It has no idempotency key: what is asked twice is done twice."""
        try:
            answer = await self._ask("POST", f"/{resource}.json", seconds, fields)
        except Lost as lost:
            return lost.receipt
        sid = str(answer.json.get("sid") or "")
        if answer.success:
            return Receipt(Outcome.ACCEPTED if sid else Outcome.UNKNOWN, f"Twilio: {answer.json.get('status') or 'no status'}", sid)
        return refusal(answer)

    async def update(self, resource: str, sid: str, fields: Fields, seconds: float) -> Answer:
        """Change a call. Raises Lost."""
        return await self._ask("POST", f"/{resource}/{sid}.json", seconds, fields)

    async def find(self, resource: str, sid: str, seconds: float) -> Answer:
        """One message or call. Raises Lost."""
        return await self._ask("GET", f"/{resource}/{sid}.json", seconds)

    async def sent_to(self, resource: str, address: str, since: datetime, seconds: float) -> list[dict[str, Any]] | None:
        """The newest messages or calls to a number since then, newest first; None if nobody can tell."""
        try:
            answer = await self._ask("GET", f"/{resource}.json?{urlencode({'To': address, 'PageSize': LISTED})}", seconds)
        except Lost:
            return None
        entries = answer.json.get(resource.lower())
        if not answer.success or not isinstance(entries, list):
            return None
        return [entry for entry in entries if isinstance(entry, dict) and _made_since(entry, since)]

    async def _ask(self, method: str, path: str, seconds: float, fields: Fields = ()) -> Answer:
        account = self.account
        user, password = (account.api_key, account.api_secret) if account.api_key else (account.account_sid, account.auth_token)
        headers = {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
        content = None
        if method == "POST":
            headers["content-type"] = "application/x-www-form-urlencoded"
            content = urlencode(fields).encode()
        address = f"{account.url.rstrip('/')}/2010-04-01/Accounts/{account.account_sid}{path}"
        return await self._http.ask(method, address, seconds=seconds, headers=headers, content=content)

    def proven(self, request: InboundRequest) -> Mapping[str, str]:
        """The fields of a callback. Raises BadSignature."""
        try:
            fields = parse_qsl(request.body.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError:
            raise BadSignature("the body is no form") from None
        signature = request.headers.get("x-twilio-signature", "").encode(errors="replace")
        token = self.account.auth_token
        if not any(hmac.compare_digest(sign(token, url, fields), signature) for url in _spellings(request.url)):
            raise BadSignature("X-Twilio-Signature does not fit; is TOCSIN_PUBLIC_URL what Twilio calls, and auth_token the primary one?")
        return dict(fields)


def sign(token: str, url: str, fields: Fields) -> bytes:
    """The X-Twilio-Signature of a request: the address and each field by name, with nothing between them."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(errors="replace"), hashlib.sha1).digest())


def refusal(answer: Answer) -> Receipt:
    """What an error means: its own code says more than its status."""
    code = answer.json.get("code")
    said = f"{answer.json.get('message') or ''} (Twilio error {code})" if code else "Twilio"
    by_status = of_status(answer.status, said, answer.retry_after)
    outcome = MEANING.get(code) if isinstance(code, int) else None
    return by_status if outcome is None else Receipt(outcome, clipped(said), retry_after=answer.retry_after)


def called_back(public_url: str) -> bool:
    """Twilio refuses callbacks to names that cannot be of the internet, and with them the message."""
    host = urlsplit(public_url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host


def _made_since(entry: dict[str, Any], since: datetime) -> bool:
    try:
        return parsedate_to_datetime(str(entry.get("date_created"))) >= since
    except (ValueError, TypeError):
        return True


def _spellings(url: str) -> tuple[str, ...]:
    """The address as it may have been signed: Twilio sometimes writes the usual port, and sometimes not."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    port = {"https": ":443", "http": ":80"}.get(scheme, "")
    other = authority.removesuffix(port) if port and authority.endswith(port) else authority + port
    return (url, f"{scheme}://{other}{slash}{path}")


def page_of(request: InboundRequest) -> str:
    """The page that our own callback address names; Twilio signs the address too."""
    return parse_qs(request.query).get("page", [""])[0]
