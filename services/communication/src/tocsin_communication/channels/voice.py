"""Calls by Twilio: what it is about is spoken, a digit answers. Only a digit counts as an answer: voicemail picks up too."""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, Outgoing, Surroundings
from tocsin_communication.channels.http import Deadline, Lost, host_of, http_client
from tocsin_communication.channels.inbound import (
    Acknowledge,
    BadRequest,
    Delivered,
    Escalate,
    HttpAnswer,
    InboundAnswer,
    InboundEvent,
    InboundRequest,
    NoInbound,
    Result,
    Seen,
    Undelivered,
)
from tocsin_communication.channels.short import phone_flaw
from tocsin_communication.channels.twilio import Fields, Twilio, TwilioSettings, called_back, page_of, refusal, twilio_accounts
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.incidents.incident import Incident, IncidentState
from tocsin_communication.pages.message import one_line
from tocsin_communication.pages.page import Kind
from tocsin_communication.pages.receipt import Outcome, Receipt

# Most mailboxes pick up after that.
RING_SECONDS = 25
TIMES = 3
LONGEST_SAID = 300
REMEMBERED = 2000
SKEW = timedelta(seconds=30)
ENDED = ("completed", "busy", "failed", "no-answer", "canceled")
NOT_IN_PROGRESS = 21220
NOBODY_THERE = ("404", "410", "484", "604")
CHOICE = "Press 1 to acknowledge. Press 2 to escalate."
CHOICE_AGAIN = "Press 1 for yes. Press 2 for no."
APPROVAL_CHOICE = "Press 1 to approve. Press 2 to deny."
RESENT = "You may have had this call before."
GOOD_BYE = "Good bye."


class VoiceDriver:
    """Calls people from one account."""

    def __init__(self, twilio: Twilio, around: Surroundings) -> None:
        self._twilio = twilio
        self._around = around
        self._opened_at = around.clock.now()
        # Which call is for which page, as far as this process knows: Twilio's list of calls does not tell.
        self._calls: OrderedDict[str, str] = OrderedDict()

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver. Accepted means that the phone will ring."""
        account = self._twilio.account
        fields = [
            ("To", outgoing.page.address),
            ("From", account.voice_from),
            ("Twiml", self._script(outgoing)),
            ("Timeout", str(RING_SECONDS)),
        ]
        if called_back(self._around.public_url):
            fields += self._callbacks(outgoing.page.id)
        receipt = await self._twilio.create("Calls", fields, seconds)
        if receipt.outcome.taken:
            self._remember(receipt.provider_id, outgoing.page.id)
        return receipt

    async def edit(self, outgoing: Outgoing, provider_id: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. A phone that still rings is hung up; who is on the line is told."""
        if not provider_id.isalnum():
            return Receipt(Outcome.PERMANENT_TARGET, "there is no such call")
        said = _news(outgoing)
        if not said:
            return Receipt(Outcome.ACCEPTED, "there is nothing to tell", provider_id)
        deadline = Deadline(seconds)
        try:
            found = await self._twilio.find("Calls", provider_id, deadline.left)
            if not found.success:
                return refusal(found)
            if found.json.get("status") in ENDED:
                return Receipt(Outcome.ACCEPTED, "the call has ended", provider_id)
            on_the_line = found.json.get("status") == "in-progress"
            fields: Fields = [("Twiml", self._said(said))] if on_the_line else [("Status", "completed")]
            answer = await self._twilio.update("Calls", provider_id, fields, deadline.left)
        except Lost as lost:
            return lost.receipt
        if answer.success or answer.json.get("code") == NOT_IN_PROGRESS:
            return Receipt(Outcome.ACCEPTED, "told on the line" if on_the_line else "hung up", provider_id)
        return refusal(answer)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. A call to the same number that is for no other page is this one's, if all of them were made in this life."""
        page = outgoing.page
        calls = await self._twilio.sent_to("Calls", page.address, page.created_at - SKEW, seconds)
        if calls is None:
            return None
        known = [call for call in calls if self._calls.get(_sid(call)) == page.id]
        nobodys = [call for call in calls if _sid(call) not in self._calls and call.get("from") == self._twilio.account.voice_from]
        if not known and not nobodys:
            return Receipt(Outcome.TRANSIENT, "Twilio has no such call")
        if not known and self._opened_at > page.created_at:
            return None
        found = (known or nobodys)[0]
        self._remember(_sid(found), page.id)
        return Receipt(Outcome.ACCEPTED, f"found at Twilio: {found.get('status')}", _sid(found))

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver: `status` follows the call, `answered-by` says who picked up, `digits` what was pressed."""
        match request.path.rpartition("/")[2]:
            case "status":
                return InboundAnswer(self._status(request))
            case "answered-by":
                return InboundAnswer(self._answered_by(request))
            case "digits":
                return self._digits(request)
        raise NoInbound()

    def _status(self, request: InboundRequest) -> tuple[InboundEvent, ...]:
        fields = self._twilio.proven(request)
        sid, status, page = fields.get("CallSid", ""), fields.get("CallStatus", ""), page_of(request)
        if not sid or not status:
            raise BadRequest("a status callback has CallSid and CallStatus")
        if page:
            self._remember(sid, page)
        if status not in ("busy", "failed", "no-answer"):
            # "canceled" is our own doing, and "completed" says nothing of who listened.
            return ()
        nobody = fields.get("SipResponseCode") in NOBODY_THERE
        outcome = Outcome.PERMANENT_TARGET if nobody else Outcome.TRANSIENT
        why = "the number does not exist" if nobody else f"the call was not answered: {status}"
        return (Undelivered(dedup_id=f"{sid}:{status}", why=why, outcome=outcome, provider_id=sid, page_id=page),)

    def _answered_by(self, request: InboundRequest) -> tuple[InboundEvent, ...]:
        fields = self._twilio.proven(request)
        sid, who, page = fields.get("CallSid", ""), fields.get("AnsweredBy", ""), page_of(request)
        if not sid or not who:
            raise BadRequest("this callback has CallSid and AnsweredBy")
        dedup = f"{sid}:answered-by"
        if who.startswith("machine") or who == "fax":
            why = "an answering machine took the call"
            return (Undelivered(dedup_id=dedup, why=why, outcome=Outcome.TRANSIENT, provider_id=sid, page_id=page),)
        return (Seen(dedup_id=dedup, at=self._around.clock.now(), provider_id=sid, page_id=page),) if who == "human" else ()

    def _digits(self, request: InboundRequest) -> InboundAnswer:
        fields = self._twilio.proven(request)
        sid, digits, page = fields.get("CallSid", ""), fields.get("Digits", ""), page_of(request)
        if not sid or not page:
            raise BadRequest("a keypad callback has CallSid, and names its page")
        named = {"dedup_id": f"{sid}:{digits}", "page_id": page, "address": fields.get("To", "")}
        answers: dict[str, InboundEvent] = {"1": Acknowledge(**named), "2": Escalate(**named)}
        if digits not in answers:
            return InboundAnswer((), _twiml(self._asked(CHOICE_AGAIN, request.url)))
        heard = Delivered(dedup_id=f"{sid}:heard", at=self._around.clock.now(), provider_id=sid, page_id=page)
        return InboundAnswer((heard, answers[digits]), _twiml(self._said(GOOD_BYE)), self._thanked)

    def _thanked(self, results: Sequence[Result]) -> HttpAnswer:
        told = " ".join(result.text for result in results if result.text)
        done = any(result.done for result in results if not isinstance(result.event, Delivered))
        said = told or ("Thank you." if done else "That did not work. Please answer another way.")
        return _twiml(self._said(f"{spoken(said)} {GOOD_BYE}"))

    def _script(self, outgoing: Outgoing) -> str:
        """What is said when somebody picks up. Links and codes are never spoken: who picks up is not known."""
        page = outgoing.page
        text = _about(outgoing.incident) if page.kind is Kind.SUMMONS and outgoing.incident else page.subject
        opening = (
            f"This is Tocsin. {RESENT if page.resent_after_unknown else ''} {spoken(page.body if page.kind is Kind.DIRECT else text)}."
        )
        if not outgoing.acknowledge_url or not called_back(self._around.public_url):
            return self._said(f"{opening} {GOOD_BYE}")
        hook = self._around.hook(Channel.VOICE, f"{self._twilio.account.name}/digits?page={page.id}")
        return self._asked(f"{opening} {APPROVAL_CHOICE if outgoing.is_approval else CHOICE}", hook, TIMES)

    def _asked(self, text: str, action: str, times: int = 2) -> str:
        """Say it, a few times over, until a digit is pressed."""
        gather = f'<Gather input="dtmf" numDigits="1" timeout="6" method="POST" action={quoteattr(action)}>{self._say(text)}</Gather>'
        return f"<Response>{gather * times}{self._say(GOOD_BYE)}</Response>"

    def _said(self, text: str) -> str:
        return f"<Response>{self._say(text)}<Hangup/></Response>"

    def _say(self, text: str) -> str:
        return f"<Say language={quoteattr(self._twilio.account.language)}>{escape(' '.join(text.split()))}</Say>"

    def _callbacks(self, page: str) -> list[tuple[str, str]]:
        def hook(below: str) -> str:
            return self._around.hook(Channel.VOICE, f"{self._twilio.account.name}/{below}?page={page}")

        events = [("StatusCallbackEvent", event) for event in ("initiated", "ringing", "answered", "completed")]
        detection = [("MachineDetection", "Enable"), ("AsyncAmd", "true"), ("AsyncAmdStatusCallback", hook("answered-by"))]
        return [("StatusCallback", hook("status")), *events, *detection]

    def _remember(self, sid: str, page: str) -> None:
        self._calls[sid] = page
        while len(self._calls) > REMEMBERED:
            self._calls.popitem(last=False)


def spoken(text: str) -> str:
    """A sender's text as something that can be said: one line, without signs that a voice would spell."""
    line = one_line(text, LONGEST_SAID)
    return " ".join("".join(sign if sign.isalnum() or sign in " .,:;?!'%+-" else " " for sign in line).split())


def _about(incident: Incident) -> str:
    severity = incident.severity.removeprefix("SEV")
    return f"Severity {severity}. Incident {incident.number}. Service {incident.service}. {incident.title}"


def _news(outgoing: Outgoing) -> str:
    """What somebody on the line is told; empty if nothing has changed for them, or they did it themselves."""
    incident = outgoing.incident
    if outgoing.is_decided:
        return f"{spoken(outgoing.page.subject)}. {GOOD_BYE}" if outgoing.page.used_at is None else ""
    if outgoing.is_approval or incident is None or incident.state is IncidentState.OPEN:
        return ""
    if incident.state is IncidentState.RESOLVED:
        return f"Incident {incident.number} is resolved. {GOOD_BYE}"
    if incident.acknowledged_by == outgoing.page.responder:
        return ""
    return f"Incident {incident.number} was taken by {spoken(incident.acknowledged_by)}. Nothing more is asked of you. {GOOD_BYE}"


def _sid(call: dict[str, Any]) -> str:
    return str(call.get("sid"))


def _twiml(text: str) -> HttpAnswer:
    return HttpAnswer(200, "text/xml", text.encode())


@asynccontextmanager
async def open_voice(settings: TwilioSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The accounts that can call."""
    accounts = [account for account in twilio_accounts(settings.twilio_accounts_file) if account.voice_from]
    if not accounts:
        yield (Account("voice", Off("calls are off: TOCSIN_TWILIO_ACCOUNTS_FILE names no account with voice_from")),)
        return
    async with http_client([host_of(account.url) for account in accounts]) as http:
        yield tuple(Account(account.name, VoiceDriver(Twilio(http, account), around)) for account in accounts)


KIND = ChannelKind(Channel.VOICE, "phone call", phone_flaw, open_voice)
