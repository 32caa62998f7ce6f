"""A stand-in for Twilio: takes messages and calls as its REST API does, signs what it calls back, and lets people answer their phones."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlencode, urlsplit
from xml.etree import ElementTree

from tocsin_testkit.outside.http import Callback, HttpRequest, HttpResponse, OutsideServer, Plan, as_json

PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-f]{32})/(Messages|Calls)(?:/((?:SM|CA)[0-9a-f]{32}))?\.json")
LONGEST_BODY = 1600
LONGEST_TWIML = 4000
LONGEST_VALIDITY = 36_000
ENDED = ("completed", "busy", "failed", "no-answer", "canceled")
STOP_WORDS = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT")

AUTHENTICATE = (401, 20003, "Authenticate")
NOT_FOUND = (404, 20404, "The requested resource was not found")
TOO_MANY = (429, 20429, "Too Many Requests")


@dataclass
class Message:
    """A message or a call that was taken, and what became of it."""

    sid: str
    to: str
    sender: str
    created_at: datetime
    status: str = "queued"
    body: str = ""
    callback: str = ""
    events: list[str] = field(default_factory=list)
    twiml: str = ""
    machine_callback: str = ""
    heard: list[str] = field(default_factory=list)
    action: str = ""
    validity: int = 0

    @property
    def call(self) -> bool:
        return self.sid.startswith("CA")


class Refused(Exception):
    """The answer is an error of Twilio's own form."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.response = as_json(
            {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}, status
        )


class FakeTwilio(OutsideServer):
    """One account. `messages` is the ledger of what was taken; `opted_out` holds the numbers that said STOP."""

    def __init__(self, now: datetime | None = None, *, account: str = "AC" + "1" * 32, token: str = "tocsin-test-token") -> None:
        super().__init__()
        self.account = account
        self.token = token
        self.keys: dict[str, str] = {}
        self.now = now or datetime.now(UTC)
        self.numbers = {"+15550000001"}
        self.services = {"MG" + "2" * 32}
        self.opted_out: set[str] = set()
        self.picks_up = False
        """Somebody answers the phone at once and listens."""
        self.messages: list[Message] = []

    # What we ask of it

    async def answer(self, request: HttpRequest) -> HttpResponse:
        found = PATH.fullmatch(request.path)
        try:
            self._authenticate(request)
            if found is None or found[1] != self.account:
                raise Refused(*NOT_FOUND)
            return self._asked(request, found[2], found[3] or "")
        except Refused as refused:
            return refused.response

    def _asked(self, request: HttpRequest, resource: str, sid: str) -> HttpResponse:
        if request.method == "GET":
            return as_json(self._shown(self._find(sid)) if sid else self._listed(request, resource))
        if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
            raise Refused(400, 20001, "Parameters must be a form")
        fields = parse_qsl(request.raw.decode(), keep_blank_values=True)
        if sid:
            return as_json(self._updated(self._find(sid), dict(fields)))
        return self._created(fields, "CA" if resource == "Calls" else "SM")

    def _authenticate(self, request: HttpRequest) -> None:
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        user, _, password = base64.b64decode(encoded).decode().partition(":")
        known = {self.account: self.token, **self.keys}
        if scheme != "Basic" or not password or known.get(user) != password:
            raise Refused(*AUTHENTICATE)

    def _created(self, fields: list[tuple[str, str]], prefix: str) -> HttpResponse:
        asked = dict(fields)
        plan = self.planned()
        self._refuse(plan, asked.get("To", ""))
        for callback in (asked.get(name) for name in ("StatusCallback", "AsyncAmdStatusCallback")):
            if callback and "." not in (urlsplit(callback).hostname or "").strip("0123456789."):
                raise Refused(400, 21609, f"The 'StatusCallback' URL {callback} is not a valid URL")
        message = self._message(fields, asked) if prefix == "SM" else self._call(fields, asked)
        message.sid = f"{prefix}{len(self.messages) + 1:032x}"
        self.messages.append(message)
        return as_json(self._shown(message), 201, plan)

    def _refuse(self, plan: Plan, to: str) -> None:
        if plan is Plan.THROTTLE:
            raise Refused(*TOO_MANY)
        if plan is Plan.REFUSE_NOW:
            raise Refused(503, 20503, "Service unavailable")
        if plan is Plan.CONFIG:
            raise Refused(*AUTHENTICATE)
        if not PHONE.fullmatch(to) or plan is Plan.TARGET:
            raise Refused(400, 21211, f"Invalid 'To' Phone Number: {to}")

    def _message(self, fields: list[tuple[str, str]], asked: dict[str, str]) -> Message:
        sender, service = asked.get("From", ""), asked.get("MessagingServiceSid", "")
        if bool(sender) == bool(service):
            raise Refused(400, 21603, "A 'From' phone number or a MessagingServiceSid is required, and not both")
        if sender and sender not in self.numbers:
            raise Refused(400, 21659, f"'From' {sender} is not a Twilio phone number or Short Code country mismatch")
        if service and service not in self.services:
            raise Refused(404, 20404, "The Messaging Service was not found")
        if asked["To"] in self.opted_out:
            raise Refused(400, 21610, "Attempt to send to unsubscribed recipient")
        if not 0 < len(asked.get("Body", "")) <= LONGEST_BODY:
            raise Refused(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        validity = int(asked.get("ValidityPeriod", LONGEST_VALIDITY))
        if not 1 <= validity <= LONGEST_VALIDITY:
            raise Refused(400, 21632, "Invalid ValidityPeriod")
        made = Message("", asked["To"], sender or service, self.now, body=asked["Body"], callback=asked.get("StatusCallback", ""))
        made.status, made.validity = "accepted" if service else "queued", validity
        return made

    def _call(self, fields: list[tuple[str, str]], asked: dict[str, str]) -> Message:
        if asked.get("From", "") not in self.numbers:
            raise Refused(400, 21210, f"The source phone number provided, {asked.get('From')}, is not yet verified for your account")
        if not asked.get("Twiml"):
            raise Refused(400, 21205, "Url parameter is required")
        made = Message("", asked["To"], asked["From"], self.now, callback=asked.get("StatusCallback", ""))
        made.machine_callback = asked.get("AsyncAmdStatusCallback", "")
        made.events = [value for name, value in fields if name == "StatusCallbackEvent"] or ["completed"]
        self.play(made, asked["Twiml"])
        made.status = "in-progress" if self.picks_up else "queued"
        if not self.picks_up:
            made.heard = []
        return made

    def _updated(self, message: Message, asked: dict[str, str]) -> dict[str, object]:
        if not message.call or message.status in ENDED:
            raise Refused(400, 21220, "Call is not in-progress. Cannot redirect.")
        if "Twiml" in asked and message.status != "in-progress":
            raise Refused(400, 21220, "Call is not in-progress. Cannot redirect.")
        if "Twiml" in asked:
            self.play(message, asked["Twiml"])
        elif asked.get("Status") == "completed" or (asked.get("Status") == "canceled" and message.status != "in-progress"):
            message.status = "completed" if message.status == "in-progress" else "canceled"
        return self._shown(message)

    def _listed(self, request: HttpRequest, resource: str) -> dict[str, object]:
        wanted = [
            self._shown(message)
            for message in reversed(self.messages)
            if message.call == (resource == "Calls") and request.query.get("To", message.to) == message.to
        ]
        return {resource.lower(): wanted[: int(request.query.get("PageSize", "50"))], "page": 0, "next_page_uri": None}

    def _find(self, sid: str) -> Message:
        found = [message for message in self.messages if message.sid == sid]
        if not found:
            raise Refused(*NOT_FOUND)
        return found[0]

    def _shown(self, message: Message) -> dict[str, object]:
        service = message.sender.startswith("MG")
        return {
            "sid": message.sid,
            "status": message.status,
            "to": message.to,
            "from": None if service else message.sender,
            "messaging_service_sid": message.sender if service else None,
            "body": message.body,
            "direction": "outbound-api",
            "error_code": None,
            "date_created": format_datetime(message.created_at),
            "account_sid": self.account,
        }

    def play(self, message: Message, twiml: str) -> None:
        """What somebody on the line hears, up to the digit that is asked for."""
        if len(twiml) > LONGEST_TWIML:
            raise Refused(400, 21218, "Invalid TwiML")
        message.twiml = twiml
        root = ElementTree.fromstring(twiml)
        assert root.tag == "Response", "TwiML is a Response"
        message.heard += [" ".join((said.text or "").split()) for said in root.iter("Say")]
        gathers = list(root.iter("Gather"))
        message.action = gathers[0].get("action", "") if gathers else ""

    # What it tells us: (path and query below the public address, request)

    def status(self, message: Message, status: str, error: int = 0, *, at: int = 1, **more: str) -> tuple[str, Callback]:
        """A status callback, to the address that the message named."""
        message.status = status
        name = ("CallSid", "CallStatus") if message.call else ("MessageSid", "MessageStatus")
        fields = {name[0]: message.sid, name[1]: status, "To": message.to, "From": message.sender, "AccountSid": self.account, **more}
        if error:
            fields["ErrorCode"] = str(error)
        if message.call:
            fields |= {"SequenceNumber": str(at), "Timestamp": format_datetime(self.now), "CallbackSource": "call-progress-events"}
        return message.callback, self.signed(message.callback, fields)

    def press(self, message: Message, digits: str) -> tuple[str, Callback]:
        """Somebody on the line presses keys, or (with none) waits until they have to."""
        message.status = "in-progress"
        fields = {"CallSid": message.sid, "CallStatus": "in-progress", "To": message.to, "From": message.sender, "Digits": digits}
        return message.action, self.signed(message.action, fields)

    def recognised(self, message: Message, answered_by: str) -> tuple[str, Callback]:
        """Who it is that answered the call: human, machine_start, fax, unknown."""
        fields = {"CallSid": message.sid, "AccountSid": self.account, "AnsweredBy": answered_by, "MachineDetectionDuration": "2100"}
        return message.machine_callback, self.signed(message.machine_callback, fields)

    def text(self, url: str, sender: str, body: str, *, sid: str = "SM" + "9" * 32, **more: str) -> tuple[str, Callback]:
        """Somebody sends an SMS to our number. Twilio itself hears STOP and START."""
        word = body.strip().upper()
        if word in STOP_WORDS:
            self.opted_out.add(sender)
        if word in ("START", "YES", "UNSTOP"):
            self.opted_out.discard(sender)
        fields = {"MessageSid": sid, "SmsSid": sid, "AccountSid": self.account, "From": sender, "To": min(self.numbers), "Body": body}
        return url, self.signed(url, {**fields, "NumMedia": "0", **more})

    def signed(self, url: str, fields: dict[str, str], token: str = "") -> Callback:
        """A request signed as the account signs, or with another token."""
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": signature(token or self.token, url, fields.items()),
            "i-twilio-idempotency-token": hashlib.sha1(repr(sorted(fields.items())).encode()).hexdigest(),
        }
        return Callback(headers, urlencode(fields).encode(), url.partition("?")[2])


def signature(token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """X-Twilio-Signature: the address, then every field by name, all without anything between."""
    text = url + "".join(f"{name}{value}" for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
