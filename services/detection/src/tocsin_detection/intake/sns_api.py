"""What SNS asks for beside reporting: that its signature is verified, and that a subscription is confirmed."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.x509 import Certificate, load_pem_x509_certificate

from tocsin_chassis.outgoing import Outgoing, OutgoingFailed, OutgoingRefused
from tocsin_detection.intake.details import text_of
from tocsin_detection.intake.intake import BadPart, HttpAnswer, Request, json_answer
from tocsin_detection.intake.plain import refused
from tocsin_detection.intake.sns import NOTIFICATION, message_of
from tocsin_detection.signal import shortened

SUBSCRIPTION = "SubscriptionConfirmation"
UNSUBSCRIPTION = "UnsubscribeConfirmation"
OF_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
OF_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
SIGNED = {NOTIFICATION: OF_NOTIFICATION, SUBSCRIPTION: OF_CONFIRMATION, UNSUBSCRIPTION: OF_CONFIRMATION}
# Version 1 is what SNS uses unless its owner says otherwise.
HASHES: Mapping[str, type[HashAlgorithm]] = {"1": SHA1, "2": SHA256}
AMAZON = re.compile(r"sns\.[a-z0-9-]{1,63}\.amazonaws\.com(\.cn)?")
CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem")
# Deliveries are known again for a day: an older message could be one that was recorded and is sent again.
OLDEST = timedelta(days=1)
FURTHEST_AHEAD = timedelta(minutes=5)
SECONDS = 5.0
CERTIFICATE_KEPT = timedelta(days=1)
MOST_CERTIFICATES = 64

Content = Mapping[str, Any]


class Untrusted(Exception):
    """The message is not from a topic that is allowed; the text names the field and says what to do."""


@dataclass(frozen=True, slots=True)
class _Kept:
    certificate: Certificate
    until: datetime


class SnsApi:
    """Lets nothing pass that SNS did not sign for an allowed topic, and confirms the subscriptions of such topics."""

    def __init__(self, outgoing: Outgoing, hosts: Iterable[str] = ()) -> None:
        """`hosts` are trusted beside Amazon's own, each as host:port."""
        self._outgoing = outgoing
        self._hosts = frozenset(hosts)
        self._certificates: dict[str, _Kept] = {}

    async def serve(self, request: Request) -> HttpAnswer | None:
        """See SenderApi. None is a notification that is what it says."""
        try:
            message = message_of(request)
        except BadPart:
            return None
        try:
            await self._verify(message, request)
            return await self._answer(message)
        except Untrusted as error:
            return refused(403, str(error))
        except OutgoingFailed as error:
            # SNS delivers again what is answered so.
            return refused(503, f"SNS could not be asked, deliver it again: {error}")

    async def _verify(self, message: Content, request: Request) -> None:
        """Raises Untrusted, OutgoingFailed."""
        _check_topic(message, request)
        _check_time(message, request.received_at)
        signature, hash_of = _signature(message)
        certificate = await self._certificate(message, request.received_at)
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise Untrusted("SigningCertURL: the certificate there has no RSA key")
        try:
            key.verify(signature, text_to_sign(message).encode(), PKCS1v15(), hash_of())
        except InvalidSignature as error:
            raise Untrusted("Signature: it is not the one of this message by the certificate of SNS") from error

    async def _certificate(self, message: Content, now: datetime) -> Certificate:
        """The certificate that signed, once fetched kept for a day. Raises Untrusted, OutgoingFailed."""
        url = text_of(message.get("SigningCertURL"))
        address = self._address("SigningCertURL", url)
        if CERTIFICATE_PATH.fullmatch(address.path) is None or address.query:
            raise Untrusted("SigningCertURL: it is not the address of a certificate of SNS")
        kept = self._certificates.get(url)
        if kept is None or kept.until <= now:
            kept = _Kept(_readable(await self._fetch("SigningCertURL", url)), now + CERTIFICATE_KEPT)
            if len(self._certificates) >= MOST_CERTIFICATES:
                self._certificates.clear()
            self._certificates[url] = kept
        certificate = kept.certificate
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Untrusted("SigningCertURL: the certificate there is not valid now")
        return certificate

    async def _answer(self, message: Content) -> HttpAnswer | None:
        """What a verified message asks for; None if it reports. Raises Untrusted, OutgoingFailed."""
        if message["Type"] == NOTIFICATION:
            return None
        if message["Type"] == SUBSCRIPTION:
            await self._confirm(message)
            return json_answer(200, {"confirmed": message["TopicArn"]})
        return json_answer(200, {"unsubscribed": message["TopicArn"]})

    async def _confirm(self, message: Content) -> None:
        url = text_of(message.get("SubscribeURL"))
        asked = parse_qs(self._address("SubscribeURL", url).query, max_num_fields=20)
        if asked.get("Action") != ["ConfirmSubscription"] or asked.get("TopicArn") != [message["TopicArn"]]:
            raise Untrusted("SubscribeURL: it does not confirm the subscription of this topic")
        await self._fetch("SubscribeURL", url)

    async def _fetch(self, field: str, url: str) -> bytes:
        try:
            return await self._outgoing.get(url, SECONDS)
        except OutgoingRefused as error:
            raise Untrusted(f"{field}: {error}") from error

    def _address(self, field: str, url: str) -> SplitResult:
        """The parts of an address of SNS. Raises Untrusted for any other: whoever writes it would have this service ask it."""
        try:
            address = urlsplit(url)
        except ValueError as error:
            raise Untrusted(f"{field}: it is not an address") from error
        trusted = AMAZON.fullmatch(address.netloc) is not None or address.netloc in self._hosts
        if address.scheme != "https" or not trusted or address.fragment or not url.isprintable() or " " in url:
            raise Untrusted(f"{field}: {shortened(url, 200)!r} is not an https address of SNS")
        return address


def text_to_sign(message: Content) -> str:
    """The names and values that SNS signs, each on a line. Raises Untrusted for a type that it does not sign."""
    fields = SIGNED.get(text_of(message.get("Type")))
    if fields is None:
        raise Untrusted(f"Type: {shortened(text_of(message.get('Type')), 64)!r} is none that SNS sends")
    return "".join(f"{name}\n{text_of(message[name])}\n" for name in fields if message.get(name) is not None)


def _check_topic(message: Content, request: Request) -> None:
    topic = text_of(message.get("TopicArn"))
    if topic not in request.integration.options.allowed_topics:
        said = f"{shortened(topic, 300)!r} is not among the allowed_topics of integration {request.integration.name}"
        raise Untrusted(f"TopicArn: {said}: add it by ApplyConfiguration and subscribe again")


def _check_time(message: Content, now: datetime) -> None:
    try:
        at = datetime.fromisoformat(text_of(message.get("Timestamp")))
        age = now - at
    except (ValueError, TypeError, OverflowError) as error:
        raise Untrusted("Timestamp: it is not an instant like 2026-11-23T07:00:00.000Z") from error
    if age > OLDEST or -age > FURTHEST_AHEAD:
        raise Untrusted(f"Timestamp: {at:%Y-%m-%d %H:%M:%S}Z is too far from now")


def _signature(message: Content) -> tuple[bytes, type[HashAlgorithm]]:
    hash_of = HASHES.get(text_of(message.get("SignatureVersion")))
    if hash_of is None:
        raise Untrusted("SignatureVersion: it is neither 1 nor 2")
    text_to_sign(message)
    try:
        return base64.b64decode(text_of(message.get("Signature")), validate=True), hash_of
    except (binascii.Error, ValueError) as error:
        raise Untrusted("Signature: it is not base64") from error


def _readable(pem: bytes) -> Certificate:
    try:
        return load_pem_x509_certificate(pem)
    except ValueError as error:
        raise Untrusted("SigningCertURL: there is no certificate") from error
