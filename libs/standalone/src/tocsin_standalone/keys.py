"""The secrets of one instance: made at the first start, kept in its home, readable by its owner only."""

import base64
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tocsin_standalone.home import read_object, write_private


@dataclass(frozen=True)
class Keys:
    """Every secret, or the file that holds it."""

    postgres_superuser: str
    postgres: dict[str, str]
    nats: dict[str, str]
    signing_key_files: dict[str, Path]
    trusted_keys_file: Path
    admin_api_key: str
    admin_api_key_file: Path
    span_key: str
    span_key_file: Path
    webhook_secret_file: Path
    sealing_key_files: dict[str, Path]
    watchdog_secret_file: Path


def load_or_create(folder: Path, services: Iterable[str], nats_users: Iterable[str], signers: Iterable[str] = ()) -> Keys:
    """The secrets in `folder`; what is missing is made, what is there stays. `signers` have a key to sign with and nothing else."""
    names = list(services)
    signing = {name: folder / f"signing-{name}.jwk" for name in (*names, *signers)}
    trusted = folder / "trusted-keys.jwks"
    _signing_keys(signing, trusted)
    return Keys(
        postgres_superuser=_text(folder / "postgres-superuser", _token),
        postgres=_passwords(folder / "postgres-passwords.json", names),
        nats=_passwords(folder / "nats-passwords.json", nats_users),
        signing_key_files=signing,
        trusted_keys_file=trusted,
        admin_api_key=_text(folder / "admin-api-key", _api_key),
        admin_api_key_file=folder / "admin-api-key",
        span_key=_text(folder / "span-key", _token),
        span_key_file=folder / "span-key",
        webhook_secret_file=_file(folder / "webhook-secret", _webhook_secret),
        sealing_key_files={name: _file(folder / f"sealing-{name}.jwks", _sealing_keys) for name in names},
        watchdog_secret_file=_file(folder / "watchdog-secret", _token),
    )


def _passwords(path: Path, names: Iterable[str]) -> dict[str, str]:
    known = {name: str(password) for name, password in read_object(path).items()}
    missing = {name: _token() for name in names if name not in known}
    if missing:
        known |= missing
        write_private(path, json.dumps(known, indent=2) + "\n")
    return known


def _text(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        write_private(path, make() + "\n")
    return path.read_text().strip()


def _file(path: Path, make: Callable[[], str]) -> Path:
    _text(path, make)
    return path


def _signing_keys(files: dict[str, Path], trusted: Path) -> None:
    """One Ed25519 key for each service (JWK), and the public halves of all of them (JWKS); `kid` is the service's name."""
    missing = [name for name, path in files.items() if not path.exists()]
    if not missing and trusted.exists():
        return
    from joserfc.jwk import OKPKey

    for name in missing:
        key = OKPKey.generate_key("Ed25519", parameters={"kid": name, "use": "sig", "alg": "Ed25519"})
        write_private(files[name], json.dumps(key.as_dict(private=True)) + "\n")
    public = [{field: value for field, value in read_object(path).items() if field != "d"} for path in files.values()]
    write_private(trusted, json.dumps({"keys": public}, indent=2) + "\n")


def _token() -> str:
    return secrets.token_urlsafe(32)


def _api_key() -> str:
    return f"tocsin_{secrets.token_hex(4)}.{secrets.token_urlsafe(32)}"


def _sealing_keys() -> str:
    """A JWKS with one key of 256 bits, by which a service seals secrets in its database."""
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
    return json.dumps({"keys": [{"kty": "oct", "kid": secrets.token_hex(4), "alg": "A256GCM", "k": key}]})


def _webhook_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
