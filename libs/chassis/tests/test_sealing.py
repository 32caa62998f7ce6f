"""What is sealed opens only under its key and at its place."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin_chassis.sealing import BadKeyFile, Place, Sealed, SealUnreadable, Vault, add_key

OLD, NEW = b"o" * 32, b"n" * 32
HERE = Place("integration", "secrets", "grafana")


@given(st.text())
def test_what_is_sealed_opens_again_and_never_looks_the_same(secret: str) -> None:
    vault = Vault({"new": NEW, "old": OLD})
    first, second = vault.seal(secret, HERE), vault.seal(secret, HERE)
    assert vault.open(first, HERE) == vault.open(second, HERE) == secret
    assert first.key == "new" and first.content != second.content


@pytest.mark.parametrize(
    "other", [Place("integration", "secrets", "sentry"), Place("account", "secrets", "grafana"), Place("integration", "key", "grafana")]
)
def test_it_opens_at_its_place_only(other: Place) -> None:
    vault = Vault({"new": NEW})
    with pytest.raises(SealUnreadable, match="another row"):
        vault.open(vault.seal("secret", HERE), other)


@given(st.integers(0, 33), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    vault = Vault({"new": NEW})
    sealed = vault.seal("secret", HERE)
    content = bytearray(sealed.content)
    content[position] ^= change
    with pytest.raises(SealUnreadable):
        vault.open(Sealed(sealed.key, bytes(content)), HERE)


def test_an_older_key_still_opens_and_a_lost_one_is_named() -> None:
    sealed = Vault({"old": OLD}).seal("secret", HERE)
    assert Vault({"new": NEW, "old": OLD}).open(sealed, HERE) == "secret"
    with pytest.raises(SealUnreadable, match="'old' is not in the key file"):
        Vault({"new": NEW}).open(sealed, HERE)


def test_the_key_file_is_a_jwks_with_the_newest_key_first(tmp_path: Path) -> None:
    file = tmp_path / "keys.jwks"
    text = base64.urlsafe_b64encode(NEW).decode().rstrip("=")
    file.write_text(json.dumps({"keys": [{"kty": "oct", "kid": "new", "k": text}, {"kty": "oct", "kid": "old", "k": text}]}))
    assert Vault.read(file).newest == "new"


def test_a_new_key_comes_first_and_what_was_sealed_before_still_opens(tmp_path: Path) -> None:
    file = tmp_path / "keys.jwks"
    add_key(file)
    first = Vault.read(file)
    sealed = first.seal("secret", HERE)
    add_key(file)
    second = Vault.read(file)
    assert second.newest != first.newest and second.open(sealed, HERE) == "secret"
    assert file.stat().st_mode & 0o777 == 0o600 and [path.name for path in tmp_path.iterdir()] == ["keys.jwks"]


@pytest.mark.parametrize(
    "content",
    ["", "[]", '{"keys": []}', '{"keys": [{"kid": "a"}]}', '{"keys": [{"kid": "a", "k": "c2hvcnQ"}]}', '{"keys": [{"kid": "a", "k": 7}]}'],
)
def test_a_bad_key_file_says_what_it_must_hold(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.jwks"
    file.write_text(content)
    with pytest.raises(BadKeyFile, match=r"keys\.jwks"):
        Vault.read(file)
    with pytest.raises(BadKeyFile, match="cannot be read"):
        Vault.read(tmp_path / "nowhere")
