"""A stand-in for Amazon SNS: signs messages as SNS does, and serves its certificate and the confirmation of subscriptions over TLS."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

CERTIFICATE = "/SimpleNotificationService-0123456789abcdef.pem"
HASHES = {"1": SHA1, "2": SHA256}
OF_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
OF_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@dataclass
class AmazonSns:
    """What runs: where, who vouches for it, what it was asked for. `answers` holds what it says otherwise, by path."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    ca_file: Path
    host: str = ""
    asked: list[str] = field(default_factory=list)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    @property
    def certificate_url(self) -> str:
        return f"https://{self.host}{CERTIFICATE}"

    def subscribe_url(self, topic: str) -> str:
        return f"https://{self.host}/?Action=ConfirmSubscription&TopicArn={quote(topic, safe='')}&Token=2336412f37"

    def notification(
        self, topic: str, message: object, at: datetime, *, id: str = "m-1", version: str = "2", **more: str
    ) -> dict[str, str]:
        """A signed notification; `message` as JSON if it is no text."""
        text = message if isinstance(message, str) else json.dumps(message)
        return self.signed({"Type": "Notification", "MessageId": id, "TopicArn": topic, "Message": text, **more}, at, version)

    def confirmation(self, topic: str, at: datetime, kind: str = "SubscriptionConfirmation", **more: str) -> dict[str, str]:
        """A signed request to confirm a subscription."""
        said = {"Type": kind, "MessageId": "c-1", "TopicArn": topic, "Message": "You have chosen to subscribe", "Token": "2336412f37"}
        return self.signed({**said, "SubscribeURL": self.subscribe_url(topic), **more}, at, "1")

    def signed(self, message: dict[str, str], at: datetime, version: str) -> dict[str, str]:
        """The message with its time and signature."""
        timed = {**message, "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"}
        names = OF_NOTIFICATION if message["Type"] == "Notification" else OF_CONFIRMATION
        text = "".join(f"{name}\n{timed[name]}\n" for name in names if name in timed)
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), HASHES[version]())
        return {
            "SigningCertURL": self.certificate_url,
            **timed,
            "SignatureVersion": version,
            "Signature": base64.b64encode(signature).decode(),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split(b" ", 2)[1].decode()
        self.asked.append(path)
        usual = self.certificate.public_bytes(Encoding.PEM) if path == CERTIFICATE else b"<ConfirmSubscriptionResponse/>"
        status, content = self.answers.get(path.partition("?")[0], (200, usual))
        lines = (f"HTTP/1.1 {status} X", f"content-length: {len(content)}", f"location: https://{self.host}/", "connection: close", "", "")
        writer.write("\r\n".join(lines).encode() + content)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def amazon_sns(folder: Path, now: datetime) -> AsyncIterator[AmazonSns]:
    """A running stand-in at localhost; `folder` gets its certificates, valid for a day around `now`."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    certificate = _certificate(key, now)
    ca_file = folder / "sns-ca.pem"
    ca_file.write_bytes(certificate.public_bytes(Encoding.PEM))
    chain = folder / "sns.pem"
    chain.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM))
    sns = AmazonSns(key, certificate, ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    server = await asyncio.start_server(sns.serve, "127.0.0.1", 0, ssl=context)
    sns.host = f"localhost:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield sns


def _certificate(key: rsa.RSAPrivateKey, now: datetime) -> x509.Certificate:
    """One that vouches for itself. TLS looks at the machine's clock and the caller at his own: it is valid by both."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.test")])
    machine = datetime.now(now.tzinfo)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(IPv4Address("127.0.0.1"))])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, machine) - timedelta(days=1))
        .not_valid_after(max(now, machine) + timedelta(days=3))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
