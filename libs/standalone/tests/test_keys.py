"""The secrets: complete, private, and the same at every start."""

import base64
import json
import re
from pathlib import Path

from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey

from tocsin_chassis.sealing import Vault
from tocsin_standalone.keys import Keys, load_or_create

SERVICES = ("detection", "edge")


def make(folder: Path) -> Keys:
    return load_or_create(folder, SERVICES, (*SERVICES, "supervisor"))


def test_every_secret_is_there_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    made = make(tmp_path)
    assert set(made.postgres) == set(SERVICES)
    assert set(made.nats) == {*SERVICES, "supervisor"}
    assert re.fullmatch(r"tocsin_[0-9a-f]{8}\.[A-Za-z0-9_-]{43}", made.admin_api_key)
    assert made.admin_api_key_file.read_text().strip() == made.admin_api_key
    prefix, _, secret = made.webhook_secret_file.read_text().strip().partition("_")
    assert prefix == "whsec" and len(base64.b64decode(secret)) == 32
    assert len({Vault.read(file).newest for file in made.sealing_key_files.values()}) == len(SERVICES)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_nothing_changes_at_the_next_start(tmp_path: Path) -> None:
    first = make(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert make(tmp_path) == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_service_that_came_later_gets_its_own_and_the_others_keep_theirs(tmp_path: Path) -> None:
    first = make(tmp_path)
    later = load_or_create(tmp_path, (*SERVICES, "review"), (*SERVICES, "review", "supervisor"))
    assert {name: later.postgres[name] for name in SERVICES} == first.postgres
    assert {key["kid"] for key in json.loads(later.trusted_keys_file.read_text())["keys"]} == {*SERVICES, "review"}


def test_two_instances_share_no_secret(tmp_path: Path) -> None:
    folders = (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        folder.mkdir()
        make(folder)
    one, two = ({path.read_bytes() for path in folder.iterdir()} for folder in folders)
    assert not one & two


def test_what_a_service_signs_the_public_keys_verify_and_they_hold_nothing_private(tmp_path: Path) -> None:
    made = make(tmp_path)
    key = OKPKey.import_key(json.loads(made.signing_key_files["edge"].read_text()))
    token = jwt.encode({"alg": "Ed25519", "kid": "edge"}, {"sub": "x"}, key, algorithms=["Ed25519"])
    public = json.loads(made.trusted_keys_file.read_text())
    assert all("d" not in each for each in public["keys"])
    assert jwt.decode(token, KeySet.import_key_set(public), algorithms=["Ed25519"]).claims == {"sub": "x"}
