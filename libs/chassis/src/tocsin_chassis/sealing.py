"""Secrets that must be read again lie sealed in the database: AES-256-GCM, under a key that lies elsewhere."""

import base64
import binascii
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin_kernel.errors import Unavailable

KEY_BYTES = 32
NONCE_BYTES = 12


class SealUnreadable(Unavailable):
    reason = "SEAL_UNREADABLE"
    message = "what is sealed in {where} cannot be opened: {detail}"


class BadKeyFile(ValueError):
    """The key file does not hold what it should; the text says what and how to mend it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a secret lies. It opens nowhere else: whoever can write the table cannot give one row's secret to another."""

    table: str
    column: str
    id: str

    def __str__(self) -> str:
        return f"{self.table}|{self.column}|{self.id}"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is stored: the id of the key, and nonce and ciphertext."""

    key: str
    content: bytes


class Vault:
    """Seals under the newest key, opens under any that the file holds."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """`keys` by id, the newest first."""
        self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
        self.newest = next(iter(keys))

    @classmethod
    def read(cls, file: Path) -> "Vault":
        """A JWKS of symmetric keys of 256 bits, the newest first. Raises BadKeyFile."""
        try:
            found = {str(key["kid"]): _key(key["k"]) for key in json.loads(file.read_text())["keys"]}
        except OSError as error:
            raise BadKeyFile(f"{file} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BadKeyFile(f'{file} must hold {{"keys": [{{"kty": "oct", "kid": "…", "k": "<256 bits, base64url>"}}]}}') from error
        if not found:
            raise BadKeyFile(f"{file} holds no key")
        return cls(found)

    def seal(self, secret: str, place: Place) -> Sealed:
        """The same secret never looks the same twice."""
        nonce = os.urandom(NONCE_BYTES)
        return Sealed(self.newest, nonce + self._ciphers[self.newest].encrypt(nonce, secret.encode(), str(place).encode()))

    def open(self, sealed: Sealed, place: Place) -> str:
        """Raises SealUnreadable if the key is not in the file, or if it was not sealed for this place."""
        cipher = self._ciphers.get(sealed.key)
        if cipher is None:
            raise SealUnreadable(where=place.table, detail=f"the key {sealed.key!r} is not in the key file")
        try:
            return cipher.decrypt(sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:], str(place).encode()).decode()
        except InvalidTag as error:
            raise SealUnreadable(where=place.table, detail="it was changed, or belongs to another row") from error


def add_key(file: Path) -> None:
    """Put a new key before the others, in one step; only its owner may read the file. Raises BadKeyFile, OSError."""
    before: list[object] = []
    if file.exists():
        Vault.read(file)
        before = json.loads(file.read_text())["keys"]
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(json.dumps({"keys": [_made(), *before]}, indent=2) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)


def _made() -> dict[str, str]:
    key = base64.urlsafe_b64encode(os.urandom(KEY_BYTES)).decode().rstrip("=")
    return {"kty": "oct", "kid": os.urandom(4).hex(), "alg": "A256GCM", "k": key}


def _key(text: str) -> bytes:
    try:
        key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("no base64url") from error
    if len(key) != KEY_BYTES:
        raise ValueError("not 256 bits")
    return key
