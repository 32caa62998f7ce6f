"""The scripts of the connector for Linux machines, run by a real shell in a home of their own: what is done is done, and undone exactly."""

import asyncio
import hashlib
import os
import shutil
from importlib import resources

import asyncssh
import pytest
from connector_conformance import Case
from connector_conformance import house as opened

from tocsin_runner.assignment import State
from tocsin_runner.twins.linux import LinuxTwin

HOST = "127.0.0.1"


class RealMachine(LinuxTwin):
    """The same SSH server, with a real shell behind it."""

    async def _serve(self, process):
        shell = await asyncio.create_subprocess_exec(
            "sh", "-c", process.command, stdin=-1, stdout=-1, stderr=-1, env={"HOME": str(self.home), "PATH": os.defpath}
        )
        out, err = await shell.communicate((await process.stdin.read()).encode())
        process.stdout.write(out.decode())
        process.stderr.write(err.decode())
        process.exit(shell.returncode)


def real(home):
    def twin(clock):
        made = RealMachine(clock)
        made.home, made.client = home, asyncssh.generate_private_key("ssh-ed25519")
        made.authorized = made.client.export_public_key().decode()
        return made

    return twin


def by_ssh(twin, folder):
    for name, text in (("private_key", twin.client.export_private_key().decode()), ("host_keys", twin.host_key)):
        (folder / name).write_text(text)
    return {"port": str(twin.port), "probe": HOST, "hosts": HOST, "user": "root"}


def case(home, action, arguments):
    return Case("linux", action, real(home), {"host": HOST, **arguments}, ("RUN", action), bool, connect=by_ssh)


@pytest.fixture
def folders(tmp_path):
    for name in ("home", "secrets"):
        (tmp_path / name).mkdir()
    return tmp_path / "home", tmp_path / "secrets"


async def test_a_file_goes_into_quarantine_and_comes_back_as_it_was(folders):
    home, secrets = folders
    file = home / "a file; with $(odd) 'name'"
    file.write_bytes(b"payload")
    file.chmod(0o741)
    os.utime(file, (1_770_000_000, 1_770_000_000))
    digest = hashlib.sha256(b"payload").hexdigest()
    async with opened(case(home, "quarantine-file", {"path": str(file), "hash": digest}), secrets) as house:
        done = await house.do()
        assert done.state is State.SUCCEEDED, done
        assert not file.exists()
        undone = await house.undo(done)
        assert undone.state is State.SUCCEEDED, undone
        stat = file.stat()
        assert (file.read_bytes(), oct(stat.st_mode & 0o777), int(stat.st_mtime)) == (b"payload", "0o741", 1_770_000_000)


async def test_another_file_in_its_place_is_neither_taken_nor_overwritten(folders):
    home, secrets = folders
    file = home / "payload"
    file.write_bytes(b"payload")
    digest = hashlib.sha256(b"payload").hexdigest()
    async with opened(case(home, "quarantine-file", {"path": str(file), "hash": "0" * 64}), secrets) as house:
        refused = await house.do()
        assert refused.state is State.REJECTED and digest in refused.explanation
        done = await house.do(key="key-2", arguments={"host": HOST, "path": str(file), "hash": digest})
        file.write_bytes(b"new")
        house.case.arguments.update(hash=digest)
        refused = await house.undo(done)
        assert refused.state is State.REJECTED and "another file" in refused.explanation
        assert file.read_bytes() == b"new"


@pytest.mark.skipif(shutil.which("ps") is None, reason="the machine has no ps")
async def test_a_process_is_ended_by_its_number(folders):
    home, secrets = folders
    process = await asyncio.create_subprocess_exec("sleep", "600")
    async with opened(case(home, "kill-process", {"process": str(process.pid)}), secrets) as house:
        reaped = asyncio.create_task(process.wait())
        done = await house.do()
        assert done.state is State.SUCCEEDED, done
        assert await asyncio.wait_for(reaped, 20) < 0
        assert (await house.do(key="key-2")).state is State.ALREADY_IN_STATE


async def test_files_are_compared_with_their_checksums(folders):
    home, secrets = folders
    (home / "data").mkdir()
    (home / "data" / "a").write_bytes(b"a")
    (home / "sums").write_text(f"{hashlib.sha256(b'a').hexdigest()}  a\n")
    wanted = {"target": str(home / "data"), "expected": str(home / "sums")}
    async with opened(case(home, "verify-integrity", wanted), secrets) as house:
        assert (await house.do()).state is State.ALREADY_IN_STATE
        (home / "data" / "a").write_bytes(b"b")
        changed = await house.do(key="key-2")
        assert changed.state is State.REJECTED and "1 of 1 files are missing or changed" in changed.explanation


async def test_what_a_machine_was_like_is_brought(folders):
    home, secrets = folders
    (home / "app.log").write_text("line one\n")
    async with opened(case(home, "collect-evidence", {"path": str(home / "app.log")}), secrets) as house:
        done = await house.do()
        assert done.state is State.SUCCEEDED, done
        [evidence] = [found for found in done.findings if found.evidence]
        assert b"line one" in evidence.content and evidence.name == f"{HOST}-triage.json"


def test_the_twin_knows_every_script_of_the_connector():
    text = (resources.files("tocsin_runner.connectors") / "builtin" / "linux.yaml").read_text()
    labels = [line.strip().removeprefix("# ") for line in text.splitlines() if line.strip().startswith("# ")]
    twin = LinuxTwin(None)
    said = {"machine": "x", "process": "1", "running": "", "path": "/opt/payload", "hash": "h", "marker": "m", "mode": "1 0:0 1"}
    assert len(labels) == 9
    assert all(twin._run(label, said, "")[0] == 0 for label in labels if label != "quarantine-file undo"), labels
