"""Pages of the watchdog's own: e-mail, webhook and SMS, with nothing of the platform between."""

import base64
import hashlib
import hmac
import json
import smtplib
import ssl
import time
import urllib.parse
import uuid
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tocsin_watchdog.platform import NotAnswered, request
from tocsin_watchdog.snapshot import Contact

SECONDS = 15.0


class Pager:
    """Hands one message to one contact. Raises NotAnswered when it was not taken, or cannot be sent from here."""

    def __init__(self, smtp_url: str, email_from: str, webhook_secret: str, twilio: Mapping[str, Any] | None) -> None:
        self._smtp_url = smtp_url
        self._email_from = email_from
        self._webhook_secret = webhook_secret
        self._twilio = twilio
        self._ways: Mapping[str, Callable[[Contact, str, str], None]] = {"EMAIL": self._mail, "WEBHOOK": self._post, "SMS": self._text}

    def can(self, contact: Contact) -> bool:
        """Whether this kind of contact can be used from here."""
        return contact.kind in self._ways

    def page(self, contact: Contact, subject: str, text: str) -> None:
        """Send it."""
        way = self._ways.get(contact.kind)
        if way is None:
            raise NotAnswered(f"the watchdog has no {contact.kind} of its own")
        way(contact, subject, text)

    def _mail(self, contact: Contact, subject: str, text: str) -> None:
        if not self._smtp_url:
            raise NotAnswered("TOCSIN_SMTP_URL is not set")
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = self._email_from, contact.address, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="tocsin-watchdog")
        message["Auto-Submitted"], message["X-Priority"] = "auto-generated", "1"
        message.set_content(text)
        try:
            with _mail_server(self._smtp_url) as server:
                server.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            raise NotAnswered(str(error) or type(error).__name__) from error

    def _post(self, contact: Contact, subject: str, text: str) -> None:
        body = json.dumps({"type": "watchdog", "page": {"responder": contact.responder, "subject": subject, "body": text}}).encode()
        name, at = str(uuid.uuid4()), str(int(time.time()))
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": at,
            "webhook-signature": sign(self._webhook_secret, name, at, body),
        }
        request("POST", contact.address, body, headers, SECONDS)

    def _text(self, contact: Contact, subject: str, text: str) -> None:
        if self._twilio is None:
            raise NotAnswered("TOCSIN_TWILIO_ACCOUNTS_FILE is not set")
        account = self._twilio
        sender = {"From": account["sms_from"]} if account.get("sms_from") else {"MessagingServiceSid": account.get("messaging_service", "")}
        form = urllib.parse.urlencode({"To": contact.address, "Body": f"{subject}. {text}"[:480], **sender}).encode()
        user = f"{account.get('api_key') or account['account_sid']}:{account.get('api_secret') or account['auth_token']}"
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "authorization": "Basic " + base64.b64encode(user.encode()).decode(),
        }
        base = account.get("url") or "https://api.twilio.com"
        request("POST", f"{base}/2010-04-01/Accounts/{account['account_sid']}/Messages.json", form, headers, SECONDS)


def sign(secret: str, name: str, at: str, body: bytes) -> str:
    """The webhook-signature header of the Standard Webhooks scheme; a secret that is being exchanged has a line for each."""
    keys = [base64.b64decode(line.removeprefix("whsec_")) for line in secret.split()]
    digests = [hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest() for key in keys]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def is_signed(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> bool:
    """Whether the platform sent this, within the last five minutes."""
    name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not at.isdigit() or abs(now - int(at)) > 300:
        return False
    fitting = sign(secret, name, at, body).split()
    return any(hmac.compare_digest(one, shown) for one in fitting for shown in headers.get("webhook-signature", "").split())


def twilio_account(path: Path | None) -> Mapping[str, Any] | None:
    """The first account that can send SMS; None without a file, or if it cannot be read."""
    if path is None:
        return None
    try:
        accounts = json.loads(path.read_text(encoding="utf-8"))
        return next((account for account in accounts if account.get("sms_from") or account.get("messaging_service")), None)
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def _mail_server(url: str) -> smtplib.SMTP:
    """A connection that is ready to send: encrypted where the server can, logged in where the address says who."""
    parts = urlsplit(url)
    starttls = parse_qs(parts.query).get("starttls", ["auto"])[0]
    trust = ssl.create_default_context()
    host = parts.hostname or "localhost"
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(host, parts.port or 465, timeout=SECONDS, context=trust)
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=SECONDS)
        server.ehlo()
        if starttls == "always" or (starttls == "auto" and server.has_extn("starttls")):
            server.starttls(context=trust)
            server.ehlo()
    if parts.username:
        server.login(unquote(parts.username), unquote(parts.password or ""))
    return server
