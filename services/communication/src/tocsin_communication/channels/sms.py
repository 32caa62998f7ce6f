"""SMS, by Twilio first: short, with a code to answer by, and a receipt from the carrier."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from xml.sax.saxutils import escape

from tocsin_communication.channels.account_files import different
from tocsin_communication.channels.channel import Account, Accounts, ChannelKind, Off, OneWay, Outgoing, Surroundings
from tocsin_communication.channels.http import host_of, http_client
from tocsin_communication.channels.inbound import (
    BadRequest,
    Delivered,
    HttpAnswer,
    InboundAnswer,
    InboundEvent,
    InboundRequest,
    NoInbound,
    OptOut,
    Result,
    Said,
    Seen,
    Undelivered,
)
from tocsin_communication.channels.short import HELP, START, STOP, phone_flaw, text
from tocsin_communication.channels.twilio import MEANING, Twilio, TwilioSettings, called_back, page_of, twilio_accounts
from tocsin_communication.channels.vonage import VonageSettings, VonageSms, vonage_accounts
from tocsin_communication.contacts.contact import Channel
from tocsin_communication.pages.message import one_line
from tocsin_communication.pages.receipt import Outcome, Receipt

LONGEST_ANSWER = 300
# As long as a page itself is tried: what a carrier has not delivered by then would only confuse.
VALID_SECONDS = 900
RECEIPT_WITHIN = timedelta(seconds=60)
# Twilio's clock and ours need not agree to the second.
SKEW = timedelta(minutes=1)
GONE = ("failed", "undelivered", "canceled")
EMPTY = "<Response/>"


class SmsDriver(OneWay):
    """Hands SMS to one account."""

    def __init__(self, twilio: Twilio, around: Surroundings) -> None:
        self._twilio = twilio
        self._around = around

    async def send(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt:
        """See ChannelDriver."""
        account = self._twilio.account
        sender = ("MessagingServiceSid", account.messaging_service) if account.messaging_service else ("From", account.sms_from)
        fields = [
            ("To", outgoing.page.address),
            sender,
            ("Body", text(outgoing, outgoing.page.resent_after_unknown, account.hears)),
            ("ValidityPeriod", str(VALID_SECONDS)),
            ("SmartEncoded", "true"),
        ]
        if called_back(self._around.public_url):
            hook = self._around.hook(Channel.SMS, f"{account.name}/status?page={outgoing.page.id}")
            fields.append(("StatusCallback", hook))
        return await self._twilio.create("Messages", fields, seconds)

    async def recover(self, outgoing: Outgoing, idempotency_key: str, seconds: float) -> Receipt | None:
        """See ChannelDriver. The text names the page: it has a code that no other open page of the same person has."""
        page = outgoing.page
        messages = await self._twilio.sent_to("Messages", page.address, page.created_at - SKEW, seconds)
        if messages is None:
            return None
        texts = tuple(text(outgoing, resent, self._twilio.account.hears) for resent in (False, True))
        for message in messages:
            # Trial accounts put words of their own in front.
            if str(message.get("body")).endswith(texts) and message.get("status") not in GONE:
                return Receipt(Outcome.ACCEPTED, f"found at Twilio: {message.get('status')}", str(message.get("sid")))
        return Receipt(Outcome.TRANSIENT, "Twilio does not have it")

    async def parse_inbound(self, request: InboundRequest) -> InboundAnswer:
        """See ChannelDriver: `status` is called as the carrier takes and delivers, `reply` when somebody sends an SMS."""
        match request.path.rpartition("/")[2]:
            case "status":
                return InboundAnswer(self._status(request))
            case "reply":
                return self._reply(request)
        raise NoInbound()

    def _status(self, request: InboundRequest) -> tuple[InboundEvent, ...]:
        fields = self._twilio.proven(request)
        sid, status, page = fields.get("MessageSid", ""), fields.get("MessageStatus", ""), page_of(request)
        if not sid or not status:
            raise BadRequest("a status callback has MessageSid and MessageStatus")
        dedup, now = f"{sid}:{status}", self._around.clock.now()
        match status:
            case "delivered":
                return (Delivered(dedup_id=dedup, at=now, provider_id=sid, page_id=page),)
            case "read":
                return (Seen(dedup_id=dedup, at=now, provider_id=sid, page_id=page),)
            case "failed" | "undelivered":
                code = fields.get("ErrorCode", "")
                why = f"the SMS was not delivered: {status}" + (f", Twilio error {code}" if code else "")
                outcome = MEANING.get(int(code) if code.isdecimal() else 0, Outcome.TRANSIENT)
                return (Undelivered(dedup_id=dedup, why=why, outcome=outcome, provider_id=sid, page_id=page),)
        return ()

    def _reply(self, request: InboundRequest) -> InboundAnswer:
        fields = self._twilio.proven(request)
        sender, said, sid = fields.get("From", ""), fields.get("Body", ""), fields.get("MessageSid", "")
        if not sender or not sid:
            raise BadRequest("an SMS has From and MessageSid")
        word = (fields.get("OptOutType") or said).strip().upper()
        if word in HELP:
            return InboundAnswer((), _twiml(EMPTY))
        if word in STOP or word in START:
            # Twilio tells the sender what that means.
            return InboundAnswer((OptOut(dedup_id=sid, address=sender, again=word in START),), _twiml(EMPTY))
        answer = Said(dedup_id=sid, address=sender, text=said)
        # Twilio takes it for START, and it is an answer too.
        events = (OptOut(dedup_id=f"{sid}:start", address=sender, again=True), answer) if word == "YES" else (answer,)
        return InboundAnswer(events, _twiml(EMPTY), _answered)


def _answered(results: Sequence[Result]) -> HttpAnswer:
    said = " ".join(result.text for result in results if result.text)
    return _twiml(f"<Response><Message>{escape(one_line(said, LONGEST_ANSWER))}</Message></Response>" if said else EMPTY)


def _twiml(text: str) -> HttpAnswer:
    return HttpAnswer(200, "text/xml", text.encode())


@dataclass(frozen=True, kw_only=True)
class SmsSettings(VonageSettings, TwilioSettings):
    """What SMS need."""


@asynccontextmanager
async def open_sms(settings: SmsSettings, around: Surroundings) -> AsyncIterator[Accounts]:
    """The accounts that can send SMS: those of Twilio, then those of Vonage."""
    by_twilio = [account for account in twilio_accounts(settings.twilio_accounts_file) if account.texts]
    by_vonage = vonage_accounts(settings.vonage_accounts_file)
    different([*by_twilio, *by_vonage])
    if not by_twilio and not by_vonage:
        yield (Account("sms", Off("SMS is off: TOCSIN_TWILIO_ACCOUNTS_FILE names no account with sms_from or messaging_service")),)
        return
    # Where nobody can call back no receipt ever comes: waiting for one would send every SMS twice.
    receipt_within = RECEIPT_WITHIN if called_back(around.public_url) else None
    urls = [account.url for account in by_twilio] + [account.url for account in by_vonage]
    async with http_client([host_of(url) for url in urls]) as http:
        yield (
            *(Account(account.name, SmsDriver(Twilio(http, account), around), receipt_within) for account in by_twilio),
            *(Account(account.name, VonageSms(http, account, around), receipt_within) for account in by_vonage),
        )


KIND = ChannelKind(Channel.SMS, "SMS", phone_flaw, open_sms)
