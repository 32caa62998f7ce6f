"""The two secrets of Web Push: a message that only the browser can read (RFC 8291), and the proof of who sends it (RFC 8292)."""

import base64
import binascii
import json
import os
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey

RECORD = 4096
PROOF_LASTS = timedelta(hours=12)
_CURVE = ec.SECP256R1()


class SubscriptionFlawed(ValueError):
    """It is no subscription of a browser; the text says what is wrong."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a browser is reached, and how to write to it."""

    endpoint: str
    key: bytes
    auth: bytes

    @classmethod
    def read(cls, text: str) -> "Subscription":
        """Raises SubscriptionFlawed."""
        try:
            found = json.loads(text)
            keys = found["keys"]
            made = cls(str(found["endpoint"]), unpadded(str(keys["p256dh"])), unpadded(str(keys["auth"])))
        except (ValueError, TypeError, KeyError, RecursionError):
            raise SubscriptionFlawed(
                'must be the JSON of a browser\'s subscription: {"endpoint": …, "keys": {"p256dh": …, "auth": …}}'
            ) from None
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, made.key)
        except (ValueError, UnsupportedAlgorithm):
            raise SubscriptionFlawed("keys.p256dh must be a point of the curve P-256, 65 bytes in base64url") from None
        if len(made.auth) != 16:
            raise SubscriptionFlawed("keys.auth must be 16 bytes in base64url")
        return made

    def __str__(self) -> str:
        """The same in one spelling."""
        keys = {"p256dh": padless(self.key), "auth": padless(self.auth)}
        return json.dumps({"endpoint": self.endpoint, "keys": keys}, separators=(",", ":"))

    @property
    def origin(self) -> str:
        """Scheme, host and port of the push service."""
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}"


class ServerKey:
    """The key that browsers know this installation by (VAPID)."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = ECKey.import_key(key)
        self.public = padless(_point(key.public_key()))
        self.secret = key.private_numbers().private_value.to_bytes(32, "big")

    @classmethod
    def read(cls, path: Path) -> "ServerKey":
        """From PEM, or from 32 bytes in base64url, as the usual tools print it. Raises ValueError without the key in it."""
        content = path.read_bytes().strip()
        try:
            if content.startswith(b"-----BEGIN"):
                loaded = load_pem_private_key(content, None)
                if isinstance(loaded, ec.EllipticCurvePrivateKey) and isinstance(loaded.curve, ec.SECP256R1):
                    return cls(loaded)
            else:
                raw = unpadded(content.decode())
                if len(raw) == 32:
                    return cls(ec.derive_private_key(int.from_bytes(raw, "big"), _CURVE))
        except (ValueError, TypeError, UnsupportedAlgorithm):
            pass
        raise ValueError(f"{path}: must be a private key of the curve P-256, as PEM without password or as 32 bytes in base64url")

    def authorization(self, origin: str, contact: str, now: datetime) -> str:
        """The header that proves to one push service who sends."""
        claims = {"aud": origin, "exp": int((now + PROOF_LASTS).timestamp()), "sub": contact}
        return f"vapid t={jwt.encode({'alg': 'ES256', 'typ': 'JWT'}, claims, self._key)},k={self.public}"


def encrypt(subscription: Subscription, plain: bytes, salt: bytes | None = None, once: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """The body of a push message, one record of aes128gcm. Salt and key are for this message only."""
    salt = salt or os.urandom(16)
    once = once or ec.generate_private_key(_CURVE)
    ours = _point(once.public_key())
    shared = once.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, subscription.key))
    material = _derived(shared, subscription.auth, b"WebPush: info\x00" + subscription.key + ours, 32)
    key = _derived(material, salt, b"Content-Encoding: aes128gcm\x00", 16)
    nonce = _derived(material, salt, b"Content-Encoding: nonce\x00", 12)
    # 2 ends the last record.
    sealed = AESGCM(key).encrypt(nonce, plain + b"\x02", None)
    return salt + RECORD.to_bytes(4, "big") + bytes([len(ours)]) + ours + sealed


def padless(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unpadded(text: str) -> bytes:
    """From base64url, padded or not. Raises ValueError."""
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError("is not base64url") from error


def _derived(material: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=info).derive(material)


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
