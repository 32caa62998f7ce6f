"""Evidence from the command line to a bundle that somebody verifies who has nothing of Tocsin."""

import asyncio
import json
import subprocess
import sys
import zipfile
from datetime import timedelta

import pytest

from tocsin_client import cli

MINUTE = timedelta(minutes=1)


@pytest.fixture
def tocsin(platform, monkeypatch, capsys):
    """The command line, on this platform, as its administrator."""
    monkeypatch.setenv("TOCSIN_GRPC", f"127.0.0.1:{platform.apps['edge'].port}")
    monkeypatch.setenv("TOCSIN_API_KEY", (platform.world.keys.folder / "admin-key").read_text())

    async def run(*arguments, status=0):
        found = await asyncio.to_thread(cli.run, [str(each) for each in arguments])
        said = capsys.readouterr()
        assert found == status, said
        return said.out

    return run


async def test_a_bundle_verifies_by_itself_and_names_what_was_changed_in_it(platform, tocsin, tmp_path):
    await platform.responders("alice")
    await platform.policy("checkout-policy", [("alice", MINUTE)])
    await platform.service("checkout", "checkout-policy")
    await tocsin("incident", "declare", "data leak", "--service", "checkout")
    log = tmp_path / "access.log"
    log.write_bytes(b"GET /customers.csv\n" * 100_000)
    item = json.loads(await tocsin("evidence", "add", "1", log, "--kind", "log", "--tool", "cp", "--source", "web-1", "-o", "json"))
    assert item["size"] == str(log.stat().st_size)
    assert item["id"] in await tocsin("evidence", "list", "1")
    await tocsin("evidence", "download", item["id"], "--to", tmp_path / "copy", "--reason", "analysis")
    assert (tmp_path / "copy").read_bytes() == log.read_bytes()
    assert "access" in await tocsin("evidence", "show", item["id"])
    assert "findings  0" in await tocsin("evidence", "verify", "1")

    said = await tocsin("evidence", "export", "1", tmp_path / "bundle.zip", "--reason", "for the authority")
    key = said.strip().rpartition(" ")[2]
    folder = tmp_path / "bundle"
    with zipfile.ZipFile(tmp_path / "bundle.zip") as bundle:
        bundle.extractall(folder)

    def verified(key):
        return subprocess.run([sys.executable, "-I", folder / "verify.py", key], capture_output=True, text=True, check=False)

    assert (verified(key).returncode, verified(key).stdout[:17]) == (0, "all good: 1 items")
    assert "another public key" in verified("00" * 32).stdout
    ledger = (folder / "ledger.jsonl").read_text()
    (folder / "ledger.jsonl").write_text(ledger.replace("web-1", "web-2"))
    assert "entry 0 is not covered" in verified(key).stdout
    (folder / "ledger.jsonl").write_text(ledger)
    (folder / "blobs" / item["sha256"]).write_bytes(b"nothing to see")
    assert "access.log" in verified(key).stdout and verified(key).returncode == 1

    incident = await platform.expect_incident()
    await platform.timeline(incident, "EvidenceCollected", "EvidenceExported")


async def test_what_review_kept_gives_a_rewritten_ledger_away(platform, tocsin, tmp_path):
    """Response's own folder and heads cannot lie to somebody who asks review too."""
    await platform.responders("alice")
    await platform.policy("checkout-policy", [("alice", MINUTE)])
    await platform.service("checkout", "checkout-policy")
    await tocsin("incident", "declare", "data leak", "--service", "checkout")
    (tmp_path / "memo.txt").write_text("inconvenient")
    await tocsin("evidence", "add", "1", tmp_path / "memo.txt")

    async def is_kept():
        return json.loads(await tocsin("evidence", "verify", "--ledger-only", "-o", "json"))["heads"] == 2

    await platform.world.eventually(is_kept, 40)
    platform.world.rewrite(
        "response",
        "DELETE FROM custody_entry; DELETE FROM custody_head; DELETE FROM evidence;"
        "UPDATE custody_state SET size = 0, last = '', peaks = '{}'",
    )
    assert "ENTRY MISSING" in await tocsin("evidence", "verify", "--ledger-only", status=1)
